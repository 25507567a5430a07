/**
 * The audit log: opens the files of a log, connects the stages of the write path, and passes queries to a reader.
 *
 * @module
 */
import { type AuditLogger, createLogger } from "./audit_logger.ts";
import { type AuditReader, createReader, offerSums } from "./audit_reader.ts";
import type { AuditSpan } from "./audit_span.ts";
import type { Budget } from "./budget/budget.ts";
import type { BudgetOptions } from "./budget/budget_options.ts";
import type { HoldDecision } from "./budget/hold_decision.ts";
import type { BudgetKeeper } from "./budget/keeper.ts";
import { LogBudgets } from "./budget/log_budgets.ts";
import { AuditClosedError, messageOf, pathFlag, withFlags } from "./errors.ts";
import type { AuditEvent, AuditRecordInput, EventFields, EventType, KnownFields } from "./event.ts";
import { loadEventSchema } from "./fields/known_fields.ts";
import { readLockText, writeLockText } from "./lock_text.ts";
import type { Logger } from "./logger.ts";
import type { AccuracyMetrics } from "./metrics/accuracy.ts";
import type { GateMetrics } from "./metrics/gate.ts";
import {
  type AuditLogOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options/log_options.ts";
import type { Clock } from "./platform/clock.ts";
import { denoPlatform, type Platform } from "./platform/platform.ts";
import type { AuditFollow, FollowOptions } from "./read/follow.ts";
import type { AuditQuery } from "./read/query.ts";
import type { QueryOptions } from "./read/query_options.ts";
import type { UnfinishedSpan } from "./read/unfinished_span.ts";
import type { UnfinishedOptions } from "./read/unfinished.ts";
import { checkNoDirectory } from "./platform/regular_file.ts";
import { isMarkLine } from "./segments/active_marks.ts";
import { LogDirectory } from "./segments/log_directory.ts";
import type { RecoveryReport } from "./segments/recover.ts";
import { joinSession, type SessionMembership, type SessionRecords } from "./session.ts";
import type { TimeLike } from "./time.ts";
import type { ChainHead, VerifyOptions, VerifyReport } from "./verify/report.ts";
import { Acknowledgements, type LineCaller } from "./write/acknowledgements.ts";
import { hookExit } from "./write/exit_hooks.ts";
import { LogSink } from "./write/log_sink.ts";
import { LineBufferStream } from "./write/line_buffer_stream.ts";
import type { Fields } from "./write/merge_fields.ts";
import { type LineSerializer, lineSerializer, type OwnLine } from "./write/serialize_stream.ts";
import { UnheardErrors } from "./write/unheard_errors.ts";

/**
 * Returns the object that decides on the budgets of a log, for {@linkcode keeperOf}. `AuditLog` assigns this function,
 * because only the class itself can access its private fields.
 */
let openKeeper: (log: AuditLog) => BudgetKeeper;

/**
 * Returns the log's own logger, which adds no fields to its events, for {@linkcode rootOf}. `AuditLog` assigns this
 * function, because only the class itself can access its private fields.
 */
let rootOfLog: (log: AuditLog) => AuditLogger;

/**
 * Calls the private constructor of `AuditLog`, for {@linkcode openLogOn}. `AuditLog` assigns this function, because
 * only the class itself can call its private constructor.
 */
let createLog: (options: ResolvedOptions, parts: Parts) => AuditLog;

/**
 * An append-only log of events in a JSONL file.
 *
 * - **Written**: `log()` resolves when the whole line of the event is in the kernel. From then on, a kill of the
 *   process cannot lose the line.
 * - **Durable**: if ten lines are not yet durable, the tenth line and the lines after it in the same batch resolve when
 *   they are durable. A timer syncs a quiet log within a second. So a power loss can lose at most the last 9
 *   acknowledged lines of a writer, and no line older than a second. `flush()` and `close()` resolve when every event
 *   accepted before the call is durable.
 * - **Order**: the lines of a writer stay in the order of its calls. No line is duplicated, and no line is mixed with a
 *   line of another process.
 * - **Content**: the log stores an event as it was when `log()` was called, even if the caller changes its objects
 *   later.
 * - **Failure**: if a call rejects, its event is not in the log. Exception: after an {@linkcode AuditWriteError} with
 *   the phase "sync", the event may be in the log. If the rejection is not handled, the logger reports it, and the next
 *   `flush()` or `close()` rejects.
 * - **Rotation**: the line with which the file reaches `rotationSizeBytes` is the last line of the file. The process
 *   that writes this line seals the file: it renames the file to a segment, to which no more lines are appended. Then
 *   it compresses the segment into an archive; `close()` waits for that.
 * - **Recovery**: `open()` repairs what crashed writers left behind; see {@linkcode AuditLog.recovery}.
 * - **Failed sync**: a failed sync is never retried. The calls that waited for the sync reject, and the next events go
 *   into a new file. From then on `flush()` and `close()` reject, because some lines of the old file may not be
 *   durable.
 * - **Exit**: at `Deno.exit()`, an uncaught error and the end of the program, accepted events become durable, even if
 *   their calls are not awaited. A signal can lose only events accepted in the event-loop turn in which it arrives.
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
export class AuditLog implements AuditLogger, AsyncDisposable {
  static {
    createLog = (...parts) => new AuditLog(...parts);
    rootOfLog = (log) => log.#root;
    openKeeper = (log) => (log.#budgets ??= log.#openBudgets()).keeper;
  }

  /** Absolute path of the active file. */
  readonly path: string;
  /** The session ID of events that do not set `session_id`. */
  readonly sessionId: string;
  /**
   * Resolves with what `open()` repaired after crashed writers. The repair runs concurrently with appends. Never
   * rejects: the logger reports a step that failed.
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
  #budgets: LogBudgets | undefined;
  readonly #warnedFields = new Set<string>();
  /** The log's own logger, which adds no fields to its events. Its spans and child loggers write into this log. */
  readonly #root: AuditLogger;

  /**
   * Opens a log. If its file or directory does not exist, creates it.
   *
   * Needs `--allow-read=DIR --allow-write=DIR` for the directory of the log. The default path also needs
   * `--allow-env=HOME` (`USERPROFILE` on Windows).
   *
   * @param options The options, or only the path of the active file: a file path, a `file:` URL, or its text.
   * @returns The open log. Close it, or declare it with `await using`.
   * @throws {TypeError} If an option is unknown or of the wrong type, or the path is a symlink, a directory or
   *   anything else than a regular file.
   * @throws {RangeError} If an option is out of its range.
   * @throws {Deno.errors.NotCapable} If a permission is missing; the message names the flags.
   * @throws {Deno.errors.PermissionDenied} If the user may not access the files, or would have to create a file that
   *   the owner of the log could not open.
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
    this.#reader = createReader(options, {
      log: parts.directory,
      clock: parts.clock,
      beforeRead: () => parts.acknowledgements.decided(),
    });
    offerSums(this, this.#reader);
    this.#serialize = lineSerializer({
      ...options,
      sessionId: this.sessionId,
      onFraction: (confidence) => this.#warnOfFraction(confidence),
      onMisnamed: (name, known) => this.#warnOfMisnamed(name, known),
    });
    this.#lineBuffer = new LineBufferStream({ maxPendingBytes: options.maxPendingBytes });
    this.#pipeline = this.#lineBuffer.readable.pipeTo(parts.sink);
    this.#root = createLogger({
      path: options.path,
      clock: parts.clock,
      logger: options.logger,
      accept: (caller, event, fields) => this.#accept(caller, event, fields),
      refuse: (caller, error) => this.#refuse(caller, error),
      budget: (options, bound) => this.#budget(options, bound),
    });
    parts.keepBudgets(() => this.#keepBudgets());
    this.#unhook = hookExit({
      drainForExit: () => this.#drainForExit(),
      adoptRejection: (promise, reason) => parts.unheardErrors.adopt(promise, reason),
    });
  }

  /**
   * Logs an event. Await the returned promise to be sure that a kill of the process cannot lose the event.
   *
   * Resolves when the line of the event is written. Every tenth call (`fsyncEveryNLines`), and the later calls whose
   * lines are written together with its line, resolve only when their lines are durable, so that a power loss cannot
   * lose them. If a call is not awaited, its event is written all the same.
   *
   * @typeParam T The type of the fields: any object type, an interface or a class too.
   * @param event The type of the event: any non-empty string.
   * @param fields The object whose own enumerable properties become the fields of the event; by default none.
   * @returns A promise that resolves when the event is written.
   * @throws {AuditEventError} If a known field is of the wrong type, the fields are not a record (an array, an `Error`,
   *   a `Map`), or the line is too long.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   */
  log<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<void> {
    const caller = Promise.withResolvers<void>();
    this.#accept(caller, event, fields === undefined ? {} : fields);
    return caller.promise;
  }

  /**
   * Logs the beginning of a call, an event of the type `X_begin` with a new ID in the field `span`. After a crash, the
   * begin events without an end event show which calls were running. See {@linkcode AuditSpan}.
   *
   * @typeParam T The type of the fields: any object type, an interface or a class too.
   * @param event The type `X` of the event that ends the span: any non-empty string that does not end in `_begin`.
   * @param fields The fields of the event that begins the span; by default none. The event that ends the span gets the
   *   same `session_id`, unless `end()` sets another. Other fields that
   *   both events need, such as `agent`, belong to the logger: `log.child({ agent }).begin(...)`.
   * @returns A promise of the span, which resolves when the line of its beginning is written.
   * @throws {AuditEventError} If the type or a field is invalid, or `fields` has `cost`, `span` or `parent`.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   */
  begin<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<AuditSpan> {
    return this.#root.begin(event, fields);
  }

  /**
   * Returns a logger that adds fields to each of its events, and writes them into this log. See
   * {@linkcode AuditLogger}.
   *
   * @typeParam T The type of the fields: any object type, an interface or a class too.
   * @param fields The fields to add, which may include `session_id`. They are copied when you call `child()`.
   * @returns The logger. You do not close it; it works until the log is closed.
   * @throws {AuditEventError} If a known field is of the wrong type, or the fields are not a record.
   */
  child<T extends object>(fields: T & KnownFields): AuditLogger {
    return this.#root.child(fields);
  }

  /**
   * Declares a budget, a limit on the amount that calls may spend. All processes that use the same name on this log
   * share the budget. A new budget with a rolling window already counts the costs of the events in its window.
   *
   * @param options The name, the limit, and the window or the start.
   * @returns A promise of the budget, which resolves when the limit is in the log.
   * @throws {TypeError} If an option is unknown, missing or of the wrong type, or a budget of this name has another
   *   unit, window, start or `where`.
   * @throws {RangeError} If an option is out of its range.
   * @throws {BudgetError} If the log cannot be written; the kind is "unwritable".
   * @throws {AuditClosedError} If the log is closed.
   *
   * @example
   * ```ts
   * import { AuditLog, BudgetError } from "@vivarium/scout";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
   * const run = await log.budget({ name: "run", limit: { usd: 1 }, hours: 1 });
   * {
   *   await using hold = await run.hold({ usd: 0.6 });
   *   await assertRejects(() => run.hold({ usd: 0.6 }), BudgetError, "other calls hold");
   *   await hold.settle("llm_call", { cost: 0.35, model: "small" });
   * }
   * assertEquals((await run.state()).left, 0.65);
   * ```
   */
  budget(options: BudgetOptions): Promise<Budget> {
    return this.#root.budget(options);
  }

  /**
   * Creates a stream that logs `{ event, ...fields }` records. Closing the stream flushes the log and leaves the log
   * open. If a record cannot be logged, the stream errors; the log and other streams continue.
   *
   * @returns A new stream at each call.
   */
  createWritable(): WritableStream<AuditRecordInput> {
    let failure: { error: unknown } | undefined;
    return new WritableStream<AuditRecordInput>({
      write: (record, controller) => {
        // An invalid record rejects its write at once. If the line of a valid record cannot be written, the stream
        // errors later.
        const line = this.#lineOf(record?.event, record);
        const caller = Promise.withResolvers<void>();
        this.#take(caller, line);
        caller.promise.catch((error) => {
          failure ??= { error };
          controller.error(error);
        });
        const mustWait = this.#lineBuffer.exceeds(STREAM_PENDING_BYTES);
        return mustWait ? this.#parts.acknowledgements.decided() : undefined;
      },
      close: async () => {
        await this.flush();
        // While the stream closes, controller.error() has no effect. So an error of an earlier record is thrown here.
        if (failure !== undefined) throw failure.error;
      },
    });
  }

  /**
   * Resolves when every event accepted before the call is durable.
   *
   * @throws {AuditWriteError} With phase "sync" if an event cannot be made durable. Then every later call throws too.
   * @throws {Error} The first error of a `log()` call whose rejection was not handled.
   * @throws {AuditClosedError} If the log is closed.
   */
  async flush(): Promise<void> {
    this.#checkOpen();
    await this.#parts.acknowledgements.decided();
    await this.#parts.sink.flush();
    await this.#parts.unheardErrors.throwFirst();
  }

  /**
   * Makes every accepted event durable before it returns, and blocks the thread meanwhile. Meant for exit handlers.
   *
   * @throws {AuditWriteError} If an event cannot be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   */
  flushSync(): void {
    this.#checkOpen();
    this.#drain(() => this.#parts.sink.flushSync());
  }

  /**
   * Seals the active file: renames it to a segment, to which no more events are appended. The segment contains every
   * event accepted before the call. Resolves when the segment is compressed into an archive. If the active file is
   * empty, does nothing.
   *
   * @throws {AuditWriteError} If the file cannot be sealed or archived; the phase is "rotate", "write" or "lock". No
   *   event is lost then.
   * @throws {AuditClosedError} If the log is closed.
   */
  async rotate(): Promise<void> {
    this.#checkOpen();
    await this.#parts.acknowledgements.decided();
    await this.#parts.sink.rotate();
  }

  /**
   * Makes every accepted event durable, waits until full files are compressed into archives, and closes the log.
   *
   * @returns The same promise at each call.
   * @throws {AuditWriteError} With phase "sync" if not everything could be made durable.
   * @throws {Error} The first error of a `log()` call whose rejection was not handled.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Closes the log at the end of an `await using` block; see {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Returns the events that match, from archives and the active file, in the order of appending. Each iteration is a
   * snapshot: it contains every event that any process has written, and every event that this log has accepted, before
   * the iteration began.
   *
   * @param options The filter, the order and the maximum number of events; by default all events.
   * @returns An async iterable; `toArray()` and `toReadableStream()` read it too.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {RangeError} If an option is out of its range; the message names it.
   * @throws {AuditClosedError} If the log is closed.
   */
  query(options: QueryOptions = {}): AuditQuery {
    this.#checkOpen();
    return this.#reader.query(options);
  }

  /**
   * Returns new events as they are written, by this log and by every other process, until the log is closed. See
   * {@linkcode AuditReader.follow}.
   *
   * @param options The filter, and the place where to begin; by default every event from now on.
   * @returns An async iterable. When the log is closed, the iteration ends, and events not yet yielded are left out.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {RangeError} If an option is out of its range; the message names it.
   * @throws {AuditClosedError} If the log is closed.
   */
  follow(options: FollowOptions = {}): AuditFollow {
    this.#checkOpen();
    return this.#reader.follow(options);
  }

  /**
   * Returns the last `n` events, oldest first.
   *
   * @param n Maximum number of events, an integer >= 0; 20 by default.
   * @param options `eventType` is the type of the events to return, or a list of such types; by default all types.
   * @returns At most `n` events.
   * @throws {TypeError} If an argument is of the wrong type.
   * @throws {RangeError} If `n` is not an integer >= 0.
   * @throws {AuditClosedError} If the log is closed.
   */
  async lastEvents(
    n = 20,
    options: { eventType?: string | readonly string[] } = {},
  ): Promise<AuditEvent[]> {
    this.#checkOpen();
    return await this.#reader.lastEvents(n, options);
  }

  /**
   * Sums the `cost` of the events of the last `hours` hours, up to now. Events of every session and process count. A
   * later call reads only the lines that were added since the previous call.
   *
   * @param hours Number of hours, which may be a fraction; 1 by default. For zero or less, the sum is 0.
   * @returns The sum in USD.
   * @throws {TypeError} If `hours` is not a number.
   * @throws {RangeError} If `hours` is `NaN`.
   * @throws {AuditClosedError} If the log is closed.
   */
  async hourlySpend(hours = 1): Promise<number> {
    this.#checkOpen();
    return await this.#reader.hourlySpend(hours);
  }

  /**
   * Computes which share of the navigations of an agent succeeded, from its `nav` and `validation_fail` events. See
   * {@linkcode accuracyMetrics}.
   *
   * @param since Counts events from this time on.
   * @returns The counts, and the accuracy in percent.
   * @throws {RangeError} If `since` is not a time.
   * @throws {AuditClosedError} If the log is closed.
   */
  async accuracyMetrics(since: TimeLike): Promise<AccuracyMetrics> {
    this.#checkOpen();
    return await this.#reader.accuracyMetrics(since);
  }

  /**
   * Counts the decisions of the compression gate of an agent: to pass a shortened text on, or to ask a larger model
   * (escalate). See {@linkcode gateMetrics}.
   *
   * @param options `since` counts events from this time on; by default all. `lastN` is the maximum number of decisions
   *   to list, an integer >= 0; 10 by default.
   * @returns The counts, rates in percent, and the last decisions.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {RangeError} If `since` is not a time, or `lastN` not an integer >= 0.
   * @throws {AuditClosedError} If the log is closed.
   */
  async gateMetrics(options: { since?: TimeLike; lastN?: number } = {}): Promise<GateMetrics> {
    this.#checkOpen();
    return await this.#reader.gateMetrics(options);
  }

  /**
   * Lists the calls that have a begin event and no end event in the log; see {@linkcode AuditReader.unfinished}.
   *
   * @param options `signal` aborts the iteration.
   * @returns An async iterable of the spans, in the order in which they began. Each iteration is a snapshot of the log
   *   at its start.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {AuditClosedError} If the log is closed.
   */
  unfinished(options: UnfinishedOptions = {}): AsyncIterable<UnfinishedSpan> {
    this.#checkOpen();
    return this.#reader.unfinished(options);
  }

  /**
   * Returns the time up to which retention has removed events; see {@linkcode AuditReader.prunedUntil}.
   *
   * @returns The time, or `null` if retention has removed nothing.
   * @throws {AuditClosedError} If the log is closed.
   */
  async prunedUntil(): Promise<Date | null> {
    this.#checkOpen();
    return await this.#reader.prunedUntil();
  }

  /**
   * Returns the chain head, the hashes at the current end of the log. If you store the head elsewhere and later pass it
   * to `verify()` as an anchor, `verify()` detects whether events that existed at this time were removed. See
   * {@linkcode AuditReader.head}.
   *
   * @returns The chain head. It can be stored as JSON.
   * @throws {AuditClosedError} If the log is closed.
   */
  async head(): Promise<ChainHead> {
    this.#checkOpen();
    return await this.#reader.head();
  }

  /**
   * Detects tampering; see {@linkcode AuditReader.verify}.
   *
   * @param options An anchor (a chain head that `head()` returned earlier) to compare the log with, a signal that
   *   aborts the check, and a progress callback.
   * @returns The faults that were found, and the changes that the check cannot detect.
   * @throws {TypeError} If an option is unknown or of the wrong type, or `anchor` is not a chain head.
   * @throws {Error} The reason of `signal`, when it aborts.
   * @throws {AuditClosedError} If the log is closed.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#checkOpen();
    return await this.#reader.verify(options);
  }

  async #budget(options: BudgetOptions, bound: Fields): Promise<Budget> {
    this.#checkOpen();
    return await (this.#budgets ??= this.#openBudgets()).declare(options, bound);
  }

  /**
   * If the log has budgets, makes sure that the active file has a durable `budget_state` line, which has the amounts of
   * all budgets. Then older files with such a line may be deleted. Resolves with false if the log is closed, or the
   * line cannot be written or synced.
   */
  async #keepBudgets(): Promise<boolean> {
    if (this.#closing !== undefined) return false;
    const { keeper } = this.#budgets ??= this.#openBudgets();
    return await keeper.keep();
  }

  /** Connects the budgets with the write path, when the first budget is used. */
  #openBudgets(): LogBudgets {
    const { sink, directory, clock, acknowledgements, observe } = this.#parts;
    const { maxLineBytes, logger, now, rotationSizeBytes } = this.#options;
    let isStarting = false;
    const budgets = new LogBudgets({
      source: { log: directory, clock, maxLineBytes, logger },
      now,
      rotationSizeBytes,
      acceptedLines: () => acknowledgements.acceptedCount,
      lineOf: ({ type, fields, ms }) => this.#serialize(type, fields as EventFields, { nowMs: ms }),
      // Decisions on holds (amounts that calls reserve in a budget) are made after a turn of the event loop. Otherwise
      // the timers of a program that requests holds in a loop would never run.
      start: () => {
        if (isStarting) return;
        isStarting = true;
        clock.turn().then(() => {
          isStarting = false;
          return sink.decide();
        });
      },
      failedSyncs: () => sink.failedSyncs,
      sync: (failedBefore) => sink.sync(failedBefore),
      syncFile: (failedBefore) => sink.syncFile(failedBefore),
      accept: (caller, event, fields) => this.#accept(caller, event, fields, {}),
      refuse: (caller, error) => this.#refuse(caller, error),
      observe,
    });
    sink.decideWith(budgets.keeper);
    return budgets;
  }

  /**
   * Accepts an event for writing. Later changes of its fields have no effect. If the event is invalid or the log is
   * closed, rejects the caller's promise at once.
   */
  #accept(caller: LineCaller, event: unknown, fields: object, own?: OwnLine): void {
    let line: string;
    try {
      line = this.#lineOf(event, fields, own);
    } catch (error) {
      this.#refuse(caller, error);
      return;
    }
    this.#take(caller, line);
  }

  /** Encodes an event as a line of the log. Later changes of the event's fields do not change the line. */
  #lineOf(event: unknown, fields: object, own?: OwnLine): string {
    this.#checkOpen();
    return this.#serialize(event, fields as EventFields, own);
  }

  /**
   * Adds a line to the line buffer synchronously, so that even if the program exits right after, the exit hook can
   * write the line.
   */
  #take(caller: LineCaller, line: string): void {
    this.#parts.acknowledgements.accept(caller);
    this.#lineBuffer.push(line);
    if (this.#lineBuffer.exceeds(this.#options.maxPendingBytes)) this.#drainForMemory();
  }

  /** Rejects the promise of a caller. The logger reports the rejection only if the caller does not handle it. */
  #refuse({ promise, reject }: LineCaller, error: unknown): void {
    if (this.#closing === undefined) {
      this.#parts.unheardErrors.watch(promise);
    } else {
      const unheardErrors = new UnheardErrors(this.#options.logger, this.#parts.clock);
      unheardErrors.watch(promise);
      const unhook = hookExit({
        drainForExit() {},
        adoptRejection: (promise, reason) => unheardErrors.adopt(promise, reason),
      });
      // The runtime reports an unhandled rejection only at the end of the event-loop turn. So the hook that takes over
      // such rejections is removed only after the turn.
      this.#parts.clock.turn().then(unhook);
    }
    reject(error);
  }

  #warnOfFraction(confidence: number): void {
    this.#warnOnce(
      "confidence",
      `Logged the field "confidence" with the value ${confidence}, which means ${confidence} %, ` +
        "because its scale is 0 to 100. If 1 means certain in your program, multiply the value by 100. " +
        "This warning is logged once.",
    );
  }

  /**
   * Warns, once for each name, that no metric reads a field of this name. For example, a budget does not count the
   * costs if `cost` is misspelt.
   */
  #warnOfMisnamed(name: string, known: string): void {
    this.#warnOnce(
      name,
      `Logged the field "${name}", which no metric reads. If it means "${known}", log it under that name. ` +
        "This warning is logged once for each name.",
    );
  }

  #warnOnce(field: string, message: string): void {
    if (this.#warnedFields.has(field)) return;
    this.#warnedFields.add(field);
    this.#options.logger.warn(message);
  }

  #drainForMemory(): void {
    try {
      this.#drain();
    } catch {
      // The error is ignored here, because every caller that it concerns gets it: each line that failed rejects its own
      // promise, and a failed sync rejects the promises that waited for the sync.
    }
  }

  #drainForExit(): void {
    try {
      this.#budgets?.refusals.flush();
      this.#drain();
    } catch (error) {
      this.#options.logger.error("Events were lost at exit:", error);
    }
  }

  /**
   * Writes the lines that are still in the pipeline, and then calls `sync`, even if writing failed. Blocks the thread.
   */
  #drain(sync = () => this.#parts.sink.syncSync()): void {
    const errors: unknown[] = [];
    for (const batch of this.#lineBuffer.takeUnwritten()) {
      try {
        this.#parts.sink.writeSync(batch);
      } catch (error) {
        // Only this loop writes these batches of lines. So if one batch fails, the loop still writes the next one.
        errors.push(error);
      }
    }
    sync();
    if (errors.length > 0) throw errors[0];
  }

  async #close(): Promise<void> {
    // The budgets write their last lines here, because the line buffer takes no lines after it is closed.
    await this.#budgets?.close(new AuditClosedError(this.path));
    try {
      await this.#lineBuffer.writable.close();
      await this.#pipeline;
      await this.#parts.unheardErrors.throwFirst();
    } finally {
      await this.#reader.close();
      // The runtime reports unhandled rejections at the end of the event-loop turn, including those of lines that were
      // refused during closing. So the hook that takes them over is removed only after the turn.
      await this.#parts.clock.turn();
      this.#unhook();
      this.#parts.membership[Symbol.dispose]();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new AuditClosedError(this.path);
  }
}

