/**
 * Writes the messages of the commands to standard error.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { shownText } from "../shown.ts";

/** Writes a message to standard error, followed by indented lines of details. */
export function tell(message: string, details: readonly string[] = []): void {
  const lines = [`scout: ${shownText(message)}`, ...details.map((line) => `  ${shownText(line)}`)];
  console.error(lines.join("\n"));
}

function tellAll(...data: readonly unknown[]): void {
  tell(data.map(messageOf).join(" "));
}

/** A logger that writes the warnings and errors of the library to standard error. */
export const stderrLogger: Logger = { debug() {}, info() {}, warn: tellAll, error: tellAll };

/** A logger that drops all messages, for commands that report the damage of a log in another way. */
export const statusLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
