/**
 * Shipping a log: copying it into the stream of its fleet, each byte once. The log stays the truth, and an
 * acknowledgement of the server is none of its disk.
 *
 * 1. *One block is under way at a time*, with two guards: the server takes it only behind the block that
 *    is last as far as this shipper knows, and not twice under the same name, which is its position. With
 *    one guard alone, a cluster that changes its leader stores doubles.
 * 2. *What was acknowledged is not looked at again.* Whatever else comes back, a refusal, a duplicate, no
 *    answer, says nothing of what is stored: the last block is asked for, and what follows it comes next.
 *    A duplicate may be of a block with another end; one without an answer may still arrive.
 * 3. *The last block has to be the log's own*, byte for byte: else this is another directory, or a copy of
 *    an older one, and nothing is sent.
 * 4. *A last block that is older than one that was acknowledged* may be the answer of a server that is
 *    behind; only what is answered again and again is believed. Then the stream was made anew or put back,
 *    and what it lacks is sent again.
 *
 * @module
 */
import { delay } from "./delay.ts";
import { messageOf } from "../errors.ts";
import { denoPlatform, type Platform } from "../platform/platform.ts";
import { DirectoryChanges } from "../read/directory_changes.ts";
import { LogFiles } from "../segments/segment_name.ts";
import { isContentOf } from "./block.ts";
import { type BlockMessage, messagesOf } from "./block_message.ts";
import { isFinal } from "./connection.ts";
import { cutBlocks } from "./cut_blocks.ts";
import {
  dataBytesMax,
  type FleetPlace,
  FleetServerError,
  lastBlock,
  publish,
  type Published,
  type StoredBlock,
  subjectOf,
} from "./fleet_stream.ts";
import { oneAhead } from "./one_ahead.ts";
import {
  FleetConflictError,
  FleetMismatchError,
  type ResolvedShipOptions,
  resolveShipOptions,
  type ShipGap,
  type ShipOptions,
  type ShipReport,
} from "./ship_options.ts";
import { ShipPace } from "./ship_pace.ts";
import { type LogSnapshot, PositionedLog, UnreadablePartError } from "./log_position.ts";

/** A log that seems not to have changed is looked at again by then: a new file may look like an old one. */
const LOOK_EVERY_MS = 1_000;
/** How often, and how long apart, a server has to say that it lacks what was acknowledged. */
const DOUBTS = 5;
const DOUBT_MS = 300;
/** Blocks of another shipper after which there are two. */
const FOREIGN_BLOCKS_MAX = 2;

/**
 * Ships a log: what is in it, and then what is written to it, by whichever process, until `signal` is
 * aborted; or until all is shipped that was there, with `once`. A server that is away or full is waited
 * for.
 *
 * Needs `--allow-read=DIR` for the directory of the log, and `--allow-net` for the connection.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option that is none, naming it.
 * @throws {FleetMismatchError} when the stream holds another log of that name.
 * @throws {FleetConflictError} when another shipper sends the same log.
 * @throws {FleetServerError} for what the server refuses, such as a permission.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@nats-io/transport-node";
 * import { ship } from "@vivarium/scout/fleet";
 *
 * const connection = await connect({ servers: "127.0.0.1:4222" });
 * const place = { connection, fleet: "mine", log: "machine-1", path: "logs/audit.jsonl" };
 * const { position, gaps } = await ship({ ...place, once: true });
 * console.log(`${position} bytes are in the stream, ${gaps.length} gaps`);
 * ```
 */
export function ship(options: ShipOptions): Promise<ShipReport> {
  return shipOn(denoPlatform, options);
}

/**
 * As {@linkcode ship}, on any platform.
 *
 * @internal
 */
export async function shipOn(platform: Platform, options: ShipOptions): Promise<ShipReport> {
  const shipping = new Shipping(platform, resolveShipOptions(options));
  return await shipping.run();
}

/** Where a shipper goes on. */
interface Next {
  readonly position: number;
  /** Whether that is within a line. */
  readonly isContinued: boolean;
  /** The sequence of the last block; 0 for none. */
  readonly seq: number;
}

class Shipping {
  readonly #platform: Platform;
  readonly #options: ResolvedShipOptions;
  readonly #place: FleetPlace;
  readonly #subject: string;
  readonly #log: PositionedLog;
  readonly #shipper = crypto.randomUUID();
  readonly #pace: ShipPace;
  readonly #gaps: ShipGap[] = [];
  /** Where it goes on; unknown until the server was asked. */
  #next: Next | undefined;
  #foreignBlocks = 0;
  #blocks = 0;
  #bytes = 0;
  #end = 0;

  constructor(platform: Platform, options: ResolvedShipOptions) {
    const { connection, stream, timeoutMs, fleet, log, path, logger, signal } = options;
    this.#platform = platform;
    this.#options = options;
    this.#place = { connection, stream, timeoutMs };
    this.#subject = subjectOf(fleet, log);
    this.#log = new PositionedLog({ ...platform, files: new LogFiles(path) });
    const { clock } = platform;
    const { blockBytesMax } = options;
    this.#pace = new ShipPace({ blockBytesMax, clock, logger, signal, subject: this.#subject });
  }

  async run(): Promise<ShipReport> {
    const { clock } = this.#platform;
    const { path, once, intervalMs, signal } = this.#options;
    const { directory } = new LogFiles(path);
    const changes = new DirectoryChanges({ ...this.#platform, directory });
    const wake = () => changes.wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const lookedMs = clock.monotonicMs();
        const isDone = await this.#shipWhatIsThere();
        if (isDone && once) break;
        if (!isDone) continue;
        const isQuiet = () =>
          this.#log.isUnchanged() && clock.monotonicMs() < lookedMs + LOOK_EVERY_MS;
        while (!signal.aborted && isQuiet()) await changes.wait();
        const restMs = lookedMs + intervalMs - clock.monotonicMs();
        if (restMs > 0) await delay(restMs, clock, signal);
      }
    } catch (error) {
      // What ends with the signal is no failure.
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", wake);
      changes.close();
    }
    return this.#report();
  }

