/**
 * Formats errors and durations for the events of model calls. Pure.
 *
 * @module
 */
import { shown } from "../event.ts";

/** Maximum length of the message of an error in the log. */
const ERROR_CHARS_MAX = 1_000;

/** Returns a thrown error as a field: its name, its message and that of its cause, without the stack. Never throws. */
export function errorFields(error: unknown): object {
  try {
    if (!(error instanceof Error)) return { message: textOf(error) };
    const { name, message, cause } = error;
    return {
      name: textOf(name),
      message: textOf(message),
      cause: cause === undefined
        ? undefined
        : textOf(cause instanceof Error ? cause.message : cause),
    };
  } catch {
    // A getter of the error throws.
    return { message: "unknown, because the error cannot be read" };
  }
}

/** Returns the start of any thrown value as a text. */
function textOf(thrown: unknown): string {
  try {
    return shortened(String(thrown));
  } catch {
    // String() throws for some objects, such as an object without a prototype.
    return shown(thrown);
  }
}

/** Returns the start of an error message. Some servers repeat the whole request in an error message. */
export function shortened(message: string): string {
  return message.slice(0, ERROR_CHARS_MAX);
}

/**
 * Checks whether a call failed because the caller aborted it. A `TimeoutError` does not count as an abort. But on a
 * timeout, SDKs abort without a reason, so the timeouts of SDKs count as aborts.
 */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  const reason: unknown = signal?.aborted ? signal.reason : error;
  const name = nameOf(reason);
  return name === "AbortError" || signal?.aborted === true && name !== "TimeoutError";
}

/** Returns the name of an error; "" for another value, and for an error whose name cannot be read. */
function nameOf(error: unknown): string {
  try {
    return error instanceof Error ? error.name : "";
  } catch {
    return "";
  }
}

/** Rounds milliseconds to three decimals, as events state durations. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
