/**
 * An append-only event log for LLM-agent simulations. Each event is one line of JSON, and the log survives a
 * kill of the process and a power loss.
 *
 * {@linkcode AuditLog} writes and reads a log. {@linkcode AuditReader} reads a log that other processes write.
 * {@linkcode SerializeStream}, {@linkcode LineBufferStream} and {@linkcode FsyncSink} are the stages of the write
 * path, for use on their own. The metrics are plain functions over any events.
 *
 * @example
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({ path });
 * await log.log("nav", { cost: 0.002, model: "small", input_t: 812, output_t: 40 });
 * const [event] = await log.lastEvents(1);
 * assertEquals(event?.model, "small");
 * ```
 *
 * ## Promises
 *
 * Three words are used with exactly these meanings:
 *
 * | level    | where the line is                  | what it survives      |
 * | -------- | ---------------------------------- | --------------------- |
 * | accepted | in the memory of this process      | nothing               |
 * | written  | in the kernel, as a whole line     | a kill of the process |
 * | durable  | on the disk: fsync has returned    | a power loss          |
 *
 * - `log()` resolves when its line is written. But if ten lines ({@linkcode FSYNC_EVERY_N_LINES}) are not yet durable,
 *   the tenth line and the lines after it in the same batch resolve when they are durable. A timer syncs a quiet log
 *   after {@linkcode FSYNC_INTERVAL_SEC}; it does not keep the process alive. So a power loss can lose at most the last
 *   nine acknowledged lines of a writer, and no line older than a second.
 * - `flush()` and `close()` resolve when everything accepted before the call is durable. Many callers share one
 *   sync. `flushSync()` does the same before it returns. `pipeTo(log.createWritable())` resolves when every record
 *   of the stream is durable.
 * - At `Deno.exit()`, an uncaught error or the end of the program, every accepted event becomes durable, awaited or
 *   not. A signal can lose only events that were accepted in the event-loop turn in which it arrives.
 * - If a call rejects, its event is not in the log, with one exception. After an {@linkcode AuditWriteError} with the
 *   `phase` "sync", the line was written but not confirmed as durable, so the event may be in the log. If the rejection
 *   is not handled, the program continues, the logger reports it, and the next `flush()` or `close()` rejects.
 * - If the disk is full, calls reject, half-written lines are cut off, and logging resumes when there is space.
 * - After a failed sync, no line that waited for the sync is ever reported as durable. The log continues in a new file,
 *   whose lines do become durable, but `flush()` and `close()` reject until the log is opened again.
 * - Processes and Workers can append to one log: no line is mixed with another, and each writer's lines stay in
 *   the order of its calls. The writer that fills the active file seals it as a segment under the lock, and
 *   archives it without delaying appends. `rotate()` resolves when everything accepted before is in an archive.
 * - If a process dies during rotation or archiving, another process or the next `open()` finishes the work, and the log
 *   has every event exactly once. `await log.recovery` says what `open()` repaired. If compressing fails, the segment
 *   stays readable, appends continue, and the log tries again.
 * - Every file of a log has the owner, group and mode of its active file, so a command that root runs does not lock out
 *   the program that writes the log. If a program may not assign files to that owner and group, it appends but does not
 *   rotate; the logger reports this once.
 *
 * Limits: one machine, local file systems only (no NFS), and a disk that has stored the data when its fsync returns. On
 * a file system that cannot sync directories (CIFS, FUSE, Ceph), a power loss may remove new files; the logger warns
 * once. If the log's directory was missing and the permissions are scoped to it, its parents are created but not
 * synced. `JSON.parse` of Deno 2.9.6 confuses a member named `"` with one named `\` at the same place; the file itself
 * is right. While a log without the option `sessionId` is open, Deno does not notice that a top-level `await` never
 * ends: the program waits, instead of ending with "Top-level await promise never resolved".
 *
 * Long work is divided into steps of about 2 ms. So an asynchronous call blocks the event loop for at most about 20 ms at
 * a time, with up to some thousand archives. With 50,000 archives, most calls block it for up to 40 ms, and `open()`,
 * `verify()` and reports for up to 0.25 s. Exceptions, which block it for longer:
 *
 * - `flushSync()`, the exit of the process, and a full buffer, because they write synchronously.
 * - An event of megabytes, because it is encoded and parsed in one piece.
 * - A rotation, the first append of a process to a chained log, and the start of a `follow()` without `since`: they
 *   list the directory in one step, which takes a few milliseconds for each 1,000 archives.
 * - A report and the live page: the first drawings of charts in a process take up to 0.1 s each.
 *
 * ## Events and fields
 *
 * {@linkcode KnownFields} lists the fields with a fixed type; a wrong type is rejected with an
 * {@linkcode AuditEventError} that names the field and its value. Any other field can hold anything: a value that JSON
 * cannot hold (a BigInt, a cycle, a function, NaN) is stored in a readable form. `undefined` and `null` are left out.
 * `ts` and `event` belong to the log, so fields of these names are ignored; the option `now` sets the clock of the
 * events. In a chained log, `seq` and `hash` belong to the log too. An event type is any non-empty string;
 * {@linkcode EVENT_TYPES} lists the types that the metrics know.
 *
 * By convention, `status` is "ok", "error" or "aborted", `error` says what went wrong, `ttft_ms` is the time until the
 * first output of a stream, and `cost_source` says whether the provider stated the cost or it comes from a table of
 * prices. The export `./llm` logs every model call with these fields.
 *
 * ## Bound fields, beginnings and ends
 *
 * `child(fields)` returns a logger that adds the fields to each of its events. `begin(type, fields)` logs the event
 * `TYPE_begin` before a call, and `end(fields)` of its {@linkcode AuditSpan} logs the event `TYPE` after it, with the
 * same ID in `span`, the duration and a status. Pass the cost of a call to `end()`. `span.begin()` begins a nested
 * call. With `await using`, a call whose block ends without `end()` has the status "aborted". `unfinished()` lists the
 * calls without an end event: they still run, or their process died.
 *
 * @example Log a tool call within a turn of an agent
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const critic = log.child({ agent: "critic" });
 * const turn = await critic.begin("turn", { task: "review" });
 * {
 *   await using call = await turn.begin("tool_call", { tool: "search" });
 *   await call.end({ cost: 0.002, hits: 3 });
 * }
 * const [running] = await Array.fromAsync(log.unfinished());
 * assertEquals([running?.span, running?.fields.task], [turn.id, "review"]);
 * await turn.end();
 * ```
 *
 * ## Statistics
 *
 * {@linkcode spend} sums up the costs of a log, a reader or any events by one or two fields. {@linkcode stats} also
 * counts failures and their reasons, and computes quantiles of durations. {@linkcode compareStats} compares two
 * results, with 95 % intervals. `scout spend`, `stats` and `diff` show the same figures.
 *
 * Beside each archive lies a file with its sums, so most questions about months read no archive. The sums are grouped
 * by type and model, by agent, by session, and by each field in {@linkcode AuditLogOptions.rollupFields}; the costs
 * also by hour and day. For other questions, the archives are decoded. If a time range contains only a part of an
 * archive, that archive is decoded too. The exception is a sum of costs whose time range begins and ends at full
 * quarters of an hour. Reports and {@linkcode AuditReader.gateMetrics} use the sums too, and decode only the newest
 * archives. The answers are the same; `verify()` compares the sums with the archives. The files can be deleted; the
 * next `open()` of a writer computes them again.
 *
 * @example Compare the models of a run
 * ```ts
 * import { AuditLog, stats } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * await log.log("llm_call", { model: "large", cost: 0.02, duration_ms: 900, status: "ok" });
 * await log.log("llm_call", { model: "small", cost: 0.001, duration_ms: 200, status: "error" });
 * const { groups } = await stats(log, { by: "model" });
 * assertEquals(groups.map(({ key, usd, errors }) => [...key, usd, errors]), [
 *   ["large", 0.02, 0],
 *   ["small", 0.001, 1],
 * ]);
 * ```
 *
 * ## Budgets
 *
 * If two agents check `hourlySpend()` at the same moment, both may spend the same remaining amount of a limit.
 * `budget()` declares a budget that holds an amount before it is spent. A hold is granted only if the sum of the spent,
 * held, orphaned and requested amounts is at most the limit. The sum counts every line that any process has written
 * before the hold. When the promise of the hold resolves, the hold is durable. After the call, `settle()` logs the
 * event of the call, whose cost replaces the hold. As long as no call costs more than its hold, the spend stays within
 * the limit, even if processes are killed.
 *
 * A hold whose process died stays held until its time `maxSec` is over. Then it is orphaned: its amount counts as if it
 * were spent. In a budget with a rolling window, the amount leaves the window like any cost. In a budget without a
 * window, it stays until `scout budget settle` or `release` ends the hold. The lines of budgets have neither `cost` nor
 * tokens, so no other sum counts held amounts.
 *
 * A hold that does not fit is refused with a {@linkcode BudgetError}, whose `kind` says why; a `budget_refused` line
 * counts refusals, at most one a second. With `wait: true`, the hold waits instead. Waiting holds of one process are
 * granted in the order in which they were requested. After a second, a waiting hold also queues with the holds of all
 * processes: later holds are granted only if its amount stays available. `signal` of a budget aborts when the budget is
 * spent, to stop calls that cost more than they held.
 *
 * A rolling window frees each amount `hours` after it was spent, rounded up to a sixtieth of the window. An event
 * without a hold counts if it has the fields of `where`, but a budget never refuses such an event. A budget in calls
 * counts holds, and events with a cost or tokens. All processes need clocks that agree. Any program that may write the
 * directory can forge lines. If a file of the log cannot be read, holds are refused until it can.
 *
 * @example Hold, call, settle
 * ```ts
 * import { AuditLog, BudgetError } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const run = await log.budget({ name: "run", limit: { usd: 0.05 }, hours: 1 });
 * let calls = 0;
 * try {
 *   for (;; calls++) {
 *     await using hold = await run.hold({ usd: 0.02, fields: { model: "small" } });
 *     await hold.settle("llm_call", { cost: 0.015, input_t: 812, output_t: 40 });
 *   }
 * } catch (error) {
 *   if (!(error instanceof BudgetError)) throw error;
 *   assertEquals([error.kind, error.budget, calls], ["spent", "run", 3]);
 * }
 * ```
 *
 * ## Reading
 *
 * A query is a snapshot: every event written before it began, exactly once and in the order of appending, even if the
 * log is rotated meanwhile. `follow()` yields new events as they come, across rotation and from every process. With
 * `since` or `last`, it yields earlier events first, without a gap. The loop ends when the log or reader is closed.
 *
 * The work grows with the answer, not with the history: the manifest shows which archives can match, `lastEvents()` and
 * `order: "desc"` begin at the end, and `hourlySpend()` reads only events added since its last call. Clocks that step
 * back do not change an answer. Damaged parts are skipped, and do not stop a query. They are reported once by
 * `logger.warn`, and in `damage` with file and offset.
 *
 * @example Read a log that another process writes, with `--allow-read` alone
 * ```ts
 * import { AuditReader } from "@vivarium/scout";
 *
 * await using reader = await AuditReader.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const newestFirst = reader.query({ since: "2026-02-13T00:00:00Z", order: "desc", limit: 5 });
 * for await (const event of newestFirst) console.log(event);
 * console.log(await reader.hourlySpend(24), await reader.lastEvents(20, { eventType: "nav" }));
 * ```
 *
 * ## Retention
 *
 * Everything is kept, unless the option `retention` sets a limit. When a limit is exceeded, the oldest archives are
 * deleted first, after each archiving and at `open()`. Each removal is recorded in the manifest first, so `verify()`
 * knows about it. Metrics that would count removed events warn once, with the time up to which events were removed
 * (`prunedUntil()`). The newest archive is only deleted because of its age. A file is deleted only if the manifest
 * proves that it is an archive of the log. A limit on age also rotates the active file at that age (`rotationAgeSec`),
 * so the limit also holds on a quiet log.
 *
 * If shippers copy the log to another machine, {@linkcode UntilShippedPolicy | untilShipped} keeps each archive until
 * every fleet (a collection of the logs of many machines) has received it, up to a size or an age.
 *
 * @example Keep at most 100 archives, 10 GB and 90 days
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 *
 * await using log = await AuditLog.open({
 *   path: `${Deno.makeTempDirSync()}/audit.jsonl`,
 *   retention: { maxArchives: 100, maxBytes: 10e9, maxAgeSec: 90 * 86_400 },
 * });
 * ```
 *
 * ## Redaction
 *
 * The option `redact` replaces secrets before an event becomes a line, so they never reach the disk: members by
 * name at any depth, or by a path in which `*` is any one key or index. It can also be a function that returns the
 * record to write; if it throws, the event is rejected. Names are case-sensitive. Every program that writes the log
 * needs the option, and a name such as `authorization` is safer than a path, because it is replaced at any depth.
 *
 * @example Keep keys and prompts out of the log
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open({
 *   path: `${Deno.makeTempDirSync()}/audit.jsonl`,
 *   redact: ["api_key", "config.headers.*", "messages.*.content"],
 * });
 * await log.log("brief", {
 *   config: { headers: { authorization: "Bearer 123" } },
 *   messages: [{ role: "user", content: "my name is ..." }],
 * });
 * const [event] = await log.lastEvents(1);
 * assertEquals(event?.config, { headers: { authorization: "[redacted]" } });
 * assertEquals(event?.messages, [{ role: "user", content: "[redacted]" }]);
 * ```
 *
 * ## Tamper detection
 *
 * With `chain: true` each line also carries its number `seq`, and a `hash` over its content and the hash of the line
 * before it, across archives, processes and crashes. `verify()` names file, line and reason of every change, and lists
 * in `notShown` the changes that it cannot detect. Archives and the manifest are always chained.
 *
 * A chain has no secret: any program that can write the files can also rewrite all of them, or delete the newest
 * events. An anchor detects both. `head()` returns an anchor; keep it where the writers of the log cannot change it.
 *
 * @example Detect changes with an anchor
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({ path, chain: true });
 * await log.log("nav", { cost: 0.0021 });
 * const anchor = await log.head();
 * const { ok, faults } = await log.verify({ anchor });
 * assertEquals([ok, faults], [true, []]);
 * ```
 *
 * @module
 */