  #report(): ShipReport {
    return {
      position: this.#next?.position ?? 0,
      end: this.#end,
      blocks: this.#blocks,
      bytes: this.#bytes,
      gaps: [...this.#gaps],
    };
  }

  /** Ships the log as it is now; tells whether all of it is in the stream. */
  async #shipWhatIsThere(): Promise<boolean> {
    using snapshot = await this.#log.snapshot(this.#options.signal);
    this.#end = snapshot.end;
    this.#next ??= await this.#resume(snapshot);
    try {
      // The next one is made ready while one is under way.
      for await (const message of oneAhead(this.#messages(snapshot, this.#next))) {
        if (!await this.#ship(message)) return false;
        this.#options.signal.throwIfAborted();
      }
      return true;
    } catch (error) {
      if (!(error instanceof UnreadablePartError)) throw error;
      this.#options.logger.warn(error.message, error.cause);
      this.#passOver(error.end);
      return false;
    }
  }

  #messages(snapshot: LogSnapshot, next: Next): AsyncGenerator<BlockMessage, void> {
    const bytes = snapshot.bytes(next.position);
    return messagesOf(cutBlocks(bytes, () => this.#pace.blockBytes, next), {
      shipper: this.#shipper,
      logEnd: snapshot.end,
      encoding: this.#options.encoding,
      dataBytesMax: dataBytesMax(this.#place.connection),
    });
  }

  /** Ships one block; tells whether it is stored, and asks the server where to go on if not. */
  async #ship(message: BlockMessage): Promise<boolean> {
    const { block } = message;
    this.#passOver(block.from);
    const next = this.#next!;
    const published = await this.#published(message, next.seq);
    if (published.outcome === "stored") {
      this.#next = { position: block.to, isContinued: block.isCut, seq: published.seq };
      this.#blocks++;
      this.#bytes += block.bytes.byteLength;
      this.#pace.goOn();
      this.#options.onProgress?.(this.#report());
      return true;
    }
    if (published.outcome === "not now") await this.#pace.waitForRoom(published.why);
    else {
      using snapshot = await this.#log.snapshot(this.#options.signal);
      this.#next = await this.#resume(snapshot, next.seq);
    }
    return false;
  }

  /** What is between here and there is not in the log any more. */
  #passOver(position: number): void {
    const next = this.#next!;
    if (position <= next.position) return;
    const gap = { from: next.position, to: position };
    this.#gaps.push(gap);
    this.#options.logger.warn(
      `Bytes ${gap.from} to ${gap.to} of the log are gone and cannot be shipped: ${this.#options.path}`,
    );
    this.#next = { ...next, position, isContinued: false };
  }

  async #published(message: BlockMessage, expectedSeq: number): Promise<Published> {
    try {
      return await publish(this.#place, message, { subject: this.#subject, expectedSeq });
    } catch (error) {
      if (error instanceof FleetServerError || isFinal(error)) throw error;
      this.#pace.slowDown();
      await this.#pace.waitForServer(this.#reasonOf(error));
      return { outcome: "refused" };
    }
  }

  /** Asks the server where to go on. */
  async #resume(
    snapshot: LogSnapshot,
    knownSeq = 0,
  ): Promise<Next> {
    const last = await this.#lastBlock(knownSeq);
    // Also where it was stored before and is not any more: it is sent again.
    if (last === null) return { position: 0, isContinued: false, seq: 0 };
    const { seq, facts } = last;
    if (knownSeq > 0 && seq > knownSeq && facts.shipper !== this.#shipper) {
      this.#foreignBlocks++;
      if (this.#foreignBlocks >= FOREIGN_BLOCKS_MAX) throw new FleetConflictError(this.#subject);
    }
    if (!await this.#isOwn(last, snapshot)) {
      // What another shipper has sent since may be newer than what was looked at.
      using again = await this.#log.snapshot(this.#options.signal);
      if (!await this.#isOwn(last, again)) {
        const { from: position } = facts;
        throw new FleetMismatchError(this.#options.path, { subject: this.#subject, position });
      }
    }
    return { position: facts.to, isContinued: facts.isCut, seq };
  }

  /** Whether the log holds the block, or held it before its oldest byte that is there. */
  async #isOwn({ facts }: StoredBlock, snapshot: LogSnapshot): Promise<boolean> {
    if (facts.to > snapshot.end) return false;
    if (facts.from < snapshot.oldest) return true;
    const bytes = await snapshot.range(facts.from, facts.to);
    return bytes === null || isContentOf(bytes, facts);
  }

  /** The last block that is stored, however long it takes to find out. */
  async #lastBlock(knownSeq: number): Promise<StoredBlock | null> {
    for (let doubts = 0;;) {
      this.#options.signal.throwIfAborted();
      let last: StoredBlock | null;
      try {
        last = await lastBlock(this.#place, this.#subject);
      } catch (error) {
        if (isFinal(error)) throw error;
        await this.#pace.waitForServer(this.#reasonOf(error));
        continue;
      }
      if ((last?.seq ?? 0) >= knownSeq || ++doubts === DOUBTS) return last;
      await delay(DOUBT_MS, this.#platform.clock, this.#options.signal);
    }
  }

  /** A stream that is not there answers as a server that is not. */
  #reasonOf(error: unknown): string {
    const reason = messageOf(error);
    const { stream } = this.#place;
    return reason.includes("no responders") ? `${reason}; is there a stream ${stream}?` : reason;
  }
}
