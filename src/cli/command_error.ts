/**
 * Errors that the user can fix. They end a command with a message instead of a stack trace.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";

/** 1 for a failure, such as a missing log; 2 for a usage or permission error. */
export type ErrorCode = 1 | 2;

/** An error that the user can fix. */
export class CommandError extends Error {
  /** The name of the class. */
  override readonly name = "CommandError";
  /** The exit code. */
  readonly exitCode: ErrorCode;
  /** Lines that are printed after the message. */
  readonly details: readonly string[];

  /** Creates the error. */
  constructor(message: string, exitCode: ErrorCode, details: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.details = details;
  }
}

/** Returns the error in a form for the user, or null if it is a bug in the program. */
export function asCommandError(error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  // Closing the log failed as well; the first error is the cause.
  if (error instanceof SuppressedError) return asCommandError(error.suppressed);
  if (error instanceof AuditWriteError) return new CommandError(error.message, 1);
  if (!(error instanceof Error)) return null;
  if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) {
    return new CommandError(asSentence(error), 2);
  }
  if (isSystemError(error)) return new CommandError(asSentence(error), 1);
  return ACTION.test(error.message) ? new CommandError(error.message, 1) : null;
}

/** The start of the library's own messages. Messages of the JavaScript engine have no such colon. */
const ACTION = /^Cannot [a-z][^:\n]*: /;
const SYSTEM_ERRORS: readonly unknown[] = Object.values(Deno.errors);

/** Checks whether the operating system reported the error: by its class, or by a code such as ENOSPC. */
function isSystemError(error: Error): boolean {
  if (SYSTEM_ERRORS.includes(error.constructor)) return true;
  return "code" in error && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code);
}

function asSentence(error: Error): string {
  const message = messageOf(error);
  return ACTION.test(message) ? message : `Cannot continue: ${message}`;
}
