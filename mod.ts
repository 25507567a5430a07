/**
 * An append-only JSONL event log for agent simulations, which loses nothing after SIGKILL and power
 * loss and answers what happened and what it cost.
 *
 * {@linkcode AuditLog} writes and reads a log, {@linkcode AuditReader} reads one that others write.
 * {@linkcode SerializeStream}, {@linkcode LineBufferStream} and {@linkcode FsyncSink} are the stages
 * of the write path, for use on their own; the metrics are plain functions over any events.
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
 * @module
 */
export { AuditLog } from "./src/audit_log.ts";
export { AuditReader } from "./src/audit_reader.ts";
export {
  AuditClosedError,
  AuditEventError,
  AuditWriteError,
  type WritePhase,
} from "./src/errors.ts";
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
export { type GateMetrics, gateMetrics, type GateQuery } from "./src/metrics/gate.ts";
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
} from "./src/options/log_options.ts";
export type { Damage } from "./src/read/damage.ts";
export type { AuditFollow, FollowOptions } from "./src/read/follow.ts";
export type { AuditQuery } from "./src/read/query.ts";
export type { QueryOptions } from "./src/read/query_options.ts";
export type { RecoveryReport } from "./src/segments/recover.ts";
export { getSessionId, SESSION_LOCK } from "./src/session.ts";
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
