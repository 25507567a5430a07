/**
 * What a command is, and the reader that most of them work with.
 *
 * @module
 */
import { AuditReader } from "../audit_reader.ts";
import { denoFileSystem } from "../deno_file_system.ts";
import { AuditWriteError } from "../errors.ts";
import { listSegments } from "../segments/list_segments.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { Logger } from "../logger.ts";
import type { LogOptions } from "./options.ts";
import { chooseColor, type Output } from "./terminal.ts";

/** A command with its options, ready to run; gives the exit code. */
export type Run = (output: Output) => Promise<number>;

/** Thrown for what a user can put right; told in a line, without a stack. */
export class CommandError extends Error {
  /** The name of the class. */
  override readonly name = "CommandError";
  /** The exit code: 1 when what was asked for is not there, 2 for a wrong question. */
  readonly exitCode: 1 | 2;

  /** Makes the error. */
  constructor(message: string, exitCode: 1 | 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Tells of what goes wrong on standard error, which data never goes to. */
export function tell(...message: readonly unknown[]): void {
  console.error("scout:", ...message);
}

/** What the library warns of goes to standard error too. */
export const stderrLogger: Logger = { debug() {}, info() {}, warn: tell, error: tell };

/** As {@linkcode withReader}, of a log that has to be there. */
export function withLog<T>(
  options: LogOptions,
  work: (reader: AuditReader) => Promise<T>,
  logger: Logger = stderrLogger,
): Promise<T> {
  return withReader(options, (reader) => {
    checkThere(reader.path);
    return work(reader);
  }, logger);
}

/** Reads a log with the options of its command. */
export async function withReader<T>(
  { path, json, color }: LogOptions,
  work: (reader: AuditReader) => Promise<T>,
  logger: Logger = stderrLogger,
): Promise<T> {
  chooseColor(json ? "never" : color);
  await using reader = await opened(() =>
    AuditReader.open({ logger, ...path === undefined ? {} : { path } })
  );
  return await work(reader);
}

/**
 * Opens what a command works on.
 *
 * @throws {CommandError} for a path that cannot be a log's.
 */
export async function opened<T>(open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(error.message, 2);
    throw error;
  }
}

/** A log that is not there has no events, which is no answer to who has mistyped its path. */
function checkThere(path: string): void {
  const kind = denoFileSystem.status(path)?.kind;
  if (kind === "file") return;
  if (kind !== undefined) {
    const found = kind === "other" ? "no plain file" : `a ${kind}`;
    throw new CommandError(`Cannot read audit log as it is ${found}: ${path}`, 1);
  }
  if (listSegments(denoFileSystem, new LogFiles(path)).length > 0) return;
  throw new CommandError(`Cannot find audit log, neither active file nor archive: ${path}`, 1);
}

/** The error as one that is told in a line, if it is the user's to put right. */
export function asCommandError(error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  if (error instanceof Deno.errors.NotCapable) return new CommandError(error.message, 2);
  if (error instanceof AuditWriteError) return new CommandError(error.message, 1);
  // The log could not be closed either, for the same reason.
  return error instanceof SuppressedError ? asCommandError(error.suppressed) : null;
}
