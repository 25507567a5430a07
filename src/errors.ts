/**
 * The errors that a caller may want to catch by class. Everything else is a built-in class:
 * `TypeError` and `RangeError` for bad arguments, `Deno.errors.*` for what the system refuses.
 *
 * @module
 */

/** Where in an append something went wrong: see {@linkcode AuditWriteError}. */
export type WritePhase = "lock" | "write" | "sync" | "rotate";

/** Thrown when a log is used after {@linkcode AuditLog.close}; the event was not accepted. */
export class AuditClosedError extends Error {
  /** The name of the class. */
  override readonly name = "AuditClosedError";
  /** The path of the closed log. */
  readonly path: string;

  /** Makes the error for the log at the path. */
  constructor(path: string) {
    super(`Cannot use audit log as it is closed: ${path}`);
    this.path = path;
  }
}

/** Thrown for an event that cannot be logged; names the field and its value. Nothing was written. */
export class AuditEventError extends TypeError {
  /** The name of the class. */
  override readonly name = "AuditEventError";
  /** The field at fault, with the position in it if there is one: `cost`, `files.2`. */
  readonly field: string;
  /** The value that was refused. */
  readonly value: unknown;

  /** Makes the error from a message that already names the field and the value. */
  constructor(message: string, facts: { field: string; value: unknown; cause?: unknown }) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.field = facts.field;
    this.value = facts.value;
  }
}

/**
 * Thrown when accepted events could not be appended or made durable. `cause` is the system's error.
 *
 * With `phase` "lock", "write" or "rotate" the event is not in the log. With "sync" its line was
 * written but never promised durable, so it may be there.
 */
export class AuditWriteError extends Error {
  /** The name of the class. */
  override readonly name = "AuditWriteError";
  /** The step that failed. */
  readonly phase: WritePhase;
  /** The path of the active file. */
  readonly path: string;

  /** Makes the error for a failed step on the file at the path. */
  constructor(message: string, facts: { phase: WritePhase; path: string; cause?: unknown }) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.phase = facts.phase;
    this.path = facts.path;
  }
}

/** The text of anything that was thrown, for use inside another message. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The error of a missing permission with what failed for it and the flags that grant it; any other as it is. */
export function withFlags(
  error: unknown,
  flags: readonly string[],
  failure = "Cannot open audit log",
): unknown {
  if (!(error instanceof Deno.errors.NotCapable)) return error;
  return new Deno.errors.NotCapable(`${failure}: run again with ${flags.join(" ")}`, {
    cause: error,
  });
}
