/**
 * The read side of a log, alone.
 *
 * @module
 */
import { dirname } from "@std/path";
import { AuditClosedError, pathFlag, withFlags } from "./errors.ts";
import type { AuditEvent } from "./event.ts";
import { type AccuracyMetrics, accuracyMetrics } from "./metrics/accuracy.ts";
import { GATE_OPTION_CHECKS, type GateMetrics, gateMetrics } from "./metrics/gate.ts";
import { checkOption, checkOptions, integer, texts, time } from "./options/option_checks.ts";
import {
  type AuditReaderOptions,
  type ResolvedOptions,
  resolveOptions,
} from "./options/log_options.ts";
import { denoPlatform, type Platform } from "./platform/platform.ts";
import { countedEvents } from "./read/count_events.ts";
import { type AuditFollow, followLog, type FollowOptions } from "./read/follow.ts";
import { type AuditQuery, queryLog, type QuerySource } from "./read/query.ts";
import type { QueryOptions } from "./read/query_options.ts";
import { checkNoDirectory } from "./platform/regular_file.ts";
import { SpendIndex } from "./read/spend_index.ts";
import { LogDirectory } from "./segments/log_directory.ts";
import { ManifestReader } from "./segments/manifest_reader.ts";
import { spendWindow } from "./cost/spend.ts";
import { type TimeLike, toEpochMs } from "./time.ts";
import type { Clock } from "./platform/clock.ts";
import { headOf } from "./verify/head.ts";
import type { ChainHead, VerifyOptions, VerifyReport } from "./verify/report.ts";
import { verifyLog } from "./verify/verify_log.ts";

/** What a reader is wired from. */
export interface ReaderParts {
  readonly log: LogDirectory;
  readonly clock: Clock;
  /** Awaited before each read. */
  readonly beforeRead?: () => Promise<void>;
}

/** Creates the read side of a log. */
export let createReader: (options: ResolvedOptions, parts: ReaderParts) => AuditReader;

