/**
 * The constants and options of a log: their defaults, their checks, and the place of the file.
 *
 * @module
 */
import { basename, dirname, fromFileUrl, join, resolve } from "@std/path";
import { shown } from "./event.ts";
import { type Logger, logger } from "./logger.ts";

/** Where a log lies unless told otherwise; "~" is the home directory, expanded at open. */
export const DEFAULT_AUDIT_PATH = "~/.scout/audit.jsonl";
/** Bytes at which the active file becomes a segment: 10 MiB. */
export const ROTATION_SIZE_BYTES: number = 10 * 1024 * 1024;
/** Lines after which a sync is due. */
export const FSYNC_EVERY_N_LINES = 10;
/** Seconds after which a written line is synced at the latest. */
export const FSYNC_INTERVAL_SEC = 1;

/** Bytes that a line may have by default: 16 MiB. */
export const MAX_LINE_BYTES: number = 16 * 1024 * 1024;
/** Bytes of accepted lines that may wait for the kernel by default: 8 MiB. */
export const MAX_PENDING_BYTES: number = 8 * 1024 * 1024;
/** Seconds that an append waits for another process by default. */
export const LOCK_TIMEOUT_SEC = 2;

/**
 * How much of a log is kept; what is more goes, the oldest archives first. The newest archive stays in
 * any case, and so does what is not archived yet.
 */
export interface RetentionPolicy {
  /** How many archives there may be, at least 1. */
  maxArchives?: number;
  /** How many bytes all archives may have together, compressed. */
  maxBytes?: number;
  /** How old an archive may be, in seconds: its events are older still. */
  maxAgeSec?: number;
}

/**
 * What is not to be written: names of members at any depth, and paths from the record on with dots and
 * `*` for any one key or index (`config.headers.*`, `messages.*.content`), each of which is written as
 * "[redacted]"; or a function that gives the record to be written. It gets a copy of `{ event, ...fields }`,
 * in which nested values are the caller's own.
 */
export type Redact =
  | readonly string[]
  | ((record: Record<string, unknown>) => Record<string, unknown>);

/** Options of {@linkcode AuditLog.open}. */
export interface AuditLogOptions {
  /** The active file; default {@linkcode DEFAULT_AUDIT_PATH}. */
  path?: string | URL;
  /** Session of the events that name none; default {@linkcode getSessionId}`()`. */
  sessionId?: string;
  /**
   * Bytes at which the active file becomes a segment: the line that reaches it is the last one.
   * Default {@linkcode ROTATION_SIZE_BYTES}; `Number.MAX_SAFE_INTEGER` for none.
   */
  rotationSizeBytes?: number;
  /** Lines after which a sync is due; default 10. With 1, every line is durable when acknowledged. */
  fsyncEveryNLines?: number;
  /** Seconds after which a written line is synced at the latest; default 1. */
  fsyncIntervalSec?: number;
  /** Seconds that an append waits for another process before it is refused; default 2. */
  lockTimeoutSec?: number;
  /** Bytes of accepted lines that may wait in memory; past it `log()` writes at once; default 8 MiB. */
  maxPendingBytes?: number;
  /** Bytes that a line may have, for writing and for reading; default 16 MiB. */
  maxLineBytes?: number;
  /** Clock of the events and of the names of segments, epoch milliseconds; default `Date.now`. */
  now?: () => number;
  /** Where the library's own messages go; default {@linkcode logger}. */
  logger?: Logger;
  /**
   * How much is kept: after each archiving the oldest archives go, as long as there are too many of them,
   * of too many bytes, or too old; default: everything. See {@linkcode RetentionPolicy}.
   */
  retention?: RetentionPolicy;
  /**
   * What is replaced before an event becomes a line, so that it never reaches the disk: see
   * {@linkcode Redact}; default nothing. `ts`, `event` and `session_id` of the record itself are the log's,
   * and stay. A function that throws refuses its event.
   */
  redact?: Redact;
  /**
   * Whether each line also carries `seq`, its number, and `hash`, SHA-256 over the hash of the line before
   * and the line itself; default false. What is changed, taken out, put in or moved is found by
   * `verify()`. An event cannot have fields of these names then.
   */
  chain?: boolean;
}

/** Options of {@linkcode AuditReader.open}. */
export type AuditReaderOptions = Pick<AuditLogOptions, "path" | "maxLineBytes" | "now" | "logger">;

/** {@linkcode AuditLogOptions} with nothing left open but the session. */
export interface ResolvedOptions {
  path: string;
  sessionId: string | undefined;
  rotationSizeBytes: number;
  fsyncEveryNLines: number;
  fsyncIntervalSec: number;
  lockTimeoutSec: number;
  maxPendingBytes: number;
  maxLineBytes: number;
  now: () => number;
  logger: Logger;
  chain: boolean;
  retention: RetentionPolicy;
  redact: Redact | undefined;
}

/**
 * Fills in the defaults and checks every value.
 *
 * @throws {TypeError} for a value of the wrong type, naming the option.
 * @throws {RangeError} for a number out of its range, naming the option.
 */
