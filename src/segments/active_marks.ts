/**
 * Marks of the active file. A mark consists of an offset and an instant: all events before the offset are at or before
 * the instant. So a reader that needs only the events of the last hour starts at the last mark whose instant is before
 * that hour.
 *
 * Writers store the marks in the lock file. A mark may still be in the lock file when the active file was replaced or
 * truncated: by a rotation, by a power loss or by another program. Therefore a mark carries a digest of the first bytes
 * of the file and of the bytes before the offset. The mark is valid only while the file still has these bytes. Sealing
 * removes all marks. Otherwise, if the log's clock stands still, the next active file may begin with the same bytes,
 * and the old marks would be valid for it.
 *
 * If a mark lies past the end of the file, another program has truncated the file. Before its next append, a writer
 * then removes all marks and syncs the lock file. If the mark remained, a power loss could make it valid again: if the
 * truncation was not synced, the power loss may restore the old end of the file. Readers would then start at the mark
 * and skip the new lines before it. (Limit: a mark may hide lines that another program appended without a sync.)
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";
import { printOf } from "../platform/file_print.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { isLockViolation } from "../platform/system_error.ts";
import {
  appendLockText,
  parseLockLine,
  readLockEnd,
  readLockText,
  writeLockText,
} from "../lock_text.ts";
import type { LogDirectory } from "./log_directory.ts";

/**
 * Number of bytes to read from the end of the lock file to get its last line, more than the longest line of a mark.
 * Marks follow all other lines. So if the lock file has a mark, its last line is the last mark.
 */
const LAST_LINES_BYTES = 256;

/** A mark at the start of a line of the active file: a reader that needs only newer events may start there. */
export interface ActiveMark {
  /** The offset of the mark in the active file, in bytes. */
  readonly byteLength: number;
  /** The instant of the mark, epoch milliseconds. No event before the offset of the mark is newer than this instant. */
  readonly boundMs: number;
}

/** A mark as a line of the lock file, in JSON. */
interface MarkLine {
  readonly marked_bytes: number;
  readonly bound_ms: number;
  /** SHA-256 of the first bytes of the active file and the last bytes before the offset of the mark, hexadecimal. */
  readonly sha256: string;
}

/** Checks whether a line of the lock file is a mark, which is a place in the active file where a reader may start. */
export function isMarkLine(line: string): boolean {
  return "marked_bytes" in parseLockLine(line);
}

/**
 * Returns the last mark of the active file. Returns undefined if the lock file has no mark, or if the last mark is not
 * valid for this file, because the file was replaced or truncated. The caller must hold the append lock.
 */
export function lastMark(lockFile: FileHandle, active: FileHandle): ActiveMark | undefined {
  const atEnd = markAtEnd(lockFile, active);
  if (atEnd !== undefined) return markOf(atEnd);
  const mark = marksIn(readLockText(lockFile), active).at(-1);
  return mark !== undefined && isValid(mark, active) ? markOf(mark) : undefined;
}

/**
 * Adds a mark (a place in the active file where a reader may start) to the lock file. Removes marks that are not valid
 * for the active file. The caller must hold the append lock.
 */
export function addMark(lockFile: FileHandle, active: FileHandle, mark: ActiveMark): void {
  const added: MarkLine = {
    marked_bytes: mark.byteLength,
    bound_ms: mark.boundMs,
    sha256: digestBefore(active, mark.byteLength),
  };
  const addedLine = `${JSON.stringify(added)}\n`;
  if (markAtEnd(lockFile, active) === undefined) {
    writeLockText(lockFile, linesToKeep(lockFile, active).join("") + addedLine);
  } else appendLockText(lockFile, addedLine);
}

/**
 * Returns the mark in the last line of the lock file if it is valid for the active file. Marks ascend and follow all
 * other lines, so if this mark is valid, all marks are. Reads only the end of the lock file, because an active file may
 * have thousands of marks.
 */
function markAtEnd(lockFile: FileHandle, active: FileHandle): MarkLine | undefined {
  const mark = markIn(lastLineOf(lockFile));
  if (mark === undefined || mark.marked_bytes > active.status().byteLength) return undefined;
  return isValid(mark, active) ? mark : undefined;
}

