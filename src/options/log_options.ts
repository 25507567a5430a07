/**
 * The constants and options of a log: their defaults, their checks, and the place of the file.
 *
 * @module
 */
import { basename, dirname, fromFileUrl, join, resolve } from "@std/path";
import { shown } from "../event.ts";
import { type Logger, logger } from "../logger.ts";
import {
  anything,
  callback,
  checkOption,
  checkOptions,
  flag,
  integer,
  nonEmptyText,
  type OptionCheck,
  type OptionChecks,
} from "./option_checks.ts";

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

const ACTION = "open audit log";

/** Seconds of a timer, which holds its delay in 32 bits of milliseconds. */
const timerSeconds: OptionCheck = {
  must: "seconds from 0 to 2147483",
  isOfType: (value) => typeof value === "number",
  isInRange: (value: number) => value >= 0 && value * 1000 < 2 ** 31,
};
const logMethods = ["debug", "info", "warn", "error"] as const;
const loggerCheck: OptionCheck = {
  must: `an object with the methods ${logMethods.join(", ")}`,
  isOfType: (value) =>
    logMethods.every((method) => typeof (value as Logger | null)?.[method] === "function"),
};
const redactCheck: OptionCheck = {
  must: "a function or a list of names and paths",
  isOfType: (value) => typeof value === "function" || Array.isArray(value),
};
const redactedPlace: OptionCheck = {
  must: "a name, or a path without an empty part",
  isOfType: (value) => typeof value === "string" && !value.split(".").includes(""),
};

/**
 * Checks every name and path of `redact`.
 *
 * @throws {TypeError} If one is invalid; names its place and value.
 */
export function checkRedact(redact: Redact | undefined, action: string): void {
  if (!Array.isArray(redact)) return;
  for (const [index, place] of [...redact].entries()) {
    checkOption(place, redactedPlace, `Cannot ${action}: redact[${index}]`);
  }
}

/** The checks of the options of a log, some of which other functions share. */
export const LOG_OPTION_CHECKS: OptionChecks<AuditLogOptions> = {
  // resolvePath() checks it.
  path: anything,
  sessionId: nonEmptyText,
  rotationSizeBytes: integer(1),
  fsyncEveryNLines: integer(1),
  fsyncIntervalSec: timerSeconds,
  lockTimeoutSec: timerSeconds,
  maxPendingBytes: integer(0),
  maxLineBytes: integer(1),
  now: callback,
  logger: loggerCheck,
  // Nested options, which are checked on their own.
  retention: anything,
  redact: redactCheck,
  chain: flag,
};
const RETENTION_CHECKS: OptionChecks<RetentionPolicy> = {
  // The newest archive stays, so "none at all" can be no limit.
  maxArchives: integer(1),
  maxBytes: integer(0),
  maxAgeSec: {
    must: "seconds >= 0",
    isOfType: (value) => typeof value === "number",
    isInRange: (value: number) => value >= 0,
  },
};

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
 * Fills in the defaults and checks every name and value.
 *
 * @param given The options, or the path alone.
 * @throws {TypeError} If a name is unknown or a value is of the wrong type; names the option.
 * @throws {RangeError} If a number is out of its range; names the option.
 */
export function resolveOptions(given: AuditLogOptions | string | URL): ResolvedOptions {
  const options: AuditLogOptions = typeof given === "string" || given instanceof URL
    ? { path: given }
    : given;
  checkOptions(options, LOG_OPTION_CHECKS, ACTION);
  // An unset variable must not make a log of the home directory's.
  if (Object.hasOwn(options, "path") && options.path === undefined) {
    throw new TypeError(`Cannot ${ACTION}: path must be given or left out, got undefined`);
  }
  if (options.retention !== undefined) {
    checkOptions(options.retention, RETENTION_CHECKS, ACTION, "retention.");
  }
  checkRedact(options.redact, ACTION);
  return {
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
    retention: retentionOf(options.retention),
    redact: Array.isArray(options.redact) ? [...options.redact] : options.redact,
  };
}

/** Returns a copy of the limits, also of those that an object inherits. */
function retentionOf(retention: RetentionPolicy = {}): RetentionPolicy {
  const { maxArchives, maxBytes, maxAgeSec } = retention;
  return {
    ...maxArchives === undefined ? {} : { maxArchives },
    ...maxBytes === undefined ? {} : { maxBytes },
    ...maxAgeSec === undefined ? {} : { maxAgeSec },
  };
}

/** A URL's scheme in front of "//"; `C:\x` and `a:b.jsonl` have none. */
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Returns the absolute path: "~" expanded, "." and ".." resolved, so that `chdir` changes nothing. */
function resolvePath(path: unknown): string {
  const text = filePathOf(path);
  if (!isNonEmptyString(text) || text.includes("\0")) {
    throw new TypeError(
      `Cannot open audit log: path must be a file path or a file: URL, got ${shownPath(path)}`,
    );
  }
  const absolute = text === "~" || /^~[/\\]/.test(text)
    ? join(homeDirectory(), text.slice(1))
    : resolve(text);
  if (basename(absolute) === "" || dirname(absolute) === absolute || /[/\\]$/.test(text)) {
    throw new TypeError(
      `Cannot open audit log: path must name a file, got the directory ${text}; ` +
        `use ${join(absolute, "audit.jsonl")}`,
    );
  }
  return absolute;
}

/** Returns the path that a string or URL names; undefined if it names none. */
function filePathOf(path: unknown): unknown {
  if (path instanceof URL) return path.protocol === "file:" ? localPath(path) : undefined;
  if (typeof path !== "string") return undefined;
  if (/^file:/i.test(path)) return URL.canParse(path) ? localPath(new URL(path)) : undefined;
  return SCHEME.test(path) ? undefined : path;
}

/** Returns the path of a `file:` URL; undefined if it names another machine, or has a bad escape. */
function localPath(url: URL): string | undefined {
  if (url.host !== "" && Deno.build.os !== "windows") return undefined;
  try {
    return fromFileUrl(url);
  } catch {
    // The caller reports the URL.
    return undefined;
  }
}

function shownPath(path: unknown): string {
  return path instanceof URL ? path.href : shown(path);
}

function homeDirectory(): string {
  const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
  const home = homeVariable(variable);
  if (!isNonEmptyString(home)) {
    throw new TypeError(
      `Cannot open audit log: ${variable} is not set and path is below "~"; set the path option`,
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
