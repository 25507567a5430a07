/**
 * Loggers of tests.
 *
 * @module
 */
import type { Logger } from "../src/logger.ts";

/** Tells nobody. */
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A logger whose warnings are gathered, and nothing else. */
export function gathering(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = [];
  const warn = (...data: unknown[]) => void warnings.push(data.join(" "));
  return { logger: { ...silent, warn }, warnings };
}
