/**
 * The logger for the library's own messages. Audit events never go through it.
 *
 * @module
 */

/** The four methods of `console` that the library calls. `console` itself can be used as a logger. */
export interface Logger {
  /**
   * Logs details for debugging the library.
   *
   * @param data The message, and values that belong to the message.
   */
  debug(...data: unknown[]): void;
  /**
   * Logs an action that the program did not ask for, such as a recovery after a crash.
   *
   * @param data The message, and values that belong to the message.
   */
  info(...data: unknown[]): void;
  /**
   * Logs damage and other problems that the library could work around.
   *
   * @param data The message, and values that belong to the message.
   */
  warn(...data: unknown[]): void;
  /**
   * Logs a failure that no caller receives as an error.
   *
   * @param data The message, and values that belong to the message.
   */
  error(...data: unknown[]): void;
}

/**
 * The default logger. It writes warnings and errors to standard error and drops all other messages. Standard
 * output belongs to the program. Replace this logger with the `logger` option.
 */
export const logger: Logger = Object.freeze({
  debug(): void {},
  info(): void {},
  warn(...data: unknown[]): void {
    console.warn("scout:", ...data);
  },
  error(...data: unknown[]): void {
    console.error("scout:", ...data);
  },
});
