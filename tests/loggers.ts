/**
 * Loggers for tests.
 *
 * @module
 */
import type { Logger } from "../src/logger.ts";

/** A logger that discards all messages. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Returns a logger and the lists in which it collects its warnings and errors. */
export function gathering(): { logger: Logger; warnings: string[]; errors: string[] } {
  const [warnings, errors]: [string[], string[]] = [[], []];
  const warn = (...data: unknown[]) => void warnings.push(data.join(" "));
  const error = (...data: unknown[]) => void errors.push(data.join(" "));
  return { logger: { ...silent, warn, error }, warnings, errors };
}
