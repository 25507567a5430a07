/**
 * Where the library's own messages go. The events themselves never pass through here.
 *
 * @module
 */

/** The four methods of `console` that the library calls; `console` itself is one. */
export interface Logger {
  /** Details for the development of the library itself. */
  debug(...data: unknown[]): void;
  /** What the library did on its own account. */
  info(...data: unknown[]): void;
  /** What is damaged but could be worked around. */
  warn(...data: unknown[]): void;
  /** What failed and reached no caller. */
  error(...data: unknown[]): void;
}

/**
 * The default logger: warnings and errors on standard error, nothing else, so that the standard
 * output of a program stays its own. Bring another with the `logger` option.
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
