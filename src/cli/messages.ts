/**
 * Writes the messages of the commands to standard error.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { UsedArchives } from "../read/line_source.ts";
import { counted, shownText } from "../shown.ts";

/** Writes a message to standard error, followed by indented lines of details. */
export function tell(message: string, details: readonly string[] = []): void {
  const lines = [`scout: ${shownText(message)}`, ...details.map((line) => `  ${shownText(line)}`)];
  console.error(lines.join("\n"));
}

/**
 * Reports on standard error how many archives were decoded, which takes time, and of how many the stored sums were
 * enough.
 */
export function tellArchives({ summed, decoded }: UsedArchives): void {
  const total = summed.union(decoded).size;
  tell(
    total === 0
      ? "no archive can have matching events"
      : `decoded ${decoded.size} of the ${counted(total, "archive")} that can have matching events`,
  );
}

function tellAll(...data: readonly unknown[]): void {
  tell(data.map(messageOf).join(" "));
}

/** A logger that writes the warnings and errors of the library to standard error. */
export const stderrLogger: Logger = { debug() {}, info() {}, warn: tellAll, error: tellAll };

/** A logger that drops all messages, for commands that report the damage of a log in another way. */
export const statusLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
