/**
 * Ships a log: copies it into the stream of its fleet, each byte exactly once. The log on disk stays the original,
 * because an acknowledgement of the server does not mean that the server has synced the block to its disk.
 *
 * 1. *The shipper sends one block at a time, with two guards.* The server stores a block only if the last stored block
 *    is the one that the shipper expects. The server also stores only one block per message ID, and the ID contains the
 *    position of the block. With only one guard, a cluster that elects a new leader can store duplicates.
 * 2. *An acknowledged block is final.* After any other outcome (a rejection, a duplicate, no response), the shipper
 *    does not know the last stored block. So it requests this block and continues after it. A stored duplicate may end
 *    at another position, and a block without a response may still be stored later. If the server rejects a block and
 *    the last block is unchanged, the server is still storing a block. The shipper then waits before it sends the block
 *    again.
 * 3. *The last block must match the log byte for byte.* Otherwise the path names another log or an older copy of the
 *    log, and the shipper sends nothing.
 * 4. *The last block in a response can be older than an acknowledged block.* The response may come from a server that
 *    lags behind, so the shipper repeats the request. If several responses lack the acknowledged block, the stream was
 *    created again or restored from a backup, and the shipper sends the missing blocks again.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { delay } from "./delay.ts";
import { messageOf } from "../errors.ts";
import { denoPlatform, type Platform } from "../platform/platform.ts";
import { DirectoryChanges } from "../read/directory_changes.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { checkSpelling } from "../segments/spelling.ts";
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
import { ShipRecord } from "./ship_record.ts";
import { type LogSnapshot, PositionedLog, UnreadablePartError } from "./log_position.ts";

/**
 * Milliseconds after which a log that seems unchanged is read anyway. A new active file can have the same length as the
 * old one, and so look unchanged.
 */
const LOOK_EVERY_MS = 1_000;
/**
 * Number of responses in a row that must lack an acknowledged block before the shipper assumes that the stream has lost
 * the block.
 */
const DOUBTS = 5;
/**
 * Delay in milliseconds before the last stored block is requested again, if the response lacks a block that the server
 * has acknowledged. The response may come from a member of the cluster that lags behind.
 */
const DOUBT_MS = 300;
/**
 * Number of unexpected blocks from another shipper that count as a conflict. One such block is tolerated, because a
 * shipper that was stopped may have sent it just before.
 */
const FOREIGN_BLOCKS_MAX = 2;

/**
 * Ships a log: copies its existing lines into the stream of a fleet, and then each line that any process appends.
 *
 * Shipping continues until `signal` is aborted. With `once`, it ends when the existing lines are shipped. If the server
 * is unreachable or the stream is full, shipping waits and retries.
 *
 * Needs `--allow-read=DIR` for the directory of the log, and `--allow-net` for the connection. If the retention of the
 * log waits for shippers (see `UntilShippedPolicy`), `ship()` records the acknowledged archives, which needs
 * `--allow-write=DIR`. Without this permission, it logs a warning and records nothing.
 *
 * @param options The log, its name in the fleet, and the connection.
 * @returns The final report. The promise resolves when shipping has ended.
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option. Also if the
 *   directory lists the log under another spelling.
 * @throws {RangeError} If an option is out of its range or a name is invalid; the message names the option.
 * @throws {FleetMismatchError} If the stream holds a different log under this name.
 * @throws {FleetConflictError} If another shipper sends the same log.
 * @throws {FleetServerError} If the server rejects a block, and a retry would be useless.
 * @throws {Error} If the connection is closed, or its user lacks a permission; this is the error of the connection.
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
 * Ships a log like {@linkcode ship}, with the given file system and clock. Tests replace both.
 *
 * @internal
 */
export async function shipOn(platform: Platform, options: ShipOptions): Promise<ShipReport> {
  const shipping = new Shipping(platform, resolveShipOptions(options));
  return await shipping.run();
}

/** The position in the log from which a shipper continues, and the last stored block before this position. */
interface Next {
  readonly position: number;
  /** Whether the position is within a line, because the last block ended within it. */
  readonly isContinued: boolean;
  /** Sequence number of the last block of the log in the stream; 0 if the stream has no blocks of the log. */
  readonly seq: number;
}

