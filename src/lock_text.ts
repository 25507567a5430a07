/**
 * The text of the lock file: hints that the writers of a log leave for each other and for readers, as lines of JSON.
 * For example, a line has the session ID of a process, or a place in the log where a reader may start. No event is lost
 * without the hints: any line may be missing, and a line that is written only in part is ignored.
 *
 * @module
 */
import type { FileHandle } from "./platform/file_system.ts";

const decoder = new TextDecoder();

/** Reads the whole text of the lock file. */
export function readLockText(lockFile: FileHandle): string {
  return readLockEnd(lockFile, Infinity);
}

/** Reads the last `maxBytes` bytes of the lock file. So the result may start in the middle of a line. */
export function readLockEnd(lockFile: FileHandle, maxBytes: number): string {
  const { byteLength } = lockFile.status();
  const bytes = new Uint8Array(Math.min(maxBytes, byteLength));
  const read = lockFile.readSync(bytes, byteLength - bytes.byteLength);
  return decoder.decode(bytes.subarray(0, read));
}

/**
 * Replaces the text of the lock file. The caller must hold the append lock, so that no other process writes the text at
 * the same time.
 *
 * @throws {Error} If only a part of the text was written.
 */
export function writeLockText(lockFile: FileHandle, text: string): void {
  lockFile.truncateSync(0);
  appendLockText(lockFile, text);
}

/**
 * Adds text at the end of the lock file. The caller must hold the append lock.
 *
 * @throws {Error} If only a part of the text was written.
 */
export function appendLockText(lockFile: FileHandle, text: string): void {
  const bytes = new TextEncoder().encode(text);
  const written = lockFile.appendSync(bytes);
  if (written < bytes.byteLength) {
    throw new Error(
      `only ${written} of ${bytes.byteLength} bytes of the lock file were written (disk full?)`,
    );
  }
}

/** Parses a line of the lock file. Returns an empty object if the line is not a JSON object. */
export function parseLockLine(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line));
  } catch {
    // The line is empty or written only in part, or another program wrote it.
    return {};
  }
}
