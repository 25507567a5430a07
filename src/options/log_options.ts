/**
 * The options of a log with their defaults and checks, and the resolution of its path.
 *
 * @module
 */
import { basename, dirname, fromFileUrl, join, resolve } from "../platform/path.ts";
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
  number,
  type OptionCheck,
  type OptionChecks,
} from "./option_checks.ts";

/** Default path of a log. `~` is replaced with the home directory when the log is opened. */
export const DEFAULT_AUDIT_PATH = "~/.scout/audit.jsonl";
/** Default size in bytes at which the active file is rotated: 10 MiB. */
export const ROTATION_SIZE_BYTES: number = 10 * 1024 * 1024;
/** Default number of written lines after which a sync to the disk is due. */
export const FSYNC_EVERY_N_LINES = 10;
/** Default maximum time in seconds from the write of a line to its sync. */
export const FSYNC_INTERVAL_SEC = 1;

/** Default maximum length of a line in bytes: 16 MiB. */
export const MAX_LINE_BYTES: number = 16 * 1024 * 1024;
/** Default maximum number of accepted bytes that wait in memory to be written: 8 MiB. */
export const MAX_PENDING_BYTES: number = 8 * 1024 * 1024;
/**
 * Default maximum time in seconds that an append waits while another process holds the append lock. Only the process
 * that holds this lock may append to the log.
 */
export const LOCK_TIMEOUT_SEC = 2;

/**
 * Limits on the archives of a log. An archive is an earlier active file, compressed. When a rotation has created a new
 * archive, the oldest archives are deleted until no limit is exceeded. The newest archive is deleted only if its age
 * exceeds `maxAgeSec`. The active file, and full files that are not compressed yet, are never deleted.
 *
 * @example At most 30 archives, none older than 90 days
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({
 *   path,
 *   retention: { maxArchives: 30, maxAgeSec: 90 * 86_400 },
 * });
 * ```
 */
export interface RetentionPolicy {
  /**
   * Maximum number of archives, an integer >= 1. If it is not set, the number is not limited.
   *
   * @default {undefined}
   */
  maxArchives?: number;
  /**
   * Maximum total size of the compressed archives in bytes, an integer >= 0. If it is not set, the size is not
   * limited.
   *
   * @default {undefined}
   */
  maxBytes?: number;
  /**
   * Maximum age of an archive in seconds, a number >= 0. The age counts from the rotation that created the archive, so
   * the events in the archive are older. The active file is also rotated at this age, unless `rotationAgeSec` sets
   * another age. Retention checks the age of the archives at least once an hour. So when an event is deleted, its age
   * is at most twice this limit plus an hour. If the limit is not set, the age is not limited.
   *
   * @default {undefined}
   */
  maxAgeSec?: number;
  /**
   * Limits for archives that are not shipped yet, which means copied to a server by `ship()`; see
   * {@linkcode UntilShippedPolicy}. Retention keeps such an archive even if one of the other limits is exceeded, but
   * deletes it if a limit in `untilShipped` is exceeded. If `untilShipped` is not set, retention deletes archives
   * without waiting for shippers.
   *
   * @default {undefined}
   */
  untilShipped?: UntilShippedPolicy;
}

/**
 * Limits for archives that are not shipped yet, so that a fleet does not miss events because of a slow network. A fleet
 * is a group of logs in a stream of NATS JetStream. `ship()` and `scout ship` are shippers: each copies one log into
 * such a stream.
 *
 * Retention keeps an archive that exceeds a limit of the {@linkcode RetentionPolicy} until every fleet that receives
 * the log has received it. If the archives that are not shipped yet exceed one of the limits below, retention deletes
 * the oldest of them. At least one limit must be set.
 *
 * The log then has a file `audit.shipped.jsonl`, in which `ship()` and `scout ship` record how far each fleet has
 * received the log, if they have the permission to write to the directory.
 *
 * - A fleet is listed in the file when its shipper has reached the NATS stream for the first time. An archive counts as
 *   received when the slowest fleet has received it. The line of a fleet is identified by three names: those of the
 *   stream, of the fleet and of the log in the fleet. If the log is shipped to two servers, at least one of these names
 *   must differ.
 * - If the file lists no fleet, does not exist or is damaged, no archive counts as received. Shippers do not write into
 *   a damaged file: repair the file, or delete it. The next rotation or `open()` creates it again.
 * - If retention deletes an archive that a fleet has not received, it warns once, and names the fleet. It warns again
 *   only after the fleet has received further archives.
 * - An archive that is received later is deleted after the next rotation, or by the next `open()`.
 * - If a fleet no longer receives the log, delete its line in the file.
 * - All writers of the log need the same policy. `scout prune` deletes archives even if no fleet has received them.
 *
 * @example At most 30 archives, but up to 5 GB while the network is slow
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({
 *   path,
 *   retention: { maxArchives: 30, untilShipped: { maxBytes: 5e9 } },
 * });
 * ```
 */
