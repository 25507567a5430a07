/**
 * The errors that a user can put right, which end a command with one line and no stack.
 *
 * @module
 */
import { AuditWriteError, messageOf } from "../errors.ts";

/** 1 if something asked for is not there, and 2 for a usage or permission error. */
export type ErrorCode = 1 | 2;

/** Thrown for an error that a user can put right. */
export class CommandError extends Error {
  /** The name of the class. */
  override readonly name = "CommandError";
  /** The exit code. */
  readonly exitCode: ErrorCode;
  /** Lines that follow the message. */
  readonly details: readonly string[];

  /** Creates the error. */
  constructor(message: string, exitCode: ErrorCode, details: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.details = details;
  }
}

/** Returns the error in a form for the user, or null if the program itself is at fault. */
export function asCommandError(error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  // The log could not be closed either, for the same reason.
  if (error instanceof SuppressedError) return asCommandError(error.suppressed);
  if (error instanceof AuditWriteError) return new CommandError(error.message, 1);
  if (!(error instanceof Error)) return null;
  if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) {
    return new CommandError(asSentence(error), 2);
  }
  if (isSystemError(error)) return new CommandError(asSentence(error), 1);
  return ACTION.test(error.message) ? new CommandError(error.message, 1) : null;
}

/** The beginning of the library's own errors; those of the engine have no colon. */
const ACTION = /^Cannot [a-z][^:\n]*: /;
const SYSTEM_ERRORS: readonly unknown[] = Object.values(Deno.errors);

/** Checks whether the operating system refused something: a class of Deno, or an error with a code. */
function isSystemError(error: Error): boolean {
  if (SYSTEM_ERRORS.includes(error.constructor)) return true;
  return "code" in error && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code);
}

function asSentence(error: Error): string {
  const message = messageOf(error);
  return ACTION.test(message) ? message : `Cannot go on: ${message}`;
}