/** Opens a log on a platform, which is a file system and a clock: the real ones, or simulated ones in a test. */
export async function openLogOn(
  platform: Platform,
  options: AuditLogOptions | string | URL,
  { observe }: { observe?: (decision: HoldDecision) => void } = {},
): Promise<AuditLog> {
  const { fileSystem, clock } = platform;
  const resolved = resolveOptions(options);
  const directory = new LogDirectory(fileSystem, resolved.path, resolved.logger);
  try {
    checkNoDirectory(fileSystem, resolved.path);
    return createLog(resolved, { ...await openParts(directory, clock, resolved), observe });
  } catch (error) {
    const { directory: path } = directory.files;
    const flags = [pathFlag("read", path), pathFlag("write", path)];
    throw withFlags(error, flags, { path: resolved.path });
  }
}

/**
 * Returns the object that decides on the budgets of a log. It holds the append lock while it decides which lines to
 * write, so that no other process decides at the same time.
 */
export function keeperOf(log: AuditLog): BudgetKeeper {
  return openKeeper(log);
}

/**
 * Returns the log's own logger, which adds no fields to its events. If `logger` is not a log, returns `logger` itself.
 */
export function rootOf(logger: AuditLogger): AuditLogger {
  return logger instanceof AuditLog ? rootOfLog(logger) : logger;
}