/** Returns the last line of the lock file, without its line break; "" if a crash may have left the line incomplete. */
function lastLineOf(lockFile: FileHandle): string {
  const end = readLockEnd(lockFile, LAST_LINES_BYTES);
  return end.endsWith("\n") ? end.slice(0, -1).split("\n").at(-1)! : "";
}

/** Returns the lines of the lock file, with their line breaks, except for marks that are not valid. */
function linesToKeep(lockFile: FileHandle, active: FileHandle): string[] {
  const lines = readLockText(lockFile).split("\n").filter((line) => line !== "");
  const others = lines.filter((line) => !isMarkLine(line));
  const marks = marksIn(lines.join("\n"), active);
  const kept = marks.length > 0 && isValid(marks.at(-1)!, active) ? marks : [];
  return [...others, ...kept.map((mark) => JSON.stringify(mark))].map((line) => `${line}\n`);
}

/**
 * Removes all marks from the lock file. Called before the active file is renamed to a segment, because the marks could
 * otherwise count for the next active file. The caller must hold the append lock.
 */
export function clearMarks(lockFile: FileHandle): void {
  const lines = readLockText(lockFile).split("\n").filter((line) => line !== "");
  const others = lines.filter((line) => !isMarkLine(line));
  if (others.length === lines.length) return;
  writeLockText(lockFile, others.map((line) => `${line}\n`).join(""));
}

/**
 * Removes all marks and syncs the lock file if a mark lies past the end of the active file, which has `byteLength`
 * bytes. Such a mark means that another program has truncated the file. Must be called before each append. The caller
 * must hold the append lock.
 */
export function clearMarksPast(lockFile: FileHandle, byteLength: number): void {
  const last = markIn(lastLineOf(lockFile));
  // If the last line is not a valid mark, a crash may have torn it. An earlier mark may then still lie past the end of
  // the active file, so check all lines.
  const marks = last === undefined ? readLockText(lockFile).split("\n").map(markIn) : [last];
  if (marks.every((mark) => mark === undefined || mark.marked_bytes <= byteLength)) return;
  clearMarks(lockFile);
  lockFile.syncDataSync();
}

/**
 * Returns the byte offset from which a reader must read the active file to find all events at or after the instant
 * `sinceMs`. Returns 0 if no valid mark is older than this instant.
 */
export function startFor(
  sinceMs: number,
  { log, active }: { readonly log: LogDirectory; readonly active: FileHandle },
): number {
  const mark = marksIn(lockTextOf(log), active).findLast(({ bound_ms }) => bound_ms < sinceMs);
  return mark !== undefined && isValid(mark, active) ? mark.marked_bytes : 0;
}

function lockTextOf(log: LogDirectory): string {
  using stack = new DisposableStack();
  let lockFile: FileHandle | null;
  try {
    lockFile = log.openLock(stack);
  } catch (error) {
    // The lock file belongs to another user or is not a regular file. A writer reports this problem. A reader works
    // without marks, and reads the whole active file.
    if (error instanceof TypeError || error instanceof Deno.errors.PermissionDenied) return "";
    throw error;
  }
  try {
    return lockFile === null ? "" : readLockText(lockFile);
  } catch (error) {
    // On Windows, the lock file cannot be read while a writer holds its lock. The reader then works without marks, and
    // reads the whole active file.
    if (isLockViolation(error)) return "";
    throw error;
  }
}

/** Returns the marks that do not lie past the end of the active file, in ascending order of their offsets. */
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

/**
 * Checks whether the active file still has the bytes whose digest is in the mark. If not, the file was replaced or
 * truncated after the mark was placed.
 */
function isValid({ marked_bytes, sha256 }: MarkLine, active: FileHandle): boolean {
  return digestBefore(active, marked_bytes) === sha256;
}

function digestBefore(active: FileHandle, end: number): string {
  const { first, last } = printOf(active, end);
  const bytes = new Uint8Array(first.byteLength + last.byteLength);
  bytes.set(first);
  bytes.set(last, first.byteLength);
  return sha256(bytes);
}
