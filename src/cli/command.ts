/**
 * Code that all commands share: the type of a command, and functions that open the log on which a command works.
 *
 * @module
 */
import { dirname } from "../platform/path.ts";
import type { AuditLog } from "../audit_log.ts";
import { AuditReader, collectArchives } from "../audit_reader.ts";
import { pathFlag, withFlags } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { AuditLogOptions } from "../options/log_options.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { CommandError } from "./command_error.ts";
import { checkKind, checkThere } from "./log_kind.ts";
import { type LocatedLog, locateLog, locateLogs } from "./log_path.ts";
import type { LogOptions } from "./options.ts";
import { stderrLogger, tellArchives } from "./messages.ts";
import { chooseColor, type Output } from "./terminal.ts";

/** A function that runs a command with parsed options, and resolves with the exit code. */
export type Run = (output: Output) => Promise<number>;

/**
 * Opens a log that must exist, calls `work` with a reader of the log, and resolves with the result of `work`.
 *
 * @throws {CommandError} If the log does not exist.
 */
export function withLog<T>(
  options: LogOptions,
  work: (reader: AuditReader) => Promise<T>,
  logger: Logger = stderrLogger,
): Promise<T> {
  return withReader(options, async (reader, log) => {
    checkThere(log);
    if (options.verbose !== true) return await work(reader);
    const archives = collectArchives(reader);
    const result = await work(reader);
    tellArchives(archives);
    return result;
  }, logger);
}

/** Opens a log and calls `work` like {@linkcode withLog}, but does not require that the log exists already. */
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
 * Opens all logs of a directory, or one log, and calls `work` with their readers. Does not require that a log exists
 * already.
 */
export async function withReaders<T>(
  options: LogOptions,
  work: (
    readers: readonly [AuditReader, ...AuditReader[]],
    logs: readonly [LocatedLog, ...LocatedLog[]],
  ) => Promise<T>,
  logger: Logger = stderrLogger,
): Promise<T> {
  chooseColor(options.json ? "never" : options.color);
  const [first, ...others] = locateLogs(options);
  await using stack = new AsyncDisposableStack();
  const open = async (log: LocatedLog) => {
    const reader = stack.use(await opened(() => AuditReader.open({ logger, path: log.path })));
    checkKind(log);
    return reader;
  };
  const readers: [AuditReader, ...AuditReader[]] = [await open(first)];
  for (const log of others) readers.push(await open(log));
  return await work(readers, [first, ...others]);
}

/**
 * Opens a log that the command changes. Other programs write the log too. So every new file must belong to the owner of
 * the log, or these programs could not write it.
 *
 * @param options The options of the log; its path must be absolute.
 * @throws {Deno.errors.PermissionDenied} If the process may not assign files to the owner of the log. In this case,
 *   nothing is changed.
 * @throws {CommandError} If the path is unsuitable, for example because it is a directory.
 */
export async function openToChange(
  options: AuditLogOptions & { path: string },
): Promise<AuditLog> {
  const { path } = options;
  // The code that writes logs is loaded only here, because most commands only read.
  const { AuditLog } = await import("../audit_log.ts");
  return await opened(() => {
    try {
      new LogDirectory(denoFileSystem, path).checkOwner();
    } catch (error) {
      const directory = dirname(path);
      throw withFlags(error, [pathFlag("read", directory), pathFlag("write", directory)], { path });
    }
    return AuditLog.open({ logger: stderrLogger, ...options });
  });
}

/**
 * Checks whether the lines of the log at a path form a chain, in which each line has the hash of the line before it. If
 * so, a command that appends lines must continue the chain, because `verify` would report a fault otherwise.
 */
export async function isChained(path: string): Promise<boolean> {
  await using reader = await AuditReader.open({ path, logger: stderrLogger });
  return (await reader.head()).seq !== null;
}

/**
 * Calls a function that opens a log or a file, and resolves with the result of the function.
 *
 * @throws {CommandError} If the function throws a `TypeError`, which means that the path or the file is unsuitable for
 *   its purpose.
 */
export async function opened<T>(open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(error.message, 2);
    throw error;
  }
}
