/**
 * The error classes that callers can catch. All other errors are of built-in classes: `TypeError` and
 * `RangeError` for invalid arguments, and `Deno.errors.*` for errors of the operating system.
 *
 * @module
 */
import { OwnershipError } from "./platform/ownership.ts";

/**
 * The step of an append that failed: "lock" is taking the append lock, which lets one process at a time append; "write"
 * is writing the lines, "sync" is syncing them to the disk, and "rotate" is sealing the active file or compressing it
 * into an archive. See {@linkcode AuditWriteError}.
 */
export type WritePhase = "lock" | "write" | "sync" | "rotate";

/** Thrown when a closed log or reader is used. If the call was to log an event, the event was not accepted. */
export class AuditClosedError extends Error {
  /** The name of the class. */
  override readonly name = "AuditClosedError";
  /** The path of the closed log. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param path Absolute path of the active file.
   */
  constructor(path: string) {
    super(`Cannot use audit log: the log or its reader is closed: ${path}`);
    this.path = path;
  }
}

/** Thrown when an event is invalid. The message names the field and its value. The event was not written. */
export class AuditEventError extends TypeError {
  /** The name of the class. */
  override readonly name = "AuditEventError";
  /** Name of the invalid field, followed by the index or key of an invalid member: `cost`, `files.2`. */
  readonly field: string;
  /** The invalid value. */
  readonly value: unknown;

  /**
   * Creates the error.
   *
   * @param message The complete message, which names the field and its value.
   * @param facts The field, its value, and the error that caused this error, if there is one.
   */
  constructor(message: string, facts: { field: string; value: unknown; cause?: unknown }) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.field = facts.field;
    this.value = facts.value;
  }
}

/**
 * Thrown when accepted events could not be appended or made durable. `cause` is the error of the operating
 * system.
 *
 * If `phase` is "lock", "write" or "rotate", the event is not in the log. If `phase` is "sync", the line was written
 * but not confirmed as durable, so the event may or may not be in the log.
 */
export class AuditWriteError extends Error {
  /** The name of the class. */
  override readonly name = "AuditWriteError";
  /** The step that failed. */
  readonly phase: WritePhase;
  /** The path of the active file. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param message The complete message.
   * @param facts The step that failed, the path of the active file, and the error that caused this error, if there is
   *   one.
   */
  constructor(message: string, facts: { phase: WritePhase; path: string; cause?: unknown }) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.phase = facts.phase;
    this.path = facts.path;
  }
}

/**
 * Returns the message of a thrown error, to be used as a part of another message. If the thrown value is not an
 * `Error`, returns the value as text.
 */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * The reason why a budget does not hold (reserve) the amount of a call: "held" if other calls hold the rest of the
 * limit, "spent" if the limit is spent, "too_large" if the amount exceeds the limit, "unpriced" if the amount in the
 * unit of the budget is unknown, and "unwritable" if the log cannot be read or written.
 */
export type BudgetErrorKind = "held" | "spent" | "too_large" | "unpriced" | "unwritable";

/**
 * Thrown when a budget does not grant a hold, which reserves the amount of a call. The amount is then not reserved on
 * any budget.
 */
export class BudgetError extends Error {
  /** The name of the class. */
  override readonly name = "BudgetError";
  /** The reason why the budget did not grant the hold, so that the amount of the call is not reserved. */
  readonly kind: BudgetErrorKind;
  /** The name of the budget that did not grant the hold (the reservation of an amount). */
  readonly budget: string;
  /** Number of milliseconds after which a retry of the call that failed may succeed; null if this time is unknown. */
  readonly retryAfterMs: number | null;
  /**
   * Time from which the budget has room for the requested amount, unless other calls spend it first. Null if the kind
   * is not "spent", or if the budget will never have room.
   */
  readonly resetsAt: Date | null;

  /**
   * Creates the error.
   *
   * @param message The complete message.
   * @param facts The kind, the budget, and the times and the cause if they are known.
   */
  constructor(
    message: string,
    facts: {
      kind: BudgetErrorKind;
      budget: string;
      retryAfterMs?: number | null;
      resetsAt?: Date | null;
      cause?: unknown;
    },
  ) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.kind = facts.kind;
    this.budget = facts.budget;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.resetsAt = facts.resetsAt ?? null;
  }
}

/**
 * Returns the error to throw in place of `error`. If a permission is missing, the message names the action that failed,
 * and the flags that grant the permission. If `path` is set, the message of an operating system error starts with the
 * action and ends with the path, and its class stays the same. An {@linkcode OwnershipError}, which is not exported,
 * becomes a `Deno.errors.PermissionDenied`. Any other error is returned unchanged.
 */
export function withFlags(
  error: unknown,
  flags: readonly string[],
  { action = "Cannot open audit log", path }: { action?: string; path?: string } = {},
): unknown {
  if (error instanceof Deno.errors.NotCapable) {
    return new Deno.errors.NotCapable(`${action}: run again with ${flags.join(" ")}`, {
      cause: error,
    });
  }
  if (error instanceof OwnershipError) {
    return new Deno.errors.PermissionDenied(`${action}: ${error.message}: ${path}`, {
      cause: error,
    });
  }
  if (path === undefined || !isSystemError(error)) return error;
  const SystemError = error.constructor as new (message: string, options: ErrorOptions) => Error;
  return new SystemError(`${action}: ${error.message}: ${path}`, { cause: error });
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error &&
    Object.values(Deno.errors).some((each) => error.constructor === each);
}

/**
 * Returns the flag that grants a permission for a path, quoted for a shell where needed. Deno splits the value of
 * the flag at commas, so for a path with a comma the flag names the directory above the first comma.
 */
export function pathFlag(permission: "read" | "write", path: string): string {
  const flag = `--allow-${permission}=${path.replace(/[/\\][^/\\]*,.*$/, "") || "/"}`;
  return /^[\w@%+=:./\\-]+$/.test(flag) ? flag : `'${flag.replaceAll("'", "'\\''")}'`;
}
