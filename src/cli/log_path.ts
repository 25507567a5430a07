/**
 * Finds the log that a command works on.
 *
 * @module
 */
import { basename, dirname, join } from "../platform/path.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../errors.ts";
import { DEFAULT_AUDIT_PATH, resolveOptions } from "../options/log_options.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { stampEpochMs } from "../segments/segment_name.ts";
import { shownText } from "../shown.ts";
import { CommandError } from "./command_error.ts";

/** The argument and the option that name a log on the command line. */
export interface NamedLog {
  /** The value of the argument LOG. */
  readonly file: string | undefined;
  /** The value of the option `--path`. */
  readonly path: string | undefined;
}

/** The source of a log's path: the command line, the environment variable SCOUT_PATH, or the default path. */
export type PathSource = "command line" | "SCOUT_PATH" | "default";

/**
 * The path of a log, and the source of the path. Messages name the source, so that a user sees why a log was chosen.
 */
export interface LocatedLog {
  /** The absolute path of the active file. */
  readonly path: string;
  readonly source: PathSource;
}

/** The environment variable that names the log if the command line does not name one. */
export const PATH_VARIABLE = "SCOUT_PATH";
/** The permission flag that lets the program read the variable SCOUT_PATH. */
export const PATH_FLAG: string = `--allow-env=${PATH_VARIABLE}`;

const DEFAULT_NAME = basename(DEFAULT_AUDIT_PATH);
const STAMP_LENGTH = "_20260213_143022".length;

/**
 * Finds the log of a command. The path is the argument LOG or the value of `--path`. If neither is used, the path is
 * the value of SCOUT_PATH, if the program may read the variable, or else the default path. If the path is a directory,
 * the log is the one in the directory, or `audit.jsonl` if the directory does not contain a log yet.
 *
 * @throws {CommandError} If both LOG and `--path` are used, a path is invalid, or a directory contains several logs but
 *   no `audit.jsonl`.
 * @throws {Deno.errors.NotCapable} If a permission is missing; the message names its flag.
 */
export function locateLog(named: NamedLog): LocatedLog {
  const [first, ...others] = locateLogs(named);
  if (others.length === 0) return first;
  const names = [first, ...others].map(({ path }) => shownText(basename(path))).join(", ");
  throw new CommandError(
    `Cannot choose the log: the directory ${
      shownText(dirname(first.path))
    } contains several logs; name one: ${names}`,
    2,
  );
}

/**
 * Finds the logs of a command that can work on several. The path is found as in {@linkcode locateLog}. If it is a
 * directory with several logs but no `audit.jsonl`, returns all of them.
 *
 * @throws {CommandError} If both LOG and `--path` are used, or a path is invalid.
 * @throws {Deno.errors.NotCapable} If a permission is missing; the message names its flag.
 */
export function locateLogs({ file, path }: NamedLog): [LocatedLog, ...LocatedLog[]] {
  if (file !== undefined && path !== undefined) {
    throw new CommandError(
      `Cannot choose the log: use either the argument LOG or --path, got ${
        shownText(file)
      } and --path ${shownText(path)}`,
      2,
    );
  }
  const named = file ?? path;
  if (named !== undefined) return located(logsAt(named), "command line");
  const variable = pathVariable();
  if (variable !== undefined) return located(logsAt(variable), PATH_VARIABLE);
  return [{ path: defaultPath(), source: "default" }];
}

function located(
  [first, ...others]: readonly [string, ...string[]],
  source: PathSource,
): [LocatedLog, ...LocatedLog[]] {
  return [{ path: first, source }, ...others.map((path) => ({ path, source }))];
}

/**
 * Returns the path of a log as text for a message. If the path is not from the command line, the text also names the
 * source of the path.
 */
export function shownSource({ path, source }: LocatedLog): string {
  if (source === "command line") return shownText(path);
  if (source === PATH_VARIABLE) return `${shownText(path)} (from ${PATH_VARIABLE})`;
  return `${shownText(path)} (the default; name another log as the argument, or in ` +
    `${PATH_VARIABLE}, which needs ${PATH_FLAG})`;
}

/**
 * Returns the value of SCOUT_PATH; undefined if the variable is empty or the program may not read it. Never prompts for
 * the permission, because the variable is optional.
 */
