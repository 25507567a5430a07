/**
 * A reader of a log that other processes write.
 *
 * @module
 */
import { dirname } from "./platform/path.ts";
import { AuditClosedError, pathFlag, withFlags } from "./errors.ts";
import type { AuditEvent } from "./event.ts";
import { type AccuracyMetrics, accuracyOf } from "./metrics/accuracy.ts";
import { GATE_OPTION_CHECKS, type GateMetrics, gateMetricsOf } from "./metrics/gate.ts";
import { registerSums, type SummedSource } from "./read/sum_up.ts";
import { checkOption, checkOptions, integer, texts, time } from "./options/option_checks.ts";
import {
  type AuditReaderOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options/log_options.ts";
import { Turns } from "./platform/turns.ts";
import { denoPlatform, type Platform } from "./platform/platform.ts";
import { countEvents } from "./read/count_events.ts";
import { gateDecisions } from "./read/gate_decisions.ts";
import type { LineTexts, UsedArchives } from "./read/line_source.ts";
import { type AuditFollow, followLog, type FollowOptions } from "./read/follow.ts";
import { type AuditQuery, queryLog, type QuerySource } from "./read/query.ts";
import type { QueryOptions } from "./read/query_options.ts";
import { checkNoDirectory } from "./platform/regular_file.ts";
import { SpendIndex } from "./read/spend_index.ts";
import type { UnfinishedSpan } from "./read/unfinished_span.ts";
import { type UnfinishedOptions, unfinishedSpans } from "./read/unfinished.ts";
import { LogDirectory } from "./segments/log_directory.ts";
import { checkSpelling } from "./segments/spelling.ts";
import { ManifestReader } from "./segments/manifest_reader.ts";
import { spendWindow } from "./cost/spend.ts";
import { type TimeLike, toEpochMs } from "./time.ts";
import type { Clock } from "./platform/clock.ts";
import { headOf } from "./verify/head.ts";
import type { ChainHead, VerifyOptions, VerifyReport } from "./verify/report.ts";
import { verifyLog } from "./verify/verify_log.ts";

/** The log, the clock and the hook that an {@linkcode AuditReader} needs. */
export interface ReaderParts {
  readonly log: LogDirectory;
  readonly clock: Clock;
  /**
   * Called and awaited before each read of the log. If the process also writes the log, the function resolves when
   * every accepted event was written or refused, so that the read includes these events.
   */
  readonly beforeRead?: () => Promise<void>;
}

/** Creates a reader of a log. */
export let createReader: (options: ResolvedOptions, parts: ReaderParts) => AuditReader;

/** Returns the {@linkcode ManifestReader} of an audit reader, which caches the lines of the manifest that were read. */
export let manifestOf: (reader: AuditReader) => ManifestReader;

/**
 * Registers an object, such as a log, with its reader. If the object is passed to {@linkcode stats} or
 * {@linkcode spend}, they use the stored sums of archives instead of decoding the archives.
 */
export let offerSums: (owner: object, reader: AuditReader) => void;

/**
 * Makes a reader store, for each event that it yields from now on, the text of the event's line. Returns the map from
 * events to texts.
 */
export let keepLineTexts: (reader: AuditReader) => LineTexts;

/** Makes a reader collect the archives that it uses from now on. Returns the collection. */
export let collectArchives: (reader: AuditReader) => UsedArchives;

/**
 * Reads a log that other processes write, or wrote.
 *
 * - **Permissions**: a reader needs `--allow-read` for the directory of the log, and changes nothing. Until the log
 *   exists, queries yield nothing.
 * - **Snapshot**: a query yields every event written before it began, exactly once and in the order of appending,
 *   even if a process rotates the log meanwhile.
 * - **Damage**: a damaged region is skipped and reported, and the query continues after it.
 * - **Cost**: archives that cannot match are not opened. A query with `since` skips the older part of the active file.
 *   The newest events are read from the end of the file. `hourlySpend()` reads only the lines that were added since its
 *   last call.
 *
 * @example
 * ```ts
 * import { AuditLog, AuditReader } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({ path });
 * await log.log("nav", { cost: 0.002 });
 *
 * await using reader = await AuditReader.open({ path });
 * assertEquals((await reader.lastEvents(1))[0]?.event, "nav");
 * assertEquals(await reader.hourlySpend(), 0.002);
 * ```
 */
export class AuditReader implements AsyncDisposable {
  static {
    createReader = (options, parts) => new AuditReader(options, parts);
    manifestOf = (reader) => reader.#source.manifest;
    offerSums = (owner, reader) => reader.#offerSums(owner);
    keepLineTexts = (reader) => {
      const texts: LineTexts = new WeakMap();
      reader.#source = { ...reader.#source, texts };
      return texts;
    };
    collectArchives = (reader) => {
      const archives: UsedArchives = { summed: new Set(), decoded: new Set() };
      reader.#source = { ...reader.#source, archives };
      return archives;
    };
  }

  /** Absolute path of the active file. */
  readonly path: string;

  #source: QuerySource & { readonly manifest: ManifestReader };
  readonly #spend: SpendIndex;
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #isPrunedTold = false;

  /**
   * Opens a log for reading. The log need not exist yet.
   *
   * Needs `--allow-read=DIR` for the directory of the log. The default path also needs `--allow-env=HOME`
   * (`USERPROFILE` on Windows).
   *
   * @param options The options, or only the path of the active file: a file path, a `file:` URL, or its text.
   *   Options of a writer are accepted and ignored, so that one object can serve both.
   * @returns The reader. Close it, or declare it with `await using`.
   * @throws {TypeError} If an option is unknown or of the wrong type, or the path is a directory.
   * @throws {RangeError} If an option is out of its range.
   * @throws {Deno.errors.NotCapable} If a permission is missing; the message names the flag.
   */
  static open(options: AuditReaderOptions | string | URL = {}): Promise<AuditReader> {
    return openReaderOn(denoPlatform, options);
  }

  /** @ignore */
  private constructor(options: ResolvedOptions, parts: ReaderParts) {
    const { path, maxLineBytes, logger, now } = options;
    const manifest = new ManifestReader(parts.log);
    this.path = path;
    this.#source = { ...parts, maxLineBytes, logger, manifest };
    this.#now = now;
    this.#spend = new SpendIndex(this.#source);
    this.#offerSums(this);
  }

  /**
   * Returns the events that match, from archives and the active file, in the order of appending. Each iteration is
   * a snapshot: it contains every event that was written before the iteration began.
   *
   * @param options The filter, the order and the maximum number of events; by default all events.
   * @returns An async iterable; `toArray()` and `toReadableStream()` read it too.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {RangeError} If an option is out of its range; the message names it.
   * @throws {AuditClosedError} If the reader is closed.
   */
  query(options: QueryOptions = {}): AuditQuery {
    this.#checkOpen();
    return queryLog(this.#source, options);
  }

  /**
   * Returns new events as they are written, by every process and across rotation, in the order of appending. With
   * `since` or `last`, events that are already in the log come first. No event between them and the new events is left
   * out.
   *
   * The iteration ends normally at `break` and when the reader is closed. If `signal` aborts, the iteration throws the
   * reason of the signal.
   *
   * @param options The filter, and the place where to begin; by default every event from now on.
   * @returns An async iterable. When the reader is closed, the iteration ends, and events not yet yielded are left out.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {RangeError} If an option is out of its range; the message names it.
   * @throws {AuditClosedError} If the reader is closed.
   *
   * @example
   * ```ts
   * import { AuditLog, AuditReader } from "@vivarium/scout";
   * import { assertEquals } from "@std/assert";
   *
   * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
   * await using log = await AuditLog.open({ path });
   * await log.log("nav");
   *
   * await using reader = await AuditReader.open({ path });
   * for await (const event of reader.follow({ since: Date.now() - 60_000 })) {
   *   assertEquals(event.event, "nav");
   *   break;
   * }
   * ```
   */
  follow(options: FollowOptions = {}): AuditFollow {
    this.#checkOpen();
    return followLog(this.#followed(), options);
  }

  /**
   * Returns the last `n` events, oldest first.
   *
   * @param n Maximum number of events, an integer >= 0; 20 by default.
   * @param options `eventType` is the type of the events to return, or a list of such types; by default all types.
   * @returns At most `n` events.
   * @throws {TypeError} If an argument is of the wrong type.
   * @throws {RangeError} If `n` is not an integer >= 0.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async lastEvents(
    n = 20,
    options: { eventType?: string | readonly string[] } = {},
  ): Promise<AuditEvent[]> {
    checkOption(n, integer(0), "Cannot read the last events: n");
    checkOptions(options, { eventType: texts }, "read the last events");
    const { eventType } = options;
    const types = eventType === undefined ? {} : { eventType };
    const events = await this.query({ order: "desc", limit: n, ...types }).toArray();
    return events.reverse();
  }

  /**
   * Sums the `cost` of the events of the last `hours` hours, of every session and process, up to now. A later call
   * reads only the lines that were added since the previous call.
   *
   * @param hours Number of hours, which may be a fraction; 1 by default. For zero or less, the sum is 0.
   * @returns The sum in USD.
   * @throws {TypeError} If `hours` is not a number.
   * @throws {RangeError} If `hours` is `NaN`.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async hourlySpend(hours = 1): Promise<number> {
    this.#checkOpen();
    const window = spendWindow({ hours, now: this.#now });
    if (window === null) return 0;
    const spend = await this.#spend.spendIn(window);
    this.#tellOfPruned(window.sinceMs);
    return spend;
  }

  /**
   * Computes the accuracy of navigation from the `nav` and `validation_fail` events; see {@linkcode accuracyMetrics}.
   *
   * @param since Counts events from this time on.
   * @returns The counts, and the accuracy in percent.
   * @throws {RangeError} If `since` is not a time.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async accuracyMetrics(since: TimeLike): Promise<AccuracyMetrics> {
    this.#checkOpen();
    const eventType = ["nav", "validation_fail"];
    const counts = await countEvents(this.#source, { since, eventType });
    this.#tellOfPruned(toEpochMs(since, "since"));
    return accuracyOf(counts.get("nav")!, counts.get("validation_fail")!);
  }

  /**
   * Counts the decisions of an agent's compression gate: to pass a shortened text on (a pass), or to ask a larger model
   * (an escalation). See {@linkcode gateMetrics}.
   *
   * @param options `since` counts events from this time on; by default all. `lastN` is the maximum number of decisions
   *   to list, an integer >= 0; 10 by default.
   * @returns The counts, rates in percent, and the last decisions.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {RangeError} If `since` is not a time, or `lastN` not an integer >= 0.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async gateMetrics(options: { since?: TimeLike; lastN?: number } = {}): Promise<GateMetrics> {
    this.#checkOpen();
    checkOptions(options, { since: time, ...GATE_OPTION_CHECKS }, "count the gate's decisions");
    const { since, lastN = 10 } = options;
    const { tally, last } = await gateDecisions(this.#source, { since, lastN });
    this.#tellOfPruned(since === undefined ? -Infinity : toEpochMs(since, "since"));
    return gateMetricsOf(tally, last);
  }

  /**
   * Lists the calls that have a begin event and no end event in the log. Such a call still runs, or its process died.
   * See {@linkcode AuditLogger.begin}. If the log does not exist, the list is empty.
   *
   * The manifest lists the spans that began or ended in each archive, so most archives are not read. An archive is read
   * in these cases:
   *
   * - Its manifest line is missing, or an earlier version of this library wrote the line.
   * - Its manifest line cannot list everything, because the archive has more than 10,000 spans, more than 100 sessions,
   *   or spans whose fields take more than 1 MiB.
   * - It has events of another program that have a field `span` and the type of an open span.
   *
   * If retention has deleted the archive in which a span began, the span is still listed, as long as the manifest has
   * the line of that archive.
   *
   * @param options `signal` aborts the iteration.
   * @returns An async iterable of the spans, in the order in which they began. Each iteration is a snapshot.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
   * @throws {AuditClosedError} If the reader is closed.
   *
   * @example
   * ```ts
   * import { AuditLog, AuditReader } from "@vivarium/scout";
   * import { assertEquals } from "@std/assert";
   *
   * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
   * await using log = await AuditLog.open(path);
   * const span = await log.begin("tool_call", { tool: "search" });
   *
   * await using reader = await AuditReader.open(path);
   * const [running] = await Array.fromAsync(reader.unfinished());
   * assertEquals([running?.event, running?.fields.tool], ["tool_call", "search"]);
   * await span.end();
   * assertEquals(await Array.fromAsync(reader.unfinished()), []);
   * ```
   */
  unfinished(options: UnfinishedOptions = {}): AsyncIterable<UnfinishedSpan> {
    this.#checkOpen();
    return unfinishedSpans(this.#source, options);
  }

  /**
   * Returns the time of the newest event that {@linkcode AuditLogOptions.retention} has removed. If the spend or a
   * metric is computed from an earlier time on, the result is too low, and the logger warns once.
   *
   * @returns The time, or `null` if retention has removed nothing.
   * @throws {AuditClosedError} If the reader is closed.
   */
  prunedUntil(): Promise<Date | null> {
    this.#checkOpen();
    return this.#prunedUntil();
  }

  /**
   * Returns the chain head, to be stored as an anchor: store it where the writers of the log cannot change it, and pass
   * it to a later call of {@linkcode AuditReader.verify}.
   *
   * @returns The chain head. It can be stored as JSON.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async head(): Promise<ChainHead> {
    this.#checkOpen();
    return await headOf({ ...this.#source, signal: this.#closing.signal });
  }

  /**
   * Detects tampering. Checks the digest and figures of every archive, the chain of the manifest, the chain of the
   * lines if the log is chained (see {@linkcode AuditLogOptions.chain}), and that no segment is missing. Reads the
   * whole log once; the memory needed grows only with the manifest. Writers may continue meanwhile.
   *
   * The report names file, line and reason of each fault, and lists in `notShown` the changes that the check cannot
   * detect. Without an `anchor`, it cannot detect that the newest events were removed.
   *
   * @param options An anchor that {@linkcode AuditReader.head} returned, a signal that aborts the check, and a progress
   *   callback.
   * @returns The report.
   * @throws {TypeError} If an option is unknown or of the wrong type, or `anchor` is not a chain head.
   * @throws {Error} The reason of `signal`, when it aborts.
   * @throws {AuditClosedError} If the reader is closed.
   *
   * @example
   * ```ts
   * import { AuditLog, AuditReader } from "@vivarium/scout";
   * import { assertEquals } from "@std/assert";
   *
   * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
   * await using log = await AuditLog.open({ path, chain: true });
   * await log.log("nav", { cost: 0.002 });
   * await log.log("brief", { cost: 0.01 });
   * const anchor = await log.head();
   * assertEquals((await log.verify({ anchor })).ok, true);
   *
   * const text = Deno.readTextFileSync(path);
   * Deno.writeTextFileSync(path, text.replace("0.002", "0.001"));
   * await using reader = await AuditReader.open({ path });
   * const { ok, faults: [fault] } = await reader.verify({ anchor });
   * assertEquals([ok, fault?.path, fault?.line], [false, path, 1]);
   * ```
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#checkOpen();
    return await verifyLog(this.#source, options);
  }

  /**
   * Closes the reader and ends its `follow()` loops. A query that has begun continues to its end.
   *
   * @returns A promise that is already resolved.
   */
  close(): Promise<void> {
    this.#closing.abort(new AuditClosedError(this.path));
    return Promise.resolve();
  }

  /** Closes the reader at the end of an `await using` block; see {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prunedUntil(): Promise<Date | null> {
    const { manifest, clock } = this.#source;
    await manifest.catchUp(new Turns(clock));
    const { prunedUntilMs } = manifest.read();
    return prunedUntilMs === -Infinity ? null : new Date(prunedUntilMs);
  }

  /**
   * Warns once if a figure counts the events since `sinceMs`, and retention has removed some of them. The caller must
   * read the manifest first, because this method uses the last reading of the manifest.
   */
  #tellOfPruned(sinceMs: number): void {
    const { prunedUntilMs } = this.#source.manifest.lastRead;
    if (this.#isPrunedTold || prunedUntilMs < sinceMs || prunedUntilMs === -Infinity) return;
    this.#isPrunedTold = true;
    const until = new Date(prunedUntilMs).toISOString();
    this.#source.logger.warn(
      `The figures leave out events up to ${until}, which retention has removed: ${this.path}`,
    );
  }

  /** Returns the log as a source that can be queried, followed and summed up. */
  #followed(): SummedSource {
    return { ...this.#source, closing: this.#closing.signal };
  }

  #offerSums(owner: object): void {
    registerSums(owner, () => {
      this.#checkOpen();
      return this.#followed();
    });
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new AuditClosedError(this.path);
  }
}

/** Opens a reader on the real platform or on the platform of a test. */
export async function openReaderOn(
  platform: Platform,
  options: AuditReaderOptions | string | URL,
): Promise<AuditReader> {
  const { fileSystem, clock } = platform;
  const resolved = resolveOptions(options);
  const log = new LogDirectory(fileSystem, resolved.path);
  try {
    // These checks read the path, so that open() reports a missing permission, and not only the first query.
    checkNoDirectory(fileSystem, resolved.path);
    await checkSpelling(log);
  } catch (error) {
    const flags = [pathFlag("read", dirname(resolved.path))];
    throw withFlags(error, flags, { path: resolved.path });
  }
  return createReader(resolved, { log, clock });
}
