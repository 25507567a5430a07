/**
 * The log: opens, wires the stages of the write path, and asks the read side.
 *
 * @module
 */
import { dirname } from "@std/path";
import { type AuditReader, createReader } from "./audit_reader.ts";
import { AuditClosedError, messageOf, pathFlag, withFlags } from "./errors.ts";
import type { AuditEvent, AuditRecordInput, EventFields, EventType, KnownFields } from "./event.ts";
import { readLockText, writeLockText } from "./lock_text.ts";
import type { Logger } from "./logger.ts";
import type { AccuracyMetrics } from "./metrics/accuracy.ts";
import type { GateMetrics } from "./metrics/gate.ts";
import {
  type AuditLogOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options/log_options.ts";
import { denoPlatform, type Platform } from "./platform/platform.ts";
import type { AuditFollow, FollowOptions } from "./read/follow.ts";
import type { AuditQuery } from "./read/query.ts";
import type { QueryOptions } from "./read/query_options.ts";
import { checkNoDirectory } from "./platform/regular_file.ts";
import { isMarkLine } from "./segments/active_marks.ts";
import type { RecoveryReport } from "./segments/recover.ts";
import { joinSession, type SessionMembership, type SessionRecords } from "./session.ts";
import type { TimeLike } from "./time.ts";
import type { ChainHead, VerifyOptions, VerifyReport } from "./verify/report.ts";
import { Acknowledgements } from "./write/acknowledgements.ts";
import { hookExit } from "./write/exit_hooks.ts";
import { LogSink } from "./write/log_sink.ts";
import { LineBufferStream } from "./write/line_buffer_stream.ts";
import { type LineSerializer, lineSerializer } from "./write/serialize_stream.ts";
import { UnheardErrors } from "./write/unheard_errors.ts";

/** The private constructor, for {@linkcode openLogOn}. */
let createLog: (options: ResolvedOptions, parts: Parts) => AuditLog;

/**
 * An append-only JSONL log of events.
 *
 * - **Written**: `await log.log(...)` resolves when the whole line is in the kernel; SIGKILL cannot
 *   take it any more.
 * - **Durable**: the tenth line that is not yet durable, and those behind it in the same batch,
 *   resolve when they are; a timer syncs a quiet log within a second. So a power cut takes at most 9
 *   acknowledged lines of a writer, and none older than a second. `flush()` and `close()` resolve
 *   when everything accepted is durable.
 * - **Order**: the lines of a writer stay in the order of its calls; nothing is doubled, and no line
 *   is mixed with another process's.
 * - **Content**: an event is what it was when `log()` was called.
 * - **Failure is never silent**: an event whose call rejects is not in the log (but see
 *   {@linkcode AuditWriteError} for `phase` "sync"); a rejection that nobody handles goes to the
 *   logger and makes the next `flush()` or `close()` reject.
 * - **Rotation**: with the first line that makes the file `rotationSizeBytes` long it becomes a
 *   segment, whichever process gets there first, and then an archive; `close()` waits for that.
 * - **Recovery**: `open()` puts in order what those left behind that died; see
 *   {@linkcode AuditLog.recovery}.
 * - **A failed sync** is never retried and believed: the lines that waited for it reject, the log goes
 *   on in a fresh file, and `flush()` and `close()` reject from then on, as not all is durable.
 * - **Exit**: what was logged without `await` is drained at `Deno.exit`, at an uncaught error and at
 *   a normal end. A signal can take what was accepted in the very turn in which it struck.
 *
 * @example
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({ path });
 * await log.log("nav", { cost: 0.002, model: "small", input_t: 812, output_t: 40 });
 * assertEquals(await log.hourlySpend(), 0.002);
 * ```
 */
export class AuditLog implements AsyncDisposable {
  static {
    createLog = (...parts) => new AuditLog(...parts);
  }

  /** Absolute path of the active file. */
  readonly path: string;
  /** Session of the events that name none. */
  readonly sessionId: string;
  /**
   * What was put in order behind those that died before; resolves when that is done, beside the
   * appends, and never rejects: what could not be done was told to the logger.
   */
  readonly recovery: Promise<RecoveryReport>;

  readonly #options: ResolvedOptions;
  readonly #parts: Parts;
  readonly #reader: AuditReader;
  readonly #serialize: LineSerializer;
  readonly #lineBuffer: LineBufferStream;
  readonly #pipeline: Promise<void>;
  readonly #unhook: () => void;
  #closing: Promise<void> | undefined;
  #isFractionTold = false;

  /**
   * Opens a log, and creates its file and directory if there are none.
   *
   * Needs `--allow-read=DIR --allow-write=DIR` for the directory of the log. The default path also needs
   * `--allow-env=HOME` (`USERPROFILE` on Windows).
   *
   * @param options The options, or the path of the active file alone: a path, a `file:` URL, or its text.
   * @returns The open log; close it, or declare it with `await using`.
   * @throws {TypeError} If an option is unknown or of the wrong type, or the path holds a symlink, a directory
   *   or anything but a plain file.
   * @throws {RangeError} If an option is out of its range.
   * @throws {Deno.errors.NotCapable} If a permission is missing; names the flags.
   */
  static open(options: AuditLogOptions | string | URL = {}): Promise<AuditLog> {
    return openLogOn(denoPlatform, options);
  }

  /** @ignore */
  private constructor(options: ResolvedOptions, parts: Parts) {
    this.path = options.path;
    this.sessionId = options.sessionId ?? parts.membership.sessionId;
    this.recovery = parts.recovery;
    this.#options = options;
    this.#parts = parts;
    this.#reader = createReader(
      parts.platform,
      options,
      () => parts.acknowledgements.decided(),
    );
    this.#serialize = lineSerializer({
      ...options,
      sessionId: this.sessionId,
      onFraction: (confidence) => this.#warnOfFraction(confidence),
    });
    this.#lineBuffer = new LineBufferStream({ maxPendingBytes: options.maxPendingBytes });
    this.#pipeline = this.#lineBuffer.readable.pipeTo(parts.sink);
    this.#unhook = hookExit({
      drainForExit: () => this.#drainForExit(),
      adoptRejection: (promise, reason) => parts.unheardErrors.adopt(promise, reason),
    });
  }

  /**
   * Logs an event. Resolves when its line is written, and for the line that makes
   * `fsyncEveryNLines` lines not yet durable, and those behind it in the batch, when it is durable.
   *
   * @typeParam T The type of the fields; an interface or a class will do.
   * @param event The type of the event, not empty.
   * @param fields The own enumerable properties of this object become the fields.
   * @throws {AuditEventError} If a known field is of the wrong type, the fields are not a record (an array,
   *   an `Error`, a `Map`), or the line is too long.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   */
  log<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<void> {
    return this.#accept(event, fields === undefined ? {} : fields);
  }

  /**
   * Creates a stream of `{ event, ...fields }` records into this log. Closing it flushes the log and leaves
   * it open. A record that fails errors this stream and nothing else.
   *
   * @returns A new stream at each call.
   */
  createWritable(): WritableStream<AuditRecordInput> {
    let failure: { error: unknown } | undefined;
    return new WritableStream<AuditRecordInput>({
      write: (record, controller) => {
        // A record that is refused rejects its own write; what the disk refuses later errors the stream.
        const line = this.#lineOf(record?.event, record);
        this.#take(line).catch((error) => {
          failure ??= { error };
          controller.error(error);
        });
        const mustWait = this.#lineBuffer.byteLength >= STREAM_PENDING_BYTES;
        return mustWait ? this.#parts.acknowledgements.decided() : undefined;
      },
      close: async () => {
        await this.flush();
        // A stream that is closing cannot be errored any more.
        if (failure !== undefined) throw failure.error;
      },
    });
  }

  /**
   * Resolves when everything accepted before the call is durable.
   *
   * @throws {AuditWriteError} with phase "sync" when that cannot be: for good, after a sync failed.
   * @throws the first error of a `log()` call that nobody handled.
   */
  async flush(): Promise<void> {
    this.#checkOpen();
    await this.#parts.acknowledgements.decided();
    await this.#parts.sink.flush();
    await this.#parts.unheardErrors.throwFirst();
  }

  /**
   * Makes everything accepted durable before it returns, blocking the thread; for exit handlers.
   *
   * @throws {AuditWriteError} when that cannot be.
   */
  flushSync(): void {
    this.#checkOpen();
    this.#drain(() => this.#parts.sink.flushSync());
  }

  /**
   * Seals the active file now, with everything accepted before the call; resolves when the segment is
   * archived. An active file without a line stays as it is.
   *
   * @throws {AuditWriteError} with phase "rotate" or "lock" when that cannot be; nothing is lost then.
   */
  async rotate(): Promise<void> {
    this.#checkOpen();
    await this.#parts.acknowledgements.decided();
    await this.#parts.sink.rotate();
  }

  /**
   * Makes everything accepted durable and closes the log; later calls give the same promise.
   *
   * @throws {AuditWriteError} with phase "sync" when it could not be made durable.
   * @throws the first error of a `log()` call that nobody handled.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** As {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The events that match, in the order in which they were appended, from archives and the active
   * file: what was written when the iteration begins, this log's own accepted events included.
   *
   * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
   */
  query(options: QueryOptions = {}): AuditQuery {
    this.#checkOpen();
    return this.#reader.query(options);
  }

  /**
   * The events as they come, from this log and every other process; see
   * {@linkcode AuditReader.follow}.
   *
   * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
   */
  follow(options: FollowOptions = {}): AuditFollow {
    this.#checkOpen();
    return this.#reader.follow(options);
  }

  /**
   * The last `n` events, oldest first.
   *
   * @throws {RangeError} when `n` is no integer >= 0.
   */
  async lastEvents(
    n = 20,
    options: { eventType?: string | readonly string[] } = {},
  ): Promise<AuditEvent[]> {
    this.#checkOpen();
    return await this.#reader.lastEvents(n, options);
  }

  /**
   * Cost in USD of the last `hours` hours, up to now; see {@linkcode hourlySpend}. A second call reads
   * only what is new, by whichever process.
   *
   * @throws {RangeError} when `hours` is no number.
   */
  async hourlySpend(hours = 1): Promise<number> {
    this.#checkOpen();
    return await this.#reader.hourlySpend(hours);
  }

  /**
   * Accuracy of the navigation since the time; see {@linkcode accuracyMetrics}.
   *
   * @throws {RangeError} when `since` is no time.
   */
  async accuracyMetrics(since: TimeLike): Promise<AccuracyMetrics> {
    this.#checkOpen();
    return await this.#reader.accuracyMetrics(since);
  }

  /**
   * What the gate let pass and escalated; see {@linkcode gateMetrics}.
   *
   * @throws {RangeError} when `since` is no time or `lastN` is no integer >= 0.
   */
  async gateMetrics(options: { since?: TimeLike; lastN?: number } = {}): Promise<GateMetrics> {
    this.#checkOpen();
    return await this.#reader.gateMetrics(options);
  }

  /** Until when retention has removed events; see {@linkcode AuditReader.prunedUntil}. */
  async prunedUntil(): Promise<Date | null> {
    this.#checkOpen();
    return await this.#reader.prunedUntil();
  }

  /** What the log has come to, to be kept elsewhere as an anchor; see {@linkcode AuditReader.head}. */
  async head(): Promise<ChainHead> {
    this.#checkOpen();
    return await this.#reader.head();
  }

  /**
   * Checks that nobody has changed the log; see {@linkcode AuditReader.verify}.
   *
   * @throws {TypeError} when `anchor` is no head.
   * @throws the reason of an aborted `signal`.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#checkOpen();
    return await this.#reader.verify(options);
  }

  #accept(event: unknown, fields: object): Promise<void> {
    if (this.#closing !== undefined) return this.#refuseAsClosed();
    try {
      return this.#take(this.#lineOf(event, fields));
    } catch (error) {
      const refused = Promise.reject(error);
      this.#parts.unheardErrors.watch(refused);
      return refused;
    }
  }

  /** Returns the line of the event as it is now. */
  #lineOf(event: unknown, fields: object): string {
    this.#checkOpen();
    return this.#serialize(event, fields as EventFields);
  }

  /** Takes a line into the line buffer within the call, so that an exit hook finds it there. */
  #take(line: string): Promise<void> {
    const outcome = this.#parts.acknowledgements.accept();
    this.#lineBuffer.push(line);
    if (this.#lineBuffer.byteLength > this.#options.maxPendingBytes) this.#drainForMemory();
    return outcome;
  }

  /** A caller who handles the rejection hears of it there alone; any other is told by the logger. */
  #refuseAsClosed(): Promise<void> {
    const refused = Promise.reject(new AuditClosedError(this.path));
    const unheardErrors = new UnheardErrors(this.#options.logger, this.#parts.platform.clock);
    unheardErrors.watch(refused);
    const unhook = hookExit({
      drainForExit() {},
      adoptRejection: (promise, reason) => unheardErrors.adopt(promise, reason),
    });
    // The runtime reports an unhandled rejection at the end of the turn.
    this.#parts.platform.clock.turn().then(unhook);
    return refused;
  }

  #warnOfFraction(confidence: number): void {
    if (this.#isFractionTold) return;
    this.#isFractionTold = true;
    this.#options.logger.warn(
      `Logged confidence ${confidence}, which means ${confidence} %: the scale is 0 to 100. ` +
        "Multiply it by 100 if 1 means certain. This is reported once.",
    );
  }

  #drainForMemory(): void {
    try {
      this.#drain();
    } catch {
      // Every line that failed rejects its own promise, and a failed sync those that waited for it.
    }
  }

  #drainForExit(): void {
    try {
      this.#drain();
    } catch (error) {
      this.#options.logger.error("Events were lost at exit:", error);
    }
  }

  /**
   * Writes what the pipeline still holds and syncs, all at once. `sync` is what makes it durable, and
   * is called whatever the writing came to.
   */
  #drain(sync = () => this.#parts.sink.syncSync()): void {
    const errors: unknown[] = [];
    for (const batch of this.#lineBuffer.takeUnwritten()) {
      try {
        this.#parts.sink.writeSync(batch);
      } catch (error) {
        // The batches behind it have to be tried too: nobody else will.
        errors.push(error);
      }
    }
    sync();
    if (errors.length > 0) throw errors[0];
  }

  async #close(): Promise<void> {
    try {
      await this.#lineBuffer.writable.close();
      await this.#pipeline;
      await this.#parts.unheardErrors.throwFirst();
    } finally {
      await this.#reader.close();
      this.#unhook();
      this.#parts.membership[Symbol.dispose]();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new AuditClosedError(this.path);
  }
}

