/**
 * Errors that the user can fix. Such an error ends a command with a message instead of a stack trace.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";

/** An exit code: 1 for a failure, such as a missing log; 2 for a usage or permission error. */
export type ErrorCode = 1 | 2;

/** An error that the user can fix, such as a missing file. */
export class CommandError extends Error {
  /** The name of the error class. */
  override readonly name = "CommandError";
  /** The exit code of the command. */
  readonly exitCode: ErrorCode;
  /** Lines that are printed after the message. */
  readonly details: readonly string[];

  /** Creates the error from its message, its exit code and its details. */
  constructor(message: string, exitCode: ErrorCode, details: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.details = details;
  }
}

/**
 * Returns a thrown error as an error that the user can fix. Returns null if the error shows a bug in the program, which
 * needs a stack trace.
 */
export function asCommandError(error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  // If the command failed and then closing the log failed as well, only the error of the command is shown, because it
  // came first.
  if (error instanceof SuppressedError) return asCommandError(error.suppressed);
  if (error instanceof AuditWriteError) return new CommandError(error.message, 1);
  if (!(error instanceof Error)) return null;
  if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) {
    return new CommandError(asSentence(error), 2);
  }
  if (isSystemError(error)) return new CommandError(asSentence(error), 1);
  return ACTION.test(error.message) ? new CommandError(error.message, 1) : null;
}

/**
 * Matches the start of every error message of this library: `Cannot ACTION: `. Messages of the JavaScript engine, which
 * show a bug, have no colon after the action. The action may contain a colon without a blank after it, as in the
 * Windows path `C:\log`.
 */
const ACTION = /^Cannot [a-z](?:[^:\n]|:(?! ))*: /;
const SYSTEM_ERRORS: readonly unknown[] = Object.values(Deno.errors);

/** Checks whether an error is from the operating system: it has a class of `Deno.errors`, or a code such as ENOSPC. */
function isSystemError(error: Error): boolean {
  if (SYSTEM_ERRORS.includes(error.constructor)) return true;
  return "code" in error && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code);
}

function asSentence(error: Error): string {
  const message = messageOf(error);
  return ACTION.test(message) ? message : `Cannot continue: ${message}`;
}
