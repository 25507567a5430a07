/**
 * Formats errors and durations for the events of model calls. Pure.
 *
 * @module
 */
import { shown } from "../event.ts";

/** Maximum number of characters of an error message in the log. Some servers repeat the whole request in a message. */
const ERROR_CHARS_MAX = 1_000;

/**
 * Returns a thrown error as the value of a field: its name, its message and the message of its cause, without the
 * stack. Never throws.
 */
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
    // A property of the error is a getter that throws, so the error cannot be read.
    return { message: "unknown, because the error cannot be read" };
  }
}

/** Returns any thrown value as a text, shortened to `ERROR_CHARS_MAX` characters. */
function textOf(thrown: unknown): string {
  try {
    return shortened(String(thrown));
  } catch {
    // String() throws for some objects, such as an object without a prototype.
    return shown(thrown);
  }
}

/** Returns the start of an error message, because some servers repeat the whole request in an error message. */
export function shortened(message: string): string {
  return message.slice(0, ERROR_CHARS_MAX);
}

/**
 * Checks whether a call failed because the caller aborted it. A `TimeoutError` does not count as an abort. The timeouts
 * of SDKs do, because SDKs abort the signal without a reason then.
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

/** Rounds milliseconds to three decimals, because events state durations with three decimals. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
