/**
 * Finds the files that the arguments of `scout import` name: files, directories and glob patterns.
 *
 * @module
 */
import { walk } from "@std/fs";
import { resolve } from "../../platform/path.ts";
import { globToRegExp, isGlob, SEPARATOR } from "@std/path";
import { pathFlag, withFlags } from "../../errors.ts";
import { kindBehind } from "../../platform/deno_file_system.ts";
import { CommandError } from "../command_error.ts";
import { STANDARD_INPUT } from "./source_content.ts";

/** A file to import. */
export interface ImportPath {
  readonly name: string;
  /** `true` if the user did not name the file, but a directory that has it. */
  readonly isFound: boolean;
}

/** The names of files that an import reads from a directory. */
const IMPORTED_NAME = /\.(jsonl|ndjson|json|csv|tsv)(\.gz)?$/;

/**
 * Returns the files that paths name, in the order of the paths; the files of a directory in the order of their names. A
 * file that several paths name is returned once, except for standard input.
 *
 * @throws {CommandError} If a path does not exist, or no file matches a pattern.
 */
export async function importPaths(paths: readonly string[]): Promise<ImportPath[]> {
  const found: ImportPath[] = [];
  for (const path of paths) found.push(...await filesAt(path));
  const names = new Set<string>();
  return found.filter(({ name }) => {
    const key = resolve(name);
    const isNew = name === STANDARD_INPUT || !names.has(key);
    names.add(key);
    return isNew;
  });
}

async function filesAt(path: string): Promise<ImportPath[]> {
  if (path === STANDARD_INPUT) return [{ name: path, isFound: false }];
  const kind = kindOf(path);
  if (kind === "directory") {
    const names = await namesIn(path, (name) => IMPORTED_NAME.test(name));
    return names.map((name) => ({ name, isFound: true }));
  }
  if (kind !== null || !isPattern(path)) return [{ name: path, isFound: false }];
  const pattern = globToRegExp(resolve(path));
  const root = fixedPart(path);
  // Without `**`, a pattern matches names at a fixed depth, so deeper directories are not read.
  const depth = path.includes("**")
    ? Infinity
    : resolve(path).split(SEPARATOR).length - resolve(root).split(SEPARATOR).length;
  const names = await namesIn(root, (name) => pattern.test(resolve(name)), depth);
  if (names.length > 0) return names.map((name) => ({ name, isFound: false }));
  throw new CommandError(`Cannot import ${path}: no file matches the pattern`, 1);
}

/** Checks whether a path is a pattern. On Windows, a backslash is a separator and does not escape the next character. */
function isPattern(path: string): boolean {
  return isGlob(SEPARATOR === "\\" ? path.replaceAll("\\", "/") : path);
}

/** Returns the kind of the file at a path; null if the path does not exist. */
function kindOf(path: string): ReturnType<typeof kindBehind> | null {
  try {
    return kindBehind(path);
  } catch (error) {
    // On Windows, `*` is not allowed in a name, so the error is another one.
    if (error instanceof Deno.errors.NotFound || SEPARATOR === "\\" && isPattern(path)) return null;
    throw withFlags(error, [pathFlag("read", path)], { action: `Cannot read ${path}` });
  }
}

/** Returns the names of the files in a directory and its subdirectories that `isWanted` accepts, sorted. */
async function namesIn(
  directory: string,
  isWanted: (name: string) => boolean,
  maxDepth = Infinity,
): Promise<string[]> {
  const names: string[] = [];
  try {
    const options = { includeDirs: false, includeSymlinks: false, maxDepth };
    for await (const { path, isFile } of walk(directory, options)) {
      if (isFile && isWanted(path)) names.push(path);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new CommandError(`Cannot import ${directory}: the directory does not exist`, 1);
    }
    throw withFlags(error, [pathFlag("read", directory)], { action: `Cannot read ${directory}` });
  }
  return names.sort();
}

/** Returns the directory in which the files that match a pattern can be: the part before the first `*`, `?` or `[`. */
function fixedPart(pattern: string): string {
  const parts = pattern.split(/[\\/]/);
  const fixed = parts.slice(0, parts.findIndex((part) => isGlob(part)));
  if (fixed.length === 0) return ".";
  return fixed.join("/") || "/";
}
