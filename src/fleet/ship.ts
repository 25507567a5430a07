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
import { type Logger, logger as defaultLogger } from "../logger.ts";
import { resolveOptions } from "../options.ts";
import { denoPlatform, type Platform } from "../platform.ts";
import { DirectoryChanges } from "../read/directory_changes.ts";
import { LogFiles } from "../segments/segment_name.ts";
import { BLOCK_BYTES_MAX, type Encoding, isContentOf } from "./block.ts";
import { type BlockMessage, messagesOf } from "./block_message.ts";
import { isFinal } from "./connection.ts";
import { cutBlocks } from "./cut_blocks.ts";
import {
  checkName,
  dataBytesMax,
  DEFAULT_STREAM,
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
  type ShipGap,
  type ShipOptions,
  type ShipReport,
} from "./ship_options.ts";
import { type LogSnapshot, PositionedLog, UnreadablePartError } from "./log_position.ts";

const BLOCK_BYTES = 4 * 1024 * 1024;
/** Blocks become smaller, down to this, where none is answered in time, and longer again by as much. */
const SLOW_BLOCK_BYTES = 32 * 1024;
const TIMEOUT_SEC = 5;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 30_000;
/** A server that is away may be back at any moment; one that is full, when somebody has seen to it. */
const AWAY_BACKOFF_MAX_MS = 2_000;
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
  const shipping = new Shipping(platform, options);
  return await shipping.run();
}

class Shipping {
  readonly #platform: Platform;
  readonly #options: ShipOptions;
  readonly #place: FleetPlace;
  readonly #subject: string;
  readonly #path: string;
  readonly #log: PositionedLog;
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  readonly #shipper = crypto.randomUUID();
  readonly #encoding: Encoding;
  readonly #dataBytesMax: number;
  readonly #intervalMs: number;
  readonly #blockBytesMax: number;
  readonly #gaps: ShipGap[] = [];
  /** Where it goes on, and the sequence of the last block; unknown until the server was asked. */
  #next: { position: number; seq: number } | undefined;
  #foreignBlocks = 0;
  #blocks = 0;
  #bytes = 0;
  #end = 0;
  #backoffMs = BACKOFF_MIN_MS;
  #blockBytes: number;

  constructor(platform: Platform, options: ShipOptions) {
    const { connection, fleet, log, stream = DEFAULT_STREAM } = options;
    const { blockBytes = BLOCK_BYTES, timeoutSec = TIMEOUT_SEC, encoding = "gzip" } = options;
    const { intervalSec = 0 } = options;
    checkName(fleet, "fleet");
    checkName(log, "log");
    checkName(stream, "stream");
    checkNumber(blockBytes > 0, { blockBytes });
    checkNumber(timeoutSec > 0, { timeoutSec });
    checkNumber(intervalSec >= 0, { intervalSec });
    if (encoding !== "gzip" && encoding !== "identity") {
      throw new RangeError(`Cannot ship as encoding must be "gzip" or "identity": ${encoding}`);
    }
    const { path } = resolveOptions(options.path === undefined ? {} : { path: options.path });
    this.#platform = platform;
    this.#options = options;
    this.#place = { connection, stream, timeoutMs: timeoutSec * 1000 };
    this.#subject = subjectOf(fleet, log);
    this.#path = path;
    this.#log = new PositionedLog({ ...platform, files: new LogFiles(path) });
    this.#logger = options.logger ?? defaultLogger;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#intervalMs = intervalSec * 1000;
    this.#encoding = encoding;
    this.#dataBytesMax = dataBytesMax(connection);
    const longest = encoding === "gzip" ? BLOCK_BYTES_MAX : this.#dataBytesMax;
    this.#blockBytesMax = Math.min(Math.ceil(blockBytes), longest);
    this.#blockBytes = this.#blockBytesMax;
  }