class Shipping {
  readonly #platform: Platform;
  readonly #options: ResolvedShipOptions;
  readonly #place: FleetPlace;
  readonly #subject: string;
  readonly #directory: LogDirectory;
  readonly #log: PositionedLog;
  readonly #shipper = crypto.randomUUID();
  readonly #pace: ShipPace;
  readonly #record: ShipRecord;
  readonly #gaps: ShipGap[] = [];
  /** Position to continue from; undefined until the server has reported the last block of the log. */
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
    const { fileSystem, clock } = platform;
    this.#directory = new LogDirectory(fileSystem, path, logger);
    this.#log = new PositionedLog(this.#directory, clock);
    const { blockBytesMax } = options;
    this.#pace = new ShipPace({ blockBytesMax, clock, logger, signal, subject: this.#subject });
    const receiving = { stream, fleet, log };
    this.#record = new ShipRecord({ log: this.#directory, fleet: receiving, clock, signal });
  }

  async run(): Promise<ShipReport> {
    const { clock } = this.#platform;
    const { once, intervalMs, signal } = this.#options;
    const changes = new DirectoryChanges(this.#directory, clock);
    const wake = () => changes.wake();
    signal.addEventListener("abort", wake);
    try {
      await checkSpelling(this.#directory);
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
      // If the caller has aborted the signal, the abort has caused the error, so shipping ends without a failure.
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

  /**
   * Ships the lines that the log has now. Resolves with `true` if all of these lines are in the stream, and with
   * `false` if another attempt is needed.
   */
  async #shipWhatIsThere(): Promise<boolean> {
    using snapshot = await this.#log.snapshot(this.#options.signal);
    this.#end = snapshot.end;
    this.#next ??= await this.#resume(snapshot);
    await this.#recordReceived(snapshot);
    try {
      // The next message is prepared while the current message is being sent.
      for await (const message of oneAhead(this.#messages(snapshot, this.#next))) {
        if (!await this.#ship(message)) return false;
        await this.#recordReceived(snapshot);
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

  /** Records the segments that the server has acknowledged, if retention waits for shippers. */
  async #recordReceived(snapshot: LogSnapshot): Promise<void> {
    const { position } = this.#next!;
    const stamp = snapshot.lastSegmentUpTo(position);
    const archive = stamp === null ? null : basename(this.#directory.files.archive(stamp));
    await this.#record.update({ archive, position });
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

  /**
   * Ships one block (a range of bytes of the log). Resolves with `true` if the server has stored the block. Otherwise
   * resolves with `false`, and shipping continues from the position in `#next`.
   */
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
    if (published.outcome === "not now") {
      await this.#pace.waitForRoom(published.why);
      return false;
    }
    {
      using snapshot = await this.#log.snapshot(this.#options.signal);
      this.#next = await this.#resume(snapshot, next.seq);
    }
    const isUnchanged = this.#next.seq === next.seq;
    if (published.outcome === "refused" && isUnchanged) {
      await this.#pace.waitForServer(published.why);
    }
    return false;
  }

  /** Skips the bytes up to a position that are missing in the log, and reports them as a gap. */
  #passOver(position: number): void {
    const next = this.#next!;
    if (position <= next.position) return;
    const gap = { from: next.position, to: position };
    this.#gaps.push(gap);
    this.#options.logger.warn(
      `Bytes ${gap.from} to ${gap.to} of the log are missing; shipping skips them: ${this.#options.path}`,
    );
    this.#next = { ...next, position, isContinued: false };
  }

  async #published(
    message: BlockMessage,
    expectedSeq: number,
  ): Promise<Published | { outcome: "no response" }> {
    try {
      return await publish(this.#place, message, { subject: this.#subject, expectedSeq });
    } catch (error) {
      if (error instanceof FleetServerError || isFinal(error)) throw error;
      this.#pace.slowDown();
      await this.#pace.waitForServer(this.#reasonOf(error));
      return { outcome: "no response" };
    }
  }

  /**
   * Requests the last stored block of the log from the server, and resolves with the position after this block.
   *
   * @throws {FleetConflictError} If another shipper sends the same log.
   * @throws {FleetMismatchError} If the stored block is not from this log.
   */
  async #resume(
    snapshot: LogSnapshot,
    knownSeq = 0,
  ): Promise<Next> {
    const last = await this.#lastBlock(knownSeq);
    // If the stream has no blocks of this log, shipping starts at the first byte of the log. So blocks that the stream
    // has lost are sent again.
    if (last === null) return { position: 0, isContinued: false, seq: 0 };
    const { seq, facts } = last;
    if (knownSeq > 0 && seq > knownSeq && facts.shipper !== this.#shipper) {
      this.#foreignBlocks++;
      if (this.#foreignBlocks >= FOREIGN_BLOCKS_MAX) throw new FleetConflictError(this.#subject);
    }
    if (!await this.#isOwn(last, snapshot)) {
      // The block may contain lines that are newer than the snapshot, if another shipper has sent them. So the block is
      // compared with a new snapshot.
      using again = await this.#log.snapshot(this.#options.signal);
      if (!await this.#isOwn(last, again)) {
        const { from: position } = facts;
        throw new FleetMismatchError(this.#options.path, { subject: this.#subject, position });
      }
    }
    return { position: facts.to, isContinued: facts.isCut, seq };
  }

  /**
   * Checks whether a block in the stream is from this log. If the bytes of the block were deleted from the log, assumes
   * that the block is from this log.
   */
  async #isOwn({ facts }: StoredBlock, snapshot: LogSnapshot): Promise<boolean> {
    if (facts.to > snapshot.end) return false;
    if (facts.from < snapshot.oldest) return true;
    const bytes = await snapshot.range(facts.from, facts.to);
    return bytes === null || isContentOf(bytes, facts);
  }

  /** Requests the last stored block of the log, with retries until the server responds. */
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

  /** Returns the reason of an error. If a missing stream can be the cause, the reason mentions the stream. */
  #reasonOf(error: unknown): string {
    const reason = messageOf(error);
    const { stream } = this.#place;
    return reason.includes("no responders") ? `${reason}; does stream ${stream} exist?` : reason;
  }
}