export interface UntilShippedPolicy {
  /**
   * Maximum total size in bytes of the compressed archives that a fleet (a group of logs on a NATS server) has not
   * received, an integer >= 0. While they are larger, an archive that exceeds a limit of the policy is deleted without
   * waiting for the fleet. If `maxBytes` is not set, the size is not limited. If this number is at most `maxBytes` of
   * the {@linkcode RetentionPolicy}, an archive that exceeds `maxBytes` of that policy is deleted without waiting.
   *
   * @default {undefined}
   */
  maxBytes?: number;
  /**
   * Maximum age in seconds, a finite number >= 0, of an archive that exceeds a limit of the policy but is kept because
   * a fleet has not received it. A fleet is a group of logs on a NATS server. An older archive is deleted without
   * waiting for the fleet. The age counts from the rotation that created the archive. If `maxAgeSec` is not set, the
   * age is not limited. If this number is at most `maxAgeSec` of the {@linkcode RetentionPolicy}, an archive that
   * exceeds `maxAgeSec` of that policy is deleted without waiting.
   *
   * @default {undefined}
   */
  maxAgeSec?: number;
}

/**
 * The values to hide before an event is written to the log, as a list or as a function.
 *
 * - A list has names and paths; each value that matches is written as `"[redacted]"`. A name, such as `"apiKey"`,
 *   matches members of that name at any depth. A path, such as `"config.headers.authorization"`, matches one member
 *   of the record; `*` in a path stands for any one key or index, as in `"messages.*.content"`. A list never hides
 *   the `ts`, `event` and `session_id` of the record itself.
 * - A function receives the record and returns the record to write. The argument is a shallow copy of
 *   `{ event, ...fields }`: nested values belong to the caller of `log()`, so the function must not change them.
 *   If the function throws, `log()` rejects and the event is not written.
 *
 * @example Hide every `apiKey`, and the content of all messages
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using log = await AuditLog.open({ path, redact: ["apiKey", "messages.*.content"] });
 * await log.log("llm_call", { apiKey: "sk-1", messages: [{ role: "user", content: "Hello" }] });
 * const [event] = await log.lastEvents(1);
 * assertEquals(event?.apiKey, "[redacted]");
 * assertEquals(event?.messages, [{ role: "user", content: "[redacted]" }]);
 * ```
 */
export type Redact =
  | readonly string[]
  | ((record: Record<string, unknown>) => Record<string, unknown>);

