/**
 * Finds the log that a command is about.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../errors.ts";
import { DEFAULT_AUDIT_PATH, resolveOptions } from "../options/log_options.ts";
import { listSegments } from "../segments/list_segments.ts";
import { LogFiles, stampEpochMs } from "../segments/segment_name.ts";
import { shownText } from "../shown.ts";
import { CommandError } from "./command_error.ts";

/** The ways to name a log, as they come from the command line. */
export interface NamedLog {
  /** The argument. */
  readonly file: string | undefined;
  /** The value of `--path`. */
  readonly path: string | undefined;
}

/** Where the path of a log comes from. */
export type PathSource = "command line" | "SCOUT_PATH" | "default";

/** A log that was found by its name. */
export interface LocatedLog {
  /** The absolute path of the active file. */
  readonly path: string;
  readonly source: PathSource;
}

/** The variable that names the log where the command line names none. */
export const PATH_VARIABLE = "SCOUT_PATH";
/** The permission that {@linkcode PATH_VARIABLE} needs. */
export const PATH_FLAG: string = `--allow-env=${PATH_VARIABLE}`;

const DEFAULT_NAME = basename(DEFAULT_AUDIT_PATH);
const STAMP_LENGTH = "_20260213_143022".length;

/**
 * Finds the log: by the argument or `--path`, else by SCOUT_PATH where it may be read, else at the
 * default path. A directory stands for the log in it, or for the one that may come to be there.
 *
 * @throws {CommandError} If the path cannot be that of a log, or a directory holds several.
 * @throws {Deno.errors.NotCapable} If a permission is missing; the message names its flag.
 */
export function locateLog({ file, path }: NamedLog): LocatedLog {
  if (file !== undefined && path !== undefined) {
    throw new CommandError(
      `Cannot choose the log: it is named twice, got ${shownText(file)} and --path ${
        shownText(path)
      }`,
      2,
    );
  }
  const named = file ?? path;
  if (named !== undefined) return { path: logAt(named), source: "command line" };
  const variable = pathVariable();
  if (variable !== undefined) return { path: logAt(variable), source: PATH_VARIABLE };
  return { path: defaultPath(), source: "default" };
}

/** Returns the path with its source, if it does not come from the command line. */
export function shownSource({ path, source }: LocatedLog): string {
  if (source === "command line") return shownText(path);
  if (source === PATH_VARIABLE) return `${shownText(path)} (from ${PATH_VARIABLE})`;
  return `${shownText(path)} (the default; name another log as the argument, or in ` +
    `${PATH_VARIABLE}, which needs ${PATH_FLAG})`;
}

/** Returns the value of the variable, or undefined if it may not be read; never prompts. */
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
        `Cannot find the default log ${DEFAULT_AUDIT_PATH}: ${variable} is not set`,
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

/** Returns the path of the active file that a name stands for. */
function logAt(name: string): string {
  const path = absolutePath(name);
  if (!isDirectory(path)) return path;
  if (holdsLog(join(path, DEFAULT_NAME))) return join(path, DEFAULT_NAME);
  const [only = DEFAULT_NAME, ...others] = logsIn(path);
  if (others.length === 0) return join(path, only);
  const names = [only, ...others].map(shownText).join(", ");
  throw new CommandError(
    `Cannot choose the log: ${shownText(path)} holds several, got ${names}`,
    2,
  );
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
    // Listing follows a symbolic link; status() does not.
    if (kind === "symlink") denoFileSystem.list(path);
    return kind === "directory" || kind === "symlink";
  } catch (error) {
    // A symbolic link to a file, or to nothing; opening the log says what is wrong with it.
    if (error instanceof Deno.errors.NotADirectory) return false;
    if (error instanceof Deno.errors.NotFound) return false;
    // A name without an extension is most likely a directory.
    const directory = basename(path).includes(".") ? dirname(path) : path;
    throw withFlags(error, [pathFlag("read", directory)]);
  }
}

function holdsLog(path: string): boolean {
  return denoFileSystem.status(path)?.kind === "file" ||
    listSegments(denoFileSystem, new LogFiles(path)).length > 0;
}

/** Returns the names of the logs in a directory: JSON Lines files, and what left archives or a lock. */
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

/** Returns the name of the log that a segment belongs to, or undefined for any other file. */
function unstamped(name: string): string | undefined {
  const [, stem = "", extension = ""] = /^(.+?)(\.[^.]*)?$/.exec(name) ?? [];
  const stamp = stem.slice(-STAMP_LENGTH + 1);
  const isSegment = stem.length > STAMP_LENGTH && !Number.isNaN(stampEpochMs(stamp));
  return isSegment ? `${stem.slice(0, -STAMP_LENGTH)}${extension}` : undefined;
}

function activeName(name: string): string | undefined {
  return name.endsWith(".manifest.jsonl") ? undefined : name;
}