/**
 * Reads a log that other processes write, or wrote.
 *
 * - **Permissions**: needs `--allow-read` for the directory of the log, and changes nothing. If the log does not
 *   exist yet, queries yield nothing until it does.
 * - **Snapshot**: a query yields every event written before it began, exactly once and in the order of appending,
 *   even if a process rotates the log meanwhile.
 * - **Damage**: damaged parts are skipped and reported, and stop nothing.
 * - **Cost**: archives that cannot match are not opened, the old part of the active file is skipped, the newest
 *   events are read from the end of the file, and `hourlySpend()` reads only what was added since its last call.
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
  }

  /** Absolute path of the active file. */
  readonly path: string;

  readonly #source: QuerySource & { readonly manifest: ManifestReader };
  readonly #spend: SpendIndex;
  readonly #now: () => number;
  readonly #clock: Clock;
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
   * @throws {Deno.errors.NotCapable} If a permission is missing; names the flag.
   */
  static open(options: AuditReaderOptions | string | URL = {}): Promise<AuditReader> {
    return openReaderOn(denoPlatform, options);
  }

  /** @ignore */
  private constructor(options: ResolvedOptions, { clock, ...parts }: ReaderParts) {
    const { path, maxLineBytes, logger, now } = options;
    const manifest = new ManifestReader(parts.log);
    this.path = path;
    this.#source = { ...parts, maxLineBytes, logger, manifest };
    this.#now = now;
    this.#clock = clock;
    this.#spend = new SpendIndex({ ...this.#source, clock });
  }

  /**
   * Returns the events that match, from archives and the active file, in the order of appending. Each iteration is
   * a snapshot: it holds every event written before it began.
   *
   * @param options Which events, in which order, and how many; by default all.
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
   * `since` or `last` it begins with events that are already there, without a gap.
   *
   * The iteration ends normally at `break` and when the reader is closed. If `signal` aborts, it throws the reason.
   *
   * @param options Which events, and where to begin; by default every event from now on.
   * @returns An async iterable. When the reader is closed, events that the loop has not reached are left out.
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
    const closing = this.#closing.signal;
    return followLog({ ...this.#source, clock: this.#clock, closing }, options);
  }

  /**
   * Returns the last `n` events, oldest first.
   *
   * @param n How many events, an integer >= 0; 20 by default.
   * @param options `eventType` counts only events of this type, or of one of these types.
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
   * Sums the `cost` of the events of the last `hours` hours, of every session and process, up to now. Another call
   * reads only what was added since.
   *
   * @param hours How many hours, fractions too; 1 by default. Zero or less is 0 USD.
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
   * Computes the accuracy of navigation; see {@linkcode accuracyMetrics}.
   *
   * @param since Counts events from this time on.
   * @returns The counts, and the accuracy in percent.
   * @throws {RangeError} If `since` is not a time.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async accuracyMetrics(since: TimeLike): Promise<AccuracyMetrics> {
    this.#checkOpen();
    const eventType = ["nav", "validation_fail"];
    const metrics = await accuracyMetrics(countedEvents(this.#source, { since, eventType }));
    this.#tellOfPruned(toEpochMs(since, "since"));
    return metrics;
  }

  /**
   * Counts what the gate passed and escalated; see {@linkcode gateMetrics}.
   *
   * @param options `since` counts events from this time on; by default all. `lastN` is how many decisions to list,
   *   an integer >= 0; 10 by default.
   * @returns The counts, rates in percent, and the last decisions.
   * @throws {RangeError} If `since` is not a time, or `lastN` not an integer >= 0.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async gateMetrics(options: { since?: TimeLike; lastN?: number } = {}): Promise<GateMetrics> {
    checkOptions(options, { since: time, ...GATE_OPTION_CHECKS }, "count the gate's decisions");
    const { since, ...gateOptions } = options;
    const eventType = ["gate_compress", "gate_escalate"];
    const events = this.query(since === undefined ? { eventType } : { eventType, since });
    const metrics = await gateMetrics(events, gateOptions);
    this.#tellOfPruned(since === undefined ? -Infinity : toEpochMs(since, "since"));
    return metrics;
  }

  /**
   * Returns the time of the newest event that {@linkcode AuditLogOptions.retention} has removed. Figures that count
   * events from before this time are too low; the logger warns of that once.
   *
   * @returns The time, or `null` if retention has removed nothing.
   * @throws {AuditClosedError} If the reader is closed.
   */
  prunedUntil(): Promise<Date | null> {
    this.#checkOpen();
    return Promise.try(() => {
      const { prunedUntilMs } = this.#source.manifest.read();
      return prunedUntilMs === -Infinity ? null : new Date(prunedUntilMs);
    });
  }

  /**
   * Returns the chain head, to be stored as an anchor: keep it where the writers of the log cannot change it, and
   * pass it to a later {@linkcode AuditReader.verify}.
   *
   * @returns The head, as JSON can hold it.
   * @throws {AuditClosedError} If the reader is closed.
   */
  async head(): Promise<ChainHead> {
    this.#checkOpen();
    return await headOf({ ...this.#source, clock: this.#clock, signal: this.#closing.signal });
  }

  /**
   * Detects tampering. Checks the digest and figures of every archive, the chain of the manifest, the chain of the
   * lines if there is one (see {@linkcode AuditLogOptions.chain}), and that no segment is missing. Reads the whole
   * log once, in memory that grows only with the manifest. Writers may continue meanwhile.
   *
   * The report names file, line and reason of each fault, and lists in `notShown` what the check cannot detect.
   * Without an `anchor`, that includes removal of the newest events.
   *
   * @param options An anchor that {@linkcode AuditReader.head} returned, a signal to abort by, a progress callback.
   * @returns The report.
   * @throws {TypeError} If `anchor` is not a chain head.
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
   * @returns A promise that is resolved already.
   */
  close(): Promise<void> {
    this.#closing.abort(new AuditClosedError(this.path));
    return Promise.resolve();
  }

  /** Closes the reader at the end of an `await using` block; see {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Warns once that a question reaches further back than the log. The metric before has read the manifest. */
  #tellOfPruned(sinceMs: number): void {
    const { prunedUntilMs } = this.#source.manifest.lastRead;
    if (this.#isPrunedTold || prunedUntilMs < sinceMs || prunedUntilMs === -Infinity) return;
    this.#isPrunedTold = true;
    const until = new Date(prunedUntilMs).toISOString();
    this.#source.logger.warn(
      `The figures leave out events up to ${until}, which retention has removed: ${this.path}`,
    );
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new AuditClosedError(this.path);
  }
}

/** Opens a reader on a platform, the real one or a test's. */
export async function openReaderOn(
  platform: Platform,
  options: AuditReaderOptions | string | URL,
): Promise<AuditReader> {
  const { fileSystem, clock } = platform;
  const resolved = resolveOptions(options);
  try {
    // A missing permission is better reported here than by the first query.
    await Promise.try(() => checkNoDirectory(fileSystem, resolved.path));
  } catch (error) {
    const flags = [pathFlag("read", dirname(resolved.path))];
    throw withFlags(error, flags, { path: resolved.path });
  }
  return createReader(resolved, { log: new LogDirectory(fileSystem, resolved.path), clock });
}