/** Options of {@linkcode AuditLog.open}. */
export interface AuditLogOptions {
  /**
   * Path of the active file, or its `file:` URL. A relative path is resolved when the log is opened. `~` at the
   * start of the path is the home directory.
   *
   * @default {"~/.scout/audit.jsonl"}
   */
  path?: string | URL;
  /**
   * Session ID for events without a `session_id` field, a non-empty string. By default, the session ID of the
   * process, see {@linkcode getSessionId}.
   *
   * @default {getSessionId()}
   */
  sessionId?: string;
  /**
   * Size in bytes at which the active file is rotated, an integer >= 1. The line that reaches this size is the
   * last line of the file. The file is then compressed into an archive, and the next line starts a new active
   * file. `Number.MAX_SAFE_INTEGER` turns rotation by size off.
   *
   * @default {10_485_760}
   */
  rotationSizeBytes?: number;
  /**
   * Age in seconds at which the active file is rotated, a number >= 1. The age counts from the first line of the file.
   * `open()`, every append and a timer check the age, so a log that takes few events is rotated too. `Infinity` turns
   * rotation by age off. The default is `maxAgeSec` of `retention`, or else `Infinity`.
   *
   * @default {Infinity}
   */
  rotationAgeSec?: number;
  /**
   * Number of written lines after which a sync to the disk is due, an integer >= 1. With N, a power loss can lose at
   * most N - 1 acknowledged lines. With 1, `log()` resolves only when its line is durable.
   *
   * @default {10}
   */
  fsyncEveryNLines?: number;
  /**
   * Maximum time in seconds from the write of a line to its sync, a number from 0 to 2,147,483.
   *
   * @default {1}
   */
  fsyncIntervalSec?: number;
  /**
   * Maximum time in seconds that an append waits while another process holds the append lock, a number from 0 to
   * 2,147,483. Only the process that holds this lock may append to the log. After the maximum time the append rejects
   * with an {@linkcode AuditWriteError} of phase "lock".
   *
   * @default {2}
   */
  lockTimeoutSec?: number;
  /**
   * Maximum number of accepted bytes that wait in memory to be written, an integer >= 0. If a new event exceeds this
   * number, `log()` writes all waiting lines synchronously. The default is 8 MiB.
   *
   * @default {8_388_608}
   */
  maxPendingBytes?: number;
  /**
   * Maximum length of a line in bytes, including its line break, an integer >= 1. A longer event is rejected. A
   * reader skips a longer line and reports it as damage. The default is 16 MiB.
   *
   * @default {16_777_216}
   */
  maxLineBytes?: number;
  /**
   * Clock that returns epoch milliseconds. It sets the `ts` of events, the names of segments, the age of archives,
   * and the end of the hours that `hourlySpend()` sums.
   *
   * @default {Date.now}
   */
  now?: () => number;
  /**
   * Logger for the library's own messages. By default, warnings and errors go to standard error, see
   * {@linkcode logger}.
   *
   * @default {logger}
   */
  logger?: Logger;
  /**
   * Limits on the archives. The oldest archives are deleted until no limit is exceeded, see
   * {@linkcode RetentionPolicy}. If `retention` is not set, no archive is deleted.
   *
   * @default {undefined}
   */
  retention?: RetentionPolicy;
  /**
   * At most eight names of fields, such as `["team"]`, by which the sums of archives group the calls. Every archive
   * has sums by type, model, agent and session, from which {@linkcode stats} and {@linkcode spend} answer without
   * decoding the archive. To group by any other field, {@linkcode stats} and {@linkcode spend} must decode the archive,
   * which takes longer. The option has no effect on archives that exist already.
   *
   * @default {[]}
   */
  rollupFields?: readonly string[];
  /**
   * The values to hide before an event is written, so that they never reach the disk, see {@linkcode Redact}. If
   * `redact` is not set, every value is written.
   *
   * @default {undefined}
   */
  redact?: Redact;
  /**
   * Whether lines are chained, so that tampering can be detected. If `true`, each line has a number, `seq`, and a
   * SHA-256, `hash`, which covers the content of the line and the hash of the line before it.
   * {@linkcode AuditReader.verify} then finds changed, removed, inserted and moved lines. Events cannot have fields
   * named `seq` or `hash`.
   *
   * @default {false}
   */
  chain?: boolean;
}

/** Options of {@linkcode AuditReader.open}. */
export type AuditReaderOptions = Pick<AuditLogOptions, "path" | "maxLineBytes" | "now" | "logger">;

const ACTION = "open audit log";

/** The check of a time in seconds for a timer, whose delay is a signed 32-bit number of milliseconds. */
const timerSeconds: OptionCheck = {
  must: "a number from 0 to 2147483 (seconds)",
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
  must: "a function or an array of names and paths",
  isOfType: (value) => typeof value === "function" || Array.isArray(value),
};
const redactedPlace: OptionCheck = {
  must: "a name or a path without empty parts",
  isOfType: (value) => typeof value === "string" && !value.split(".").includes(""),
};

/**
 * Checks every name and path in the `redact` option.
 *
 * @throws {TypeError} If a name or path is invalid; the message names its index and value.
 */
export function checkRedact(redact: Redact | undefined, action: string): void {
  if (!Array.isArray(redact)) return;
  for (const [index, place] of [...redact].entries()) {
    checkOption(place, redactedPlace, `Cannot ${action}: redact[${index}]`);
  }
}