function pathVariable(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: PATH_VARIABLE });
  return state === "granted" ? Deno.env.get(PATH_VARIABLE) || undefined : undefined;
}

function defaultPath(): string {
  try {
    return resolveOptions({}).path;
  } catch (error) {
    const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
    if (error instanceof TypeError) {
      throw new CommandError(
        `Cannot find the default log ${DEFAULT_AUDIT_PATH}: ${variable} is not set; name the log as the argument`,
        2,
      );
    }
    throw withFlags(
      error,
      [`--allow-env=${variable}, or name the log as the argument`],
      { action: `Cannot find the default log ${DEFAULT_AUDIT_PATH}` },
    );
  }
}

/**
 * Returns the paths of the active files of logs. `name` is the path of an active file, or of a directory with logs. Of a
 * directory with an `audit.jsonl`, returns only this log.
 *
 * @throws {CommandError} If the path is invalid.
 */
function logsAt(name: string): [string, ...string[]] {
  const path = absolutePath(name);
  if (!isDirectory(path)) return [path];
  if (holdsLog(join(path, DEFAULT_NAME))) return [join(path, DEFAULT_NAME)];
  const [first = DEFAULT_NAME, ...others] = logsIn(path);
  return [join(path, first), ...others.map((each) => join(path, each))];
}

function absolutePath(name: string): string {
  try {
    return resolveOptions({ path: name.replace(/(?<=[^/\\])[/\\]+$/, "") }).path;
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(error.message, 2);
    throw error;
  }
}

function isDirectory(path: string): boolean {
  try {
    const kind = denoFileSystem.status(path)?.kind;
    // status() does not follow a symbolic link. list() follows it, and throws if it does not lead to a directory.
    if (kind === "symlink") denoFileSystem.list(path);
    return kind === "directory" || kind === "symlink";
  } catch (error) {
    // If the symbolic link leads to a file or to nothing, it is not a directory. A later check of the log reports the
    // error.
    if (error instanceof Deno.errors.NotADirectory) return false;
    if (error instanceof Deno.errors.NotFound) return false;
    // The flag in the error message must name a directory. If the path has no extension, it is most likely a directory
    // itself. Otherwise the flag names its parent directory.
    const directory = basename(path).includes(".") ? dirname(path) : path;
    throw withFlags(error, [pathFlag("read", directory)]);
  }
}

function holdsLog(path: string): boolean {
  return denoFileSystem.status(path)?.kind === "file" ||
    new LogDirectory(denoFileSystem, path).segments().length > 0;
}

/**
 * Returns the names of the logs in a directory. A log is recognized by a `.jsonl` file, an archive, or a file that has
 * a lock file.
 */
function logsIn(directory: string): string[] {
  const names = new Set(denoFileSystem.list(directory));
  const logs = new Set<string>();
  for (const name of names) {
    const [, locked] = /^(.+)\.lock$/.exec(name) ?? [];
    const [, archived] = /^(.+)\.gz$/.exec(name) ?? [];
    if (locked !== undefined && names.has(locked)) logs.add(locked);
    else if (archived !== undefined) addIf(logs, unstamped(archived));
    else if (name.endsWith(".jsonl")) addIf(logs, unstamped(name) ?? activeName(name));
  }
  return [...logs].sort();
}

function addIf(names: Set<string>, name: string | undefined): void {
  if (name !== undefined) names.add(name);
}

/**
 * Returns the name of the log to which a segment with this file name belongs, such as `audit.jsonl` for
 * `audit_20260213_143022.jsonl`. Returns undefined if the file is not a segment (a sealed or archived part of a log).
 */
function unstamped(name: string): string | undefined {
  const [, stem = "", extension = ""] = /^(.+?)(\.[^.]*)?$/.exec(name) ?? [];
  const stamp = stem.slice(-STAMP_LENGTH + 1);
  const isSegment = stem.length > STAMP_LENGTH && !Number.isNaN(stampEpochMs(stamp));
  return isSegment ? `${stem.slice(0, -STAMP_LENGTH)}${extension}` : undefined;
}

function activeName(name: string): string | undefined {
  return /\.(?:manifest|shipped)\.jsonl$/.test(name) ? undefined : name;
}
