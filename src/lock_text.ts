/**
 * What the writers of a log tell each other and its readers in the lock file: lines of JSON, each a
 * hint that saves work. None of them has to be there, and one that is torn counts as none.
 *
 * @module
 */
import type { FileHandle } from "./platform/file_system.ts";

const decoder = new TextDecoder();

/** The whole text. */
export function readLockText(lockFile: FileHandle): string {
  return readLockEnd(lockFile, Infinity);
}

/** The last `maxBytes` of the text, which may begin within a line. */
export function readLockEnd(lockFile: FileHandle, maxBytes: number): string {
  const { byteLength } = lockFile.status();
  const bytes = new Uint8Array(Math.min(maxBytes, byteLength));
  const read = lockFile.readSync(bytes, byteLength - bytes.byteLength);
  return decoder.decode(bytes.subarray(0, read));
}

/** Replaces the text. Call it under the append lock only. */
export function writeLockText(lockFile: FileHandle, text: string): void {
  lockFile.truncateSync(0);
  const bytes = new TextEncoder().encode(text);
  const written = lockFile.appendSync(bytes);
  if (written < bytes.byteLength) throw new Error(`${written} bytes written (disk full?)`);
}

/** The members of a line; none for one that is no object of JSON. */
export function parseLockLine(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line));
  } catch {
    // An empty line, a torn one or somebody else's text.
    return {};
  }
}