export { AuditLog } from "./src/audit_log.ts";
export type { AuditLogger } from "./src/audit_logger.ts";
export { AuditReader } from "./src/audit_reader.ts";
export type { AuditSpan } from "./src/audit_span.ts";
export {
  AuditClosedError,
  AuditEventError,
  AuditWriteError,
  BudgetError,
  type BudgetErrorKind,
  type WritePhase,
} from "./src/errors.ts";
export type { Budget } from "./src/budget/budget.ts";
export type { BudgetHold } from "./src/budget/granted_hold.ts";
export type { BudgetStatus } from "./src/budget/budget_status.ts";
export type { BudgetLimit, BudgetOptions, HoldOptions } from "./src/budget/budget_options.ts";
export {
  type AuditEvent,
  type AuditRecordInput,
  EVENT_TYPES,
  type EventFields,
  type EventType,
  type KnownFields,
} from "./src/event.ts";
export { type Logger, logger } from "./src/logger.ts";
export { type AccuracyMetrics, accuracyMetrics } from "./src/metrics/accuracy.ts";
export { type GateMetrics, gateMetrics } from "./src/metrics/gate.ts";
export type { GateQuery } from "./src/rollup/gate_tally.ts";
export { hourlySpend } from "./src/metrics/hourly_spend.ts";
export {
  type AuditLogOptions,
  type AuditReaderOptions,
  DEFAULT_AUDIT_PATH,
  FSYNC_EVERY_N_LINES,
  FSYNC_INTERVAL_SEC,
  type Redact,
  type RetentionPolicy,
  ROTATION_SIZE_BYTES,
  type UntilShippedPolicy,
} from "./src/options/log_options.ts";
export type { Damage } from "./src/read/damage.ts";
export type { AuditFollow, FollowOptions } from "./src/read/follow.ts";
export type { AuditQuery } from "./src/read/query.ts";
export type { QueryOptions } from "./src/read/query_options.ts";
export type { UnfinishedSpan } from "./src/read/unfinished_span.ts";
export type { UnfinishedOptions } from "./src/read/unfinished.ts";
export type { RecoveryReport } from "./src/segments/recover.ts";
export { getSessionId, SESSION_LOCK } from "./src/session.ts";
export type { CallFigures, DurationFigures, QuantileFigure } from "./src/stats/call_figures.ts";
export {
  type ComparedFigure,
  type ComparedGroup,
  compareStats,
  type FigureKind,
  type FigureName,
  type FigureUnit,
  type StatsComparison,
} from "./src/stats/compare_stats.ts";
export type { FailureExample, FailureReason } from "./src/rollup/failure_reasons.ts";
export type { GroupKey } from "./src/stats/group_key.ts";
export type { Interval, Sample } from "./src/stats/intervals.ts";
export type { GroupOptions, StatsSource } from "./src/stats/source.ts";
export { type Spend, spend, type SpendRow, type SpendSums } from "./src/stats/spend.ts";
export { type Stats, stats, type StatsGroup, type StatsOptions } from "./src/stats/stats.ts";
export type { TimeLike } from "./src/time.ts";
export type {
  ChainHead,
  VerifyFault,
  VerifyOptions,
  VerifyProgress,
  VerifyReport,
} from "./src/verify/report.ts";
export { FsyncSink, type FsyncSinkOptions } from "./src/write/fsync_sink.ts";
export { LineBufferStream, type LineBufferStreamOptions } from "./src/write/line_buffer_stream.ts";
export { SerializeStream, type SerializeStreamOptions } from "./src/write/serialize_stream.ts";