  async run(): Promise<ShipReport> {
    const { clock } = this.#platform;
    const { directory } = new LogFiles(this.#path);
    const changes = new DirectoryChanges({ ...this.#platform, directory });
    const wake = () => changes.wake();
    this.#signal.addEventListener("abort", wake);
    try {
      while (!this.#signal.aborted) {
        const lookedMs = clock.monotonicMs();
        const isDone = await this.#shipWhatIsThere();
        if (isDone && this.#options.once) break;
        if (!isDone) continue;
        const isQuiet = () =>
          this.#log.isUnchanged() && clock.monotonicMs() < lookedMs + LOOK_EVERY_MS;
        while (!this.#signal.aborted && isQuiet()) await changes.wait();
        const restMs = lookedMs + this.#intervalMs - clock.monotonicMs();
        if (restMs > 0) await delay(restMs, clock, this.#signal);
      }
    } catch (error) {
      // What ends with the signal is no failure.
      if (!this.#signal.aborted) throw error;
    } finally {
      this.#signal.removeEventListener("abort", wake);
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
    using snapshot = await this.#log.snapshot(this.#signal);
    this.#end = snapshot.end;
    this.#next ??= await this.#resume(snapshot);
    try {
      // The next one is made ready while one is under way.
      for await (const message of oneAhead(this.#messages(snapshot, this.#next.position))) {
        if (!await this.#ship(message)) return false;
        this.#signal.throwIfAborted();
      }
      return true;
    } catch (error) {
      if (!(error instanceof UnreadablePartError)) throw error;
      this.#logger.warn(error.message, error.cause);
      this.#passOver(error.end);
      return false;
    }
  }

  #messages(snapshot: LogSnapshot, from: number): AsyncGenerator<BlockMessage, void> {
    return messagesOf(cutBlocks(snapshot.bytes(from), () => this.#blockBytes), {
      shipper: this.#shipper,
      logEnd: snapshot.end,
      encoding: this.#encoding,
      dataBytesMax: this.#dataBytesMax,
    });
  }

  /** Ships one block; tells whether it is stored, and asks the server where to go on if not. */
  async #ship(message: BlockMessage): Promise<boolean> {
    const { block } = message;
    this.#passOver(block.from);
    const next = this.#next!;
    const published = await this.#published(message, next.seq);
    if (published.outcome === "stored") {
      this.#next = { position: block.to, seq: published.seq };
      this.#blocks++;
      this.#bytes += block.bytes.byteLength;
      this.#backoffMs = BACKOFF_MIN_MS;
      this.#blockBytes = Math.min(this.#blockBytes + SLOW_BLOCK_BYTES, this.#blockBytesMax);
      this.#options.onProgress?.(this.#report());
      return true;
    }
    if (published.outcome === "not now") await this.#backOff(published.why);
    else {
      using snapshot = await this.#log.snapshot(this.#signal);
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
    this.#logger.warn(
      `Bytes ${gap.from} to ${gap.to} of the log are gone and cannot be shipped: ${this.#path}`,
    );
    this.#next = { ...next, position };
  }

  async #published(message: BlockMessage, expectedSeq: number): Promise<Published> {
    try {
      return await publish(this.#place, message, { subject: this.#subject, expectedSeq });
    } catch (error) {
      if (error instanceof FleetServerError || isFinal(error)) throw error;
      // What a slow line does not carry in time would be sent again and again.
      const slowest = Math.min(SLOW_BLOCK_BYTES, this.#blockBytesMax);
      this.#blockBytes = Math.max(Math.floor(this.#blockBytes / 2), slowest);
      await this.#backOff(this.#reasonOf(error), AWAY_BACKOFF_MAX_MS);
      return { outcome: "refused" };
    }
  }

  /** Asks the server where to go on. */
  async #resume(
    snapshot: LogSnapshot,
    knownSeq = 0,
  ): Promise<{ position: number; seq: number }> {
    const last = await this.#lastBlock(knownSeq);
    // Also where it was stored before and is not any more: it is sent again.
    if (last === null) return { position: 0, seq: 0 };
    const { seq, facts } = last;
    if (knownSeq > 0 && seq > knownSeq && facts.shipper !== this.#shipper) {
      this.#foreignBlocks++;
      if (this.#foreignBlocks >= FOREIGN_BLOCKS_MAX) throw new FleetConflictError(this.#subject);
    }
    if (!await this.#isOwn(last, snapshot)) {
      // What another shipper has sent since may be newer than what was looked at.
      using again = await this.#log.snapshot(this.#signal);
      if (!await this.#isOwn(last, again)) {
        const { from: position } = facts;
        throw new FleetMismatchError(this.#path, { subject: this.#subject, position });
      }
    }
    return { position: facts.to, seq };
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
      this.#signal.throwIfAborted();
      let last: StoredBlock | null;
      try {
        last = await lastBlock(this.#place, this.#subject);
      } catch (error) {
        if (isFinal(error)) throw error;
        await this.#backOff(this.#reasonOf(error), AWAY_BACKOFF_MAX_MS);
        continue;
      }
      if ((last?.seq ?? 0) >= knownSeq || ++doubts === DOUBTS) return last;
      await delay(DOUBT_MS, this.#platform.clock, this.#signal);
    }
  }

  /** A stream that is not there answers as a server that is not. */
  #reasonOf(error: unknown): string {
    const reason = messageOf(error);
    const { stream } = this.#place;
    return reason.includes("no responders") ? `${reason}; is there a stream ${stream}?` : reason;
  }

  /** Waits longer each time, and says once why. */
  async #backOff(why: string, maxMs = BACKOFF_MAX_MS): Promise<void> {
    if (this.#backoffMs === BACKOFF_MIN_MS) {
      this.#logger.warn(`Shipping waits for the server, as ${why}: ${this.#subject}`);
    }
    await delay(Math.min(this.#backoffMs, maxMs), this.#platform.clock, this.#signal);
    this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MAX_MS);
  }
}

function checkNumber(isInRange: boolean, option: Readonly<Record<string, number>>): void {
  const [[name, value] = []] = Object.entries(option);
  if (isInRange && Number.isFinite(value)) return;
  const range = name === "intervalSec" ? ">= 0" : "> 0";
  throw new RangeError(`Cannot ship as ${name} must be a number ${range}: ${value}`);
}
