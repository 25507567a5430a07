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
import { type AuditQuery, type LineSource, queryLog } from "./read/query.ts";
import type { QueryOptions } from "./read/query_options.ts";
import { checkNoDirectory } from "./platform/regular_file.ts";
import { SpendIndex } from "./read/spend_index.ts";
import { ManifestReader } from "./segments/manifest_reader.ts";
import { LogFiles } from "./segments/segment_name.ts";
import { spendWindow } from "./cost/spend.ts";
import { type TimeLike, toEpochMs } from "./time.ts";
import type { Clock } from "./platform/clock.ts";
import { headOf } from "./verify/head.ts";
import type { ChainHead, VerifyOptions, VerifyReport } from "./verify/report.ts";
import { verifyLog } from "./verify/verify_log.ts";

/** Creates the read side of a log; `beforeRead` is awaited before each read. */
export let createReader: (
  platform: Platform,
  options: ResolvedOptions,
  beforeRead?: () => Promise<void>,
) => AuditReader;

/**
 * Reads a log that others write, or have written.
 *
 * - Needs `--allow-read` for the directory of the log, and nothing else; makes nothing and changes
 *   nothing. A log that is not there has no events, until it is.
 * - **Snapshot**: a query gives every event that was written before it began, once and in the order of
 *   appending, even while the log is rotated under it by any process.
 * - **Damage**: what cannot be read is skipped and told of, and stops nothing.
 * - **Cost**: archives that cannot hold what is asked for are not opened, and the old part of the active
 *   file is passed over; the newest events are read from the end of the file; `hourlySpend()` again
 *   reads only what is new.
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
    createReader = (...parts) => new AuditReader(...parts);
  }

  /** Absolute path of the active file. */
  readonly path: string;

  readonly #source: LineSource & { readonly manifest: ManifestReader };
  readonly #spend: SpendIndex;
  readonly #now: () => number;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #isPrunedTold = false;

  /**
   * Opens a log for reading; it need not exist yet.
   *
   * Needs `--allow-read=DIR` for the directory of the log. The default path also needs `--allow-env=HOME`
   * (`USERPROFILE` on Windows).
   *
   * @param options The options, or the path of the active file alone: a path, a `file:` URL, or its text.
   * Options of a writer are accepted, so that one object can serve both.
   * @returns The reader; close it, or declare it with `await using`.
   * @throws {TypeError} If an option is unknown or of the wrong type, or the path is a directory.
   * @throws {RangeError} If an option is out of its range.
   * @throws {Deno.errors.NotCapable} If a permission is missing; names the flag.
   */
  static open(options: AuditReaderOptions | string | URL = {}): Promise<AuditReader> {
    return openReaderOn(denoPlatform, options);
  }

  /** @ignore */
  private constructor(
    platform: Platform,
    options: ResolvedOptions,
    beforeRead?: () => Promise<void>,
  ) {
    const { path, maxLineBytes, logger } = options;
    const { fileSystem } = platform;
    const manifest = new ManifestReader(fileSystem, new LogFiles(path).manifest);
    this.path = path;
    this.#source = {
      fileSystem,
      path,
      maxLineBytes,
      logger,
      manifest,
      ...beforeRead === undefined ? {} : { beforeRead },
    };
    this.#now = options.now;
    this.#clock = platform.clock;
    this.#spend = new SpendIndex({ ...this.#source, manifest, clock: this.#clock });
  }

  /**
   * The events that match, in the order in which they were appended, from archives and the active
   * file: what was written when the iteration begins.
   *
   * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
   */
  query(options: QueryOptions = {}): AuditQuery {
    this.#checkOpen();
    return queryLog(this.#source, options);
  }

  /**
   * The events as they come, in the order of appending, across rotation and from every process, without
   * an end: from `since` on, from the `last` ones that are there, or those that are written after the
   * iteration has begun. The iteration ends normally at `break` and when the log or reader is closed. It
   * throws the reason of an aborted signal.
   *
   * @throws {TypeError} If an option is unknown or of the wrong type; names it.
   * @throws {RangeError} If an option is out of its range; names it.
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
   * The last `n` events, oldest first.
   *
   * @throws {RangeError} when `n` is no integer >= 0.
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
   * Cost in USD of the last `hours` hours, up to now; see {@linkcode hourlySpend}. A second call reads
   * only what is new, by whichever process.
   *
   * @throws {RangeError} when `hours` is no number.
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
   * Accuracy of the navigation since the time; see {@linkcode accuracyMetrics}.
   *
   * @throws {RangeError} when `since` is no time.
   */
  async accuracyMetrics(since: TimeLike): Promise<AccuracyMetrics> {
    this.#checkOpen();
    const eventType = ["nav", "validation_fail"];
    const metrics = await accuracyMetrics(countedEvents(this.#source, { since, eventType }));
    this.#tellOfPruned(toEpochMs(since, "since"));
    return metrics;
  }

  /**
   * What the gate let pass and escalated; see {@linkcode gateMetrics}.
   *
   * @throws {RangeError} when `since` is no time or `lastN` is no integer >= 0.
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
   * The time of the newest event that {@linkcode AuditLogOptions.retention} has removed: of what was logged
   * until then, something is missing. Null if nothing was removed. A metric that reaches further back says
   * so once, to the logger.
   */
  prunedUntil(): Promise<Date | null> {
    this.#checkOpen();
    return Promise.try(() => {
      const { prunedUntilMs } = this.#source.manifest.read();
      return prunedUntilMs === -Infinity ? null : new Date(prunedUntilMs);
    });
  }

  /**
   * What the log has come to, as plain JSON: publish it elsewhere, where nobody who may write the log can
   * change it, and hold a later {@linkcode AuditReader.verify} against it.
   */
  async head(): Promise<ChainHead> {
    this.#checkOpen();
    return await headOf({ ...this.#source, clock: this.#clock, signal: this.#closing.signal });
  }

  /**
   * Checks that nobody has changed the log: the digest and the figures of every archive, the chain of the
   * manifest, the chain of the lines if they have one (see {@linkcode AuditLogOptions.chain}), and that
   * nothing is missing in between. Reads all of it once, in memory that does not grow with it but for its
   * manifest, and may do so while it is written.
   *
   * The report names file, line and reason of whatever is wrong, and says what it cannot show: without
   * an `anchor`, which {@linkcode AuditReader.head} gave earlier, the newest events can be taken away
   * unseen.
   *
   * @throws {TypeError} when `anchor` is no head.
   * @throws the reason of an aborted `signal`.
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

  /** Ends the use of the reader, and all following; a query that has begun goes on. */
  close(): Promise<void> {
    this.#closing.abort(new AuditClosedError(this.path));
    return Promise.resolve();
  }

  /** As {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Tells once that a question reaches further back than the log does; who was asked has read the manifest. */
  #tellOfPruned(sinceMs: number): void {
    const { prunedUntilMs } = this.#source.manifest.lastRead;
    if (this.#isPrunedTold || prunedUntilMs < sinceMs || prunedUntilMs === -Infinity) return;
    this.#isPrunedTold = true;
    const until = new Date(prunedUntilMs).toISOString();
    this.#source.logger.warn(
      `Counted without what retention has removed, which was logged until ${until}: ${this.path}`,
    );
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new AuditClosedError(this.path);
  }
}

/** Opens a reader on any platform. */
export async function openReaderOn(
  platform: Platform,
  options: AuditReaderOptions | string | URL,
): Promise<AuditReader> {
  const resolved = resolveOptions(options);
  try {
    // A missing permission is better reported here than by the first query.
    await Promise.try(() => checkNoDirectory(platform.fileSystem, resolved.path));
  } catch (error) {
    const flags = [pathFlag("read", dirname(resolved.path))];
    throw withFlags(error, flags, { path: resolved.path });
  }
  return createReader(platform, resolved);
}
