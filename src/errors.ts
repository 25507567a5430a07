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
    super(`Cannot use audit log: it is closed: ${path}`);
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

/**
 * Returns the error with the action that failed. For a missing permission the message has the flags that grant
 * it; an error of the system keeps its class and names the path, if there is one.
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
  if (path === undefined || !isSystemError(error)) return error;
  const SystemError = error.constructor as new (message: string, options: ErrorOptions) => Error;
  return new SystemError(`${action}: ${error.message}, at ${path}`, { cause: error });
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error &&
    Object.values(Deno.errors).some((each) => error.constructor === each);
}

/**
 * Returns the flag that grants a permission for a path, as a shell takes it. Deno splits the list of paths at
 * commas, so for a path with a comma it names the directory above.
 */
export function pathFlag(permission: "read" | "write", path: string): string {
  const flag = `--allow-${permission}=${path.replace(/[/\\][^/\\]*,.*$/, "") || "/"}`;
  return /^[\w@%+=:./\\-]+$/.test(flag) ? flag : `'${flag.replaceAll("'", "'\\''")}'`;
}
