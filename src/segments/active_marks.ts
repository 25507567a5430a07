/**
 * Marks in the active file: up to here no event is newer than this instant. Whoever asks for the last
 * hour begins to read behind the last mark that is older.
 *
 * Writers keep the marks in the lock file. A mark may outlive its file: after a rotation, a power loss, or when
 * another program truncates the file. So it carries a digest of the file's first bytes and of those before the
 * mark, and counts only where the file still holds both. Sealing removes the marks first: where a clock stands
 * still, two files may begin and go on alike.
 *
 * No line of ours is appended before a mark of a longer file: such marks are removed, durably, first. Another program
 * has truncated the file then, and if it did not sync that, a power loss may put the old end back around our lines.
 * The mark would stand again and hide them. (Limit: it may hide lines that another program appended and did not sync.)
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";
import { printOf } from "../platform/file_print.ts";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import { parseLockLine, readLockEnd, readLockText, writeLockText } from "../lock_text.ts";
import { openForRead } from "../platform/regular_file.ts";

/** More than the longest mark line takes. Marks stand behind all other lines, the last of the file at the end. */
const LAST_LINES_BYTES = 256;

/** A place in the active file, where a line begins. */
export interface ActiveMark {
  readonly byteLength: number;
  /** No event before the place is after this instant, epoch milliseconds. */
  readonly boundMs: number;
}

/** A mark as it stands in the lock file. */
interface MarkLine {
  readonly marked_bytes: number;
  readonly bound_ms: number;
  /** SHA-256 of the file's first bytes and the last ones before the mark, hexadecimal. */
  readonly sha256: string;
}

/** Whether the line of the lock file is a mark. */
export function isMarkLine(line: string): boolean {
  return "marked_bytes" in parseLockLine(line);
}

/** The last mark in the file that its writers made. */
export function lastMark(lockText: string, active: FileHandle): ActiveMark | undefined {
  const mark = marksIn(lockText, active).at(-1);
  return mark !== undefined && stands(mark, active) ? markOf(mark) : undefined;
}

/** Adds a mark; forgets those of another file. Call it under the append lock only. */
export function addMark(lockFile: FileHandle, active: FileHandle, mark: ActiveMark): void {
  const lines = readLockText(lockFile).split("\n").filter((line) => line !== "");
  const others = lines.filter((line) => !isMarkLine(line));
  const marks = marksIn(lines.join("\n"), active);
  const kept = marks.length > 0 && stands(marks.at(-1)!, active) ? marks : [];
  const added: MarkLine = {
    marked_bytes: mark.byteLength,
    bound_ms: mark.boundMs,
    sha256: digestBefore(active, mark.byteLength),
  };
  const text = [...others, ...[...kept, added].map((line) => JSON.stringify(line))];
  writeLockText(lockFile, text.map((line) => `${line}\n`).join(""));
}

/** Removes all marks, as their file is about to be sealed. Call it under the append lock only. */
export function clearMarks(lockFile: FileHandle): void {
  const lines = readLockText(lockFile).split("\n").filter((line) => line !== "");
  const others = lines.filter((line) => !isMarkLine(line));
  if (others.length === lines.length) return;
  writeLockText(lockFile, others.map((line) => `${line}\n`).join(""));
}

/**
 * Removes all marks, and syncs the lock file, if one of them lies past the length of the file: another program has
 * truncated it. Call it under the append lock only, before an append.
 */
export function clearMarksPast(lockFile: FileHandle, byteLength: number): void {
  const lastLine = readLockEnd(lockFile, LAST_LINES_BYTES).trimEnd().split("\n").at(-1)!;
  const lastMarked = markIn(lastLine)?.marked_bytes ?? 0;
  if (lastMarked <= byteLength) return;
  clearMarks(lockFile);
  lockFile.syncDataSync();
}

/** Where to begin to read the active file for events of the instant or later; 0 where nobody knows. */
export function startFor(
  sinceMs: number,
  { fileSystem, lockPath, active }: {
    readonly fileSystem: FileSystem;
    readonly lockPath: string;
    readonly active: FileHandle;
  },
): number {
  const mark = marksIn(lockTextAt(fileSystem, lockPath), active)
    .findLast(({ bound_ms }) => bound_ms < sinceMs);
  return mark !== undefined && stands(mark, active) ? mark.marked_bytes : 0;
}

function lockTextAt(fileSystem: FileSystem, path: string): string {
  let lockFile: FileHandle | null;
  try {
    lockFile = openForRead(fileSystem, path);
  } catch (error) {
    // Of another user, or something that is no file: a writer tells of it; there are no marks then.
    if (error instanceof TypeError || error instanceof Deno.errors.PermissionDenied) return "";
    throw error;
  }
  if (lockFile === null) return "";
  try {
    return readLockText(lockFile);
  } finally {
    lockFile.close();
  }
}

/** The marks of the file, by their place. */
function marksIn(lockText: string, active: FileHandle): MarkLine[] {
  const { byteLength } = active.status();
  return lockText.split("\n").flatMap((line) => markIn(line) ?? [])
    .filter((mark) => mark.marked_bytes <= byteLength)
    .sort((a, b) => a.marked_bytes - b.marked_bytes);
}

function markIn(lockLine: string): MarkLine | undefined {
  const { marked_bytes, bound_ms, sha256 } = parseLockLine(lockLine);
  const isMark = isCount(marked_bytes) && isCount(bound_ms) && typeof sha256 === "string";
  return isMark ? { marked_bytes, bound_ms, sha256 } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function markOf({ marked_bytes, bound_ms }: MarkLine): ActiveMark {
  return { byteLength: marked_bytes, boundMs: bound_ms };
}

/** Whether the file still holds what was marked. */
function stands({ marked_bytes, sha256 }: MarkLine, active: FileHandle): boolean {
  return digestBefore(active, marked_bytes) === sha256;
}

function digestBefore(active: FileHandle, end: number): string {
  const { first, last } = printOf(active, end);
  const bytes = new Uint8Array(first.byteLength + last.byteLength);
  bytes.set(first);
  bytes.set(last, first.byteLength);
  return sha256(bytes);
}
