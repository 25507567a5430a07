/**
 * Refuses a log whose directory lists its files under another spelling.
 *
 * On Windows and macOS, `Audit.jsonl` and `audit.jsonl` lead to one file, and so do the composed and the decomposed form
 * of an accented letter. A log that is opened under two spellings would be two logs: each would recognize only its own
 * segments, because they are recognized by their names.
 *
 * @module
 */
import { basename } from "@std/path";
import { type FileStatus, isSameFile } from "../platform/file_system.ts";
import type { LogDirectory } from "./log_directory.ts";

/**
 * Checks that the directory lists the active file and the lock file by the names that this log gives them. A file that
 * does not exist has no other spelling.
 *
 * @throws {TypeError} If the directory lists one of the files under another spelling; the message names it.
 */
export async function checkSpelling(log: LogDirectory): Promise<void> {
  const { active, lock } = log.files;
  for (const path of [active, lock]) {
    const other = await otherSpelling(log, basename(path));
    if (other === null) continue;
    const suffixLength = path.length - active.length;
    const name = other.slice(0, other.length - suffixLength);
    // Two Unicode forms of a name look alike.
    const isAlike = name.normalize("NFC") === basename(active).normalize("NFC");
    const [listed, given] = isAlike ? [name, active].map(escaped) : [name, active];
    throw new TypeError(
      `Cannot open audit log: the directory spells this log ${listed}, got ${given}; ` +
        `use ${log.files.at(name)}`,
    );
  }
}

/** Resolves with the name under which the directory lists the file with the name; null if it lists the name itself. */
async function otherSpelling(
  { fileSystem, files }: LogDirectory,
  name: string,
): Promise<string | null> {
  const status = fileSystem.status(files.at(name));
  // A large directory takes long to list. Most file systems distinguish letter case, as one look at another case shows.
  const isDistinct = isAscii(name) && fileSystem.status(files.at(otherCase(name))) === null;
  if (status === null || isDistinct) return null;
  const names = await fileSystem.listLater(files.directory);
  if (names.includes(name)) return null;
  const isSame = (each: string) => isFile(fileSystem.status(files.at(each)), status);
  return names.find((each) => folded(each) === folded(name) && isSame(each)) ??
    names.find(isSame) ?? null;
}

function isFile(status: FileStatus | null, other: FileStatus): boolean {
  return status !== null && isSameFile(status, other);
}

function isAscii(name: string): boolean {
  return /^[\x20-\x7e]*$/.test(name);
}

/** Returns the text with escapes in place of the characters that are not ASCII. */
function escaped(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** Returns the name with every letter in the other case. */
function otherCase(name: string): string {
  return name.replace(
    /[a-z]|[A-Z]/g,
    (letter) => letter < "a" ? letter.toLowerCase() : letter.toUpperCase(),
  );
}

/** Returns the name without the differences that file systems ignore. */
function folded(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
