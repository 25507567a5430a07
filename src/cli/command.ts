/**
 * The base of the commands: how they run, and the log that most of them read.
 *
 * @module
 */
import { AuditReader } from "../audit_reader.ts";
import type { Logger } from "../logger.ts";
import { CommandError } from "./command_error.ts";
import { checkKind, checkThere } from "./log_kind.ts";
import { type LocatedLog, locateLog } from "./log_path.ts";
import type { LogOptions } from "./options.ts";
import { stderrLogger } from "./messages.ts";
import { chooseColor, type Output } from "./terminal.ts";

/** A command with its options, ready to run; resolves with the exit code. */
export type Run = (output: Output) => Promise<number>;

/**
 * Works on a log that has to be there.
 *
 * @throws {CommandError} If it is not there.
 */
export function withLog<T>(
  options: LogOptions,
  work: (reader: AuditReader) => Promise<T>,
  logger: Logger = stderrLogger,
): Promise<T> {
  return withReader(options, (reader, log) => {
    checkThere(log);
    return work(reader);
  }, logger);
}

/** Works on a log that need not be there yet. */
export async function withReader<T>(
  options: LogOptions,
  work: (reader: AuditReader, log: LocatedLog) => Promise<T>,
  logger: Logger = stderrLogger,
): Promise<T> {
  chooseColor(options.json ? "never" : options.color);
  const log = locateLog(options);
  await using reader = await opened(() => AuditReader.open({ logger, path: log.path }));
  checkKind(log);
  return await work(reader, log);
}

/**
 * Opens what a command works on.
 *
 * @throws {CommandError} If the path cannot be that of a log.
 */
export async function opened<T>(open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(error.message, 2);
    throw error;
  }
}