/** Maximum number of accepted bytes, some hundred lines, before a stream into the log waits until they are written. */
const STREAM_PENDING_BYTES = 64 * 1024;

/** The parts of an open log. */
interface Parts {
  readonly directory: LogDirectory;
  readonly clock: Clock;
  readonly acknowledgements: Acknowledgements;
  readonly unheardErrors: UnheardErrors;
  readonly sink: LogSink;
  readonly membership: SessionMembership;
  readonly recovery: Promise<RecoveryReport>;
  /**
   * Receives the log's function that writes a `budget_state` line, which has the amounts of all budgets, into the
   * active file. Retention calls that function before it deletes an archive that may have the newest such line.
   */
  readonly keepBudgets: (keep: () => Promise<boolean>) => void;
  /** In a test, receives each decision on a hold: whether a call may spend an amount of a budget. */
  readonly observe: ((decision: HoldDecision) => void) | undefined;
}

async function openParts(
  directory: LogDirectory,
  clock: Clock,
  options: ResolvedOptions,
): Promise<Omit<Parts, "observe">> {
  const unheardErrors = new UnheardErrors(options.logger, clock);
  const acknowledgements = new Acknowledgements((promise) => unheardErrors.watch(promise));
  // The sink may delete old archives before the AuditLog object exists. If an archive has the newest state of the
  // budgets, its deletion waits here until the AuditLog object has passed its function that writes this state into the
  // active file.
  const keeping = Promise.withResolvers<() => Promise<boolean>>();
  const sink = await LogSink.open(directory, {
    ...options,
    clock,
    outcomes: acknowledgements,
    keepBudgets: async () => await (await keeping.promise)(),
  });
  const schema = loadEventSchema();
  let membership: SessionMembership | undefined;
  try {
    membership = options.sessionId === undefined
      ? await joinSession(sessionRecords(sink, options.logger), clock)
      : { sessionId: options.sessionId, [Symbol.dispose]() {} };
    const { report } = await sink.recover();
    return {
      directory,
      clock,
      acknowledgements,
      unheardErrors,
      sink,
      membership,
      recovery: report,
      keepBudgets: keeping.resolve,
    };
  } catch (error) {
    keeping.resolve(() => Promise.resolve(false));
    membership?.[Symbol.dispose]();
    await sink.abort(error);
    throw error;
  } finally {
    await schema;
  }
}

/** Returns functions that read and write the session records in the lock file of the log. */
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
          // The log opens even if this write fails, for example on a full disk. Readers of the records ignore a record
          // that is written only in part.
          logger.warn(
            "Cannot share the session ID, so other Workers may log under another session ID: " +
              messageOf(error),
          );
        }
      }),
  };
}