/**
 * Maximum number of fields in the `rollupFields` option. More fields would make the file with the sums of an archive
 * too large.
 */
export const ROLLUP_FIELDS_MAX = 8;

/** The checks of the options of a log. Other functions use some of these checks. */
export const LOG_OPTION_CHECKS: OptionChecks<AuditLogOptions> = {
  // Any value passes here, because resolvePath() checks the path.
  path: anything,
  sessionId: nonEmptyText,
  rotationSizeBytes: integer(1),
  rotationAgeSec: {
    must: "a number >= 1 (seconds)",
    isOfType: (value) => typeof value === "number",
    isInRange: (value: number) => value >= 1,
  },
  fsyncEveryNLines: integer(1),
  fsyncIntervalSec: timerSeconds,
  lockTimeoutSec: timerSeconds,
  maxPendingBytes: integer(0),
  maxLineBytes: integer(1),
  now: callback,
  logger: loggerCheck,
  // Any value passes here, because resolveOptions() checks the options inside `retention`.
  retention: anything,
  rollupFields: {
    must: `at most ${ROLLUP_FIELDS_MAX} different names of fields`,
    isOfType: (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
    isInRange: (value: readonly string[]) =>
      value.length <= ROLLUP_FIELDS_MAX && new Set(value).size === value.length &&
      !value.includes(""),
  },
  redact: redactCheck,
  chain: flag,
};
const RETENTION_CHECKS: OptionChecks<RetentionPolicy> = {
  // `maxArchives` never deletes the newest archive, so a value of 0 would always be exceeded.
  maxArchives: integer(1),
  maxBytes: integer(0),
  maxAgeSec: {
    must: "a number >= 0 (seconds)",
    isOfType: (value) => typeof value === "number",
    isInRange: (value: number) => value >= 0,
  },
  // Any value passes here, because checkRetention() checks the options inside `untilShipped`.
  untilShipped: anything,
};
const UNTIL_SHIPPED_CHECKS: OptionChecks<UntilShippedPolicy> = {
  maxBytes: integer(0),
  maxAgeSec: number(0, { unit: "seconds", orEqual: true }),
};

/** Checks the names and values of the options inside `retention`. */
function checkRetention(retention: RetentionPolicy): void {
  checkOptions(retention, RETENTION_CHECKS, ACTION, "retention.");
  const { maxArchives, maxBytes, maxAgeSec, untilShipped } = retention;
  if (untilShipped === undefined) return;
  checkOptions(untilShipped, UNTIL_SHIPPED_CHECKS, ACTION, "retention.untilShipped.");
  if (untilShipped.maxBytes === undefined && untilShipped.maxAgeSec === undefined) {
    throw new TypeError(
      `Cannot ${ACTION}: retention.untilShipped must have maxBytes or maxAgeSec, got neither; ` +
        "without a limit, archives that are never shipped would fill the disk",
    );
  }
  if (maxArchives === undefined && maxBytes === undefined && maxAgeSec === undefined) {
    throw new TypeError(
      `Cannot ${ACTION}: retention.untilShipped needs maxArchives, maxBytes or maxAgeSec in retention too, got none of them; ` +
        "without one of these limits, no archive is deleted",
    );
  }
}

/** {@linkcode AuditLogOptions} with all defaults filled in, except for the default session ID. */
export interface ResolvedOptions {
  path: string;
  sessionId: string | undefined;
  rotationSizeBytes: number;
  /** `Infinity` means that the age of the file does not cause a rotation. */
  rotationAgeSec: number;
  fsyncEveryNLines: number;
  fsyncIntervalSec: number;
  lockTimeoutSec: number;
  maxPendingBytes: number;
  maxLineBytes: number;
  now: () => number;
  logger: Logger;
  chain: boolean;
  retention: RetentionPolicy;
  rollupFields: readonly string[];
  redact: Redact | undefined;
}

/**
 * Returns the options with their defaults filled in, and checks every name and value.
 *
 * @param pathOrOptions The options, or only the path.
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
 * @throws {RangeError} If a number is out of its range; the message names the option.
 */
export function resolveOptions(pathOrOptions: AuditLogOptions | string | URL): ResolvedOptions {
  const options: AuditLogOptions = typeof pathOrOptions === "string" || pathOrOptions instanceof URL
    ? { path: pathOrOptions }
    : pathOrOptions;
  checkOptions(options, LOG_OPTION_CHECKS, ACTION);
  // A program that passes an unset variable as the path must not write into the default log in the home directory by
  // mistake, so an explicit `undefined` is an error.
  if (Object.hasOwn(options, "path") && options.path === undefined) {
    throw new TypeError(
      `Cannot ${ACTION}: path must be a file path or a file: URL, got undefined; ` +
        "leave the option out to use the default path",
    );
  }
  if (options.retention !== undefined) checkRetention(options.retention);
  checkRedact(options.redact, ACTION);
  return {
    path: resolvePath(options.path ?? DEFAULT_AUDIT_PATH),
    sessionId: options.sessionId,
    rotationSizeBytes: options.rotationSizeBytes ?? ROTATION_SIZE_BYTES,
    rotationAgeSec: rotationAgeOf(options),
    fsyncEveryNLines: options.fsyncEveryNLines ?? FSYNC_EVERY_N_LINES,
    fsyncIntervalSec: options.fsyncIntervalSec ?? FSYNC_INTERVAL_SEC,
    lockTimeoutSec: options.lockTimeoutSec ?? LOCK_TIMEOUT_SEC,
    maxPendingBytes: options.maxPendingBytes ?? MAX_PENDING_BYTES,
    maxLineBytes: options.maxLineBytes ?? MAX_LINE_BYTES,
    now: options.now ?? Date.now,
    logger: options.logger ?? logger,
    chain: options.chain ?? false,
    retention: retentionOf(options.retention),
    rollupFields: [...options.rollupFields ?? []],
    redact: Array.isArray(options.redact) ? [...options.redact] : options.redact,
  };
}

/**
 * Minimum age in seconds at which a file is rotated because of `retention.maxAgeSec`. With a lower age, each event
 * could rotate the file.
 */
const RETENTION_AGE_MIN_SEC = 1;

function rotationAgeOf({ rotationAgeSec, retention }: AuditLogOptions): number {
  return rotationAgeSec ?? Math.max(RETENTION_AGE_MIN_SEC, retention?.maxAgeSec ?? Infinity);
}

/**
 * Returns a copy of the limits, including limits that are inherited properties. The copy protects the log from later
 * changes of the caller's object.
 */
function retentionOf(retention: RetentionPolicy = {}): RetentionPolicy {
  const { maxArchives, maxBytes, maxAgeSec, untilShipped } = retention;
  return {
    ...maxArchives === undefined ? {} : { maxArchives },
    ...maxBytes === undefined ? {} : { maxBytes },
    ...maxAgeSec === undefined ? {} : { maxAgeSec },
    ...untilShipped === undefined ? {} : { untilShipped: { ...untilShipped } },
  };
}

/** The scheme of a URL and its "//". `C:\x` and `a:b.jsonl` do not match: they are paths. */
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Returns the absolute path of a log, with "~", "." and ".." resolved, so that a later `chdir` has no effect.
 *
 * @throws {TypeError} If the path does not name a file.
 * @throws {Deno.errors.NotCapable} If the path starts with "~" and the permission to read HOME is missing.
 */
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

/** Returns the path that a string or URL names, or undefined if the string or URL does not name a local file. */
function filePathOf(path: unknown): unknown {
  if (path instanceof URL) return path.protocol === "file:" ? localPath(path) : undefined;
  if (typeof path !== "string") return undefined;
  if (/^file:/i.test(path)) return URL.canParse(path) ? localPath(new URL(path)) : undefined;
  return SCHEME.test(path) ? undefined : path;
}

/** Returns the path of a `file:` URL, or undefined if the URL names another machine or has an invalid escape. */
function localPath(url: URL): string | undefined {
  if (url.host !== "" && Deno.build.os !== "windows") return undefined;
  try {
    return fromFileUrl(url);
  } catch {
    // The caller reports the invalid URL.
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
      `Cannot open audit log: the path starts with "~", but ${variable} is not set; ` +
        `set ${variable} or the path option`,
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