/** Opens a log on any platform. */
export async function openLogOn(
  platform: Platform,
  options: AuditLogOptions | string | URL,
): Promise<AuditLog> {
  const resolved = resolveOptions(options);
  try {
    checkNoDirectory(platform.fileSystem, resolved.path);
    return createLog(resolved, await openParts(platform, resolved));
  } catch (error) {
    const directory = dirname(resolved.path);
    const flags = [pathFlag("read", directory), pathFlag("write", directory)];
    throw withFlags(error, flags, { path: resolved.path });
  }
}

/** Accepted bytes at which a stream into the log waits for the kernel: a few hundred lines. */
const STREAM_PENDING_BYTES = 64 * 1024;

/** What a log is wired from. */
interface Parts {
  readonly platform: Platform;
  readonly acknowledgements: Acknowledgements;
  readonly unheardErrors: UnheardErrors;
  readonly sink: LogSink;
  readonly membership: SessionMembership;
  readonly recovery: Promise<RecoveryReport>;
}

async function openParts(platform: Platform, options: ResolvedOptions): Promise<Parts> {
  const unheardErrors = new UnheardErrors(options.logger, platform.clock);
  const acknowledgements = new Acknowledgements((promise) => unheardErrors.watch(promise));
  const sink = new LogSink(platform, options, acknowledgements);
  let membership: SessionMembership | undefined;
  try {
    membership = options.sessionId === undefined
      ? await joinSession(sessionRecords(sink, options.logger), platform.clock)
      : { sessionId: options.sessionId, [Symbol.dispose]() {} };
    const { report } = await sink.recover();
    return { platform, acknowledgements, unheardErrors, sink, membership, recovery: report };
  } catch (error) {
    membership?.[Symbol.dispose]();
    await sink.abort(error);
    throw error;
  }
}

/** The session records in the lock file of the log. */
function sessionRecords(sink: LogSink, logger: Logger): SessionRecords {
  return {
    read: () => sink.underLock(readLockText),
    write: (text) =>
      sink.underLock((lockFile) => {
        try {
          const marks = readLockText(lockFile).split("\n").filter(isMarkLine);
          writeLockText(lockFile, text + marks.map((line) => `${line}\n`).join(""));
        } catch (error) {
          if (error instanceof Deno.errors.NotCapable) throw error;
          // A full disk is no reason to refuse a log; a torn record counts as none.
          logger.warn(`Cannot share the session id with other Workers: ${messageOf(error)}`);
        }
      }),
  };
}
