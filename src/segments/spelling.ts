/**
 * Refuses to open a log if its file has another spelling on disk than the given path, such as another case.
 *
 * On Windows and macOS, `Audit.jsonl` and `audit.jsonl` name the same file. On macOS, so do the composed and the
 * decomposed form of a name with an accented letter. Segments are recognized by their exact names, so two processes
 * that use different spellings would miss each other's segments.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { type FileStatus, isSameFile } from "../platform/file_system.ts";
import type { LogDirectory } from "./log_directory.ts";

/**
 * Checks that the directory lists the active file and the lock file under the names that this log uses. Does not check
 * files that do not exist, and does not check a directory that this process may not list.
 *
 * @throws {TypeError} If the directory lists one of the files under another spelling; the message names it.
 */
export async function checkSpelling(log: LogDirectory): Promise<void> {
  const { active, lock } = log.files;
  const paths = [active, lock].filter((path) => mayHaveOthers(log, basename(path)));
  if (paths.length === 0) return;
  const before = paths.map((path) => log.fileSystem.status(path));
  const names = await namesIn(log);
  for (const [n, path] of paths.entries()) {
    const other = otherSpelling(log, names, { name: basename(path), status: before[n]! });
    if (other === null) continue;
    const suffixLength = path.length - active.length;
    const name = other.slice(0, other.length - suffixLength);
    // Two Unicode forms of the same name look alike, so the message shows both forms with escapes.
    const isAlike = name.normalize("NFC") === basename(active).normalize("NFC");
    const [listed, given] = isAlike ? [name, active].map(escaped) : [name, active];
    throw new TypeError(
      `Cannot open audit log: the file on disk is named ${listed}, got ${given}; ` +
        `use ${log.files.at(name)}`,
    );
  }
}

/**
 * Checks whether a file with the name exists and may have other spellings. Listing a large directory is slow. So this
 * function first looks up some other spellings of the name. If none of them leads to a file, the file system
 * distinguishes spellings.
 */
function mayHaveOthers({ fileSystem, files }: LogDirectory, name: string): boolean {
  if (fileSystem.status(files.at(name)) === null) return false;
  // Windows ignores dots and spaces at the end of a name, and the text after a colon names a stream of the file. So
  // such a name may have other spellings.
  if (/[. ]$|:/.test(name)) return true;
  const others = [otherCase(name), name.normalize("NFC"), name.normalize("NFD")];
  return others.some((other) => other !== name && fileSystem.status(files.at(other)) !== null);
}

/**
 * Returns the name under which the directory lists a file; null if it lists the given name.
 *
 * @param status The status of the file before the directory was listed. If this file is no longer at its path, another
 *   process has just sealed it. Its new name is then the name of a segment, not another spelling.
 */
function otherSpelling(
  { fileSystem, files }: LogDirectory,
  names: readonly string[],
  { name, status }: { name: string; status: FileStatus | null },
): string | null {
  if (status === null || names.includes(name)) return null;
  const isSame = (each: string) => {
    const found = fileSystem.status(files.at(each));
    return found !== null && isSameFile(found, status);
  };
  const other = names.find((each) => folded(each) === folded(name) && isSame(each)) ??
    names.find(isSame);
  return other !== undefined && isSame(name) ? other : null;
}

/** Resolves with the names in the directory, or with an empty list if this process may not list the directory. */
async function namesIn({ fileSystem, files }: LogDirectory): Promise<string[]> {
  try {
    return await fileSystem.listLater(files.directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return [];
  }
}

/** Returns the text with escapes in place of the characters that are not ASCII. */
function escaped(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/**
 * Returns the name with upper-case and lower-case letters swapped. If a file with that name is the file of the log, the
 * file system ignores the case of letters.
 */
function otherCase(name: string): string {
  return Array.from(name, (char) => {
    const upper = char.toUpperCase();
    return upper === char ? char.toLowerCase() : upper;
  }).join("");
}

/** Returns the name in composed form and lower case, because file systems may ignore these differences. */
function folded(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
