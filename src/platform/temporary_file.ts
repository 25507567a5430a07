/**
 * The temporary names of new files. A file is created under such a name, gets its owner, and is then linked to its
 * final path.
 *
 * Each creation uses a new random name. So if several processes create the same file at the same time, none of them
 * uses the temporary file of another. A temporary file is empty, or it is already linked to its final path. So any
 * process may remove the temporary name at any time: the content stays under the path, and a process that has lost its
 * empty file tries again.
 *
 * @module
 */
import { dirname, join } from "./path.ts";
import { type FileStatus, type FileSystem, isSameFile } from "./file_system.ts";

const SUFFIX = ".new.tmp";
/** Number of random hexadecimal digits in a temporary name. */
const RANDOM_DIGITS = 8;
const TEMPORARY_NAME = /\.[0-9a-f]{8}\.new\.tmp$/;

/** Returns a new temporary path for the creation of a file: `audit.jsonl.3f9c01d2.new.tmp`. */
export function temporaryFor(path: string): string {
  return `${path}.${crypto.randomUUID().slice(0, RANDOM_DIGITS)}${SUFFIX}`;
}

/** Returns the final name of the file that has the temporary name `name`; null if `name` is not a temporary name. */
export function nameOfTemporary(name: string): string | null {
  return TEMPORARY_NAME.test(name) ? name.replace(TEMPORARY_NAME, "") : null;
}

/**
 * Returns the second path of the file at `path`, if the file has exactly two names and the second is a temporary name
 * in the same directory; otherwise undefined. If a path is returned, the file has no name in another directory. The
 * temporary name need not match `path`, because the file may have been renamed since its creation.
 */
export function twinOf(
  fileSystem: FileSystem,
  path: string,
  file: FileStatus,
): string | undefined {
  if (file.kind !== "file" || file.links !== 2 || file.inode === null) return undefined;
  const directory = dirname(path);
  return fileSystem.list(directory)
    .filter((name) => nameOfTemporary(name) !== null)
    .map((name) => join(directory, name))
    .find((temporary) => {
      const status = fileSystem.status(temporary);
      return temporary !== path && status !== null && isSameFile(status, file);
    });
}

/**
 * Removes a temporary path if it leads to an empty file, or to a file that has another name. Returns `false`, and
 * removes nothing, if the path does not exist or leads to a file of another program.
 */
export function removeTemporary(fileSystem: FileSystem, temporary: string): boolean {
  const status = fileSystem.status(temporary);
  if (status?.kind !== "file" || (status.byteLength > 0 && (status.links ?? 1) === 1)) return false;
  try {
    fileSystem.remove(temporary);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