export function resolveOptions(options: AuditLogOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    path: resolvePath(options.path ?? DEFAULT_AUDIT_PATH),
    sessionId: options.sessionId,
    rotationSizeBytes: options.rotationSizeBytes ?? ROTATION_SIZE_BYTES,
    fsyncEveryNLines: options.fsyncEveryNLines ?? FSYNC_EVERY_N_LINES,
    fsyncIntervalSec: options.fsyncIntervalSec ?? FSYNC_INTERVAL_SEC,
    lockTimeoutSec: options.lockTimeoutSec ?? LOCK_TIMEOUT_SEC,
    maxPendingBytes: options.maxPendingBytes ?? MAX_PENDING_BYTES,
    maxLineBytes: options.maxLineBytes ?? MAX_LINE_BYTES,
    now: options.now ?? Date.now,
    logger: options.logger ?? logger,
    chain: options.chain ?? false,
    retention: { ...options.retention },
    redact: Array.isArray(options.redact) ? [...options.redact] : options.redact,
  };
  if (resolved.sessionId !== undefined && !isNonEmptyString(resolved.sessionId)) {
    throw new TypeError(
      `Cannot open audit log as sessionId must be a non-empty string: ${shown(resolved.sessionId)}`,
    );
  }
  checkInteger("rotationSizeBytes", resolved.rotationSizeBytes, 1);
  checkInteger("fsyncEveryNLines", resolved.fsyncEveryNLines, 1);
  checkSeconds("fsyncIntervalSec", resolved.fsyncIntervalSec);
  checkSeconds("lockTimeoutSec", resolved.lockTimeoutSec);
  checkInteger("maxPendingBytes", resolved.maxPendingBytes, 0);
  checkInteger("maxLineBytes", resolved.maxLineBytes, 1);
  if (typeof resolved.now !== "function") {
    throw new TypeError(`Cannot open audit log as now must be a function: ${shown(resolved.now)}`);
  }
  checkLogger(resolved.logger);
  checkRetention(options.retention);
  checkRedact(resolved.redact);
  if (typeof resolved.chain !== "boolean") {
    throw new TypeError(
      `Cannot open audit log as chain must be true or false: ${shown(resolved.chain)}`,
    );
  }
  return resolved;
}

function checkRedact(redact: unknown): void {
  if (redact === undefined || typeof redact === "function") return;
  if (!Array.isArray(redact)) {
    throw new TypeError(
      `Cannot open audit log as redact must be a list of names or a function: ${shown(redact)}`,
    );
  }
  const bad = redact.find((name) => typeof name !== "string" || name.split(".").includes(""));
  if (bad === undefined && !redact.includes(undefined)) return;
  throw new TypeError(`Cannot open audit log as redact must hold names and paths: ${shown(bad)}`);
}

function checkRetention(retention: unknown): void {
  if (retention === undefined) return;
  if (typeof retention !== "object" || retention === null || Array.isArray(retention)) {
    throw new TypeError(
      `Cannot open audit log as retention must be an object: ${shown(retention)}`,
    );
  }
  const { maxArchives, maxBytes, maxAgeSec, ...others }: RetentionPolicy = retention;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TypeError(`Cannot open audit log as retention has no such limit: ${shown(unknown)}`);
  }
  // The newest archive stays, so that none at all can be no limit.
  if (maxArchives !== undefined) checkInteger("retention.maxArchives", maxArchives, 1);
  if (maxBytes !== undefined) checkInteger("retention.maxBytes", maxBytes, 0);
  if (maxAgeSec === undefined) return;
  checkNumber("retention.maxAgeSec", maxAgeSec);
  if (maxAgeSec >= 0) return;
  throw new RangeError(
    `Cannot open audit log as retention.maxAgeSec must be seconds >= 0: ${maxAgeSec}`,
  );
}

/** Gives the absolute path: "~" expanded, "." and ".." resolved, so that `chdir` changes nothing. */
function resolvePath(path: string | URL): string {
  const isFileUrl = path instanceof URL && path.protocol === "file:";
  const text: unknown = isFileUrl ? fromFileUrl(path) : path;
  if (!isNonEmptyString(text) || text.includes("\0")) {
    throw new TypeError(
      `Cannot open audit log as path must be a file path: ${JSON.stringify(path)}`,
    );
  }
  const absolute = text === "~" || /^~[/\\]/.test(text)
    ? join(homeDirectory(), text.slice(1))
    : resolve(text);
  if (basename(absolute) === "" || dirname(absolute) === absolute || /[/\\]$/.test(text)) {
    throw new TypeError(`Cannot open audit log as path names a directory: ${text}`);
  }
  return absolute;
}

function homeDirectory(): string {
  const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
  const home = homeVariable(variable);
  if (!isNonEmptyString(home)) {
    throw new TypeError(
      `Cannot open audit log as ${variable} is not set and path is below "~": set the path option`,
    );
  }
  return home;
}

function homeVariable(variable: string): string | undefined {
  try {
    return Deno.env.get(variable);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotCapable)) throw cause;
    throw new Deno.errors.NotCapable(
      `Cannot expand "~" in the path of the audit log: run again with --allow-env=${variable}, ` +
        "or set the path option",
      { cause },
    );
  }
}

function isNonEmptyString(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function checkInteger(name: string, value: number, min: number): void {
  checkNumber(name, value);
  if (Number.isSafeInteger(value) && value >= min) return;
  throw new RangeError(`Cannot open audit log as ${name} must be an integer >= ${min}: ${value}`);
}

function checkSeconds(name: string, value: number): void {
  checkNumber(name, value);
  // A timer holds its delay in 32 bits of milliseconds.
  if (value >= 0 && value * 1000 < 2 ** 31) return;
  throw new RangeError(
    `Cannot open audit log as ${name} must be seconds from 0 to 2147483: ${value}`,
  );
}

function checkNumber(name: string, value: unknown): void {
  if (typeof value === "number") return;
  throw new TypeError(`Cannot open audit log as ${name} must be a number: ${shown(value)}`);
}

function checkLogger(logger: Logger): void {
  const methods = ["debug", "info", "warn", "error"] as const;
  if (methods.every((method) => typeof logger?.[method] === "function")) return;
  throw new TypeError(
    `Cannot open audit log as logger must have the methods ${methods.join(", ")}: ${shown(logger)}`,
  );
}
