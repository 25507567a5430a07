/**
 * Knows a file again by a few of its bytes.
 *
 * A path and an inode do not: a new active file often gets the inode of the one before it. The beginning of a
 * file holds the time of its first event, and the bytes before a place those of the line that ends there. The
 * end of a line alone does not do, as it may be the same in every line: a prompt, say.
 *
 * @module
 */
import type { FileHandle } from "./file_system.ts";

/** Enough for the time and the ids of a line. */
const PRINT_BYTES = 256;

/** The first bytes of a file, and the last ones before a place in it. */
export interface FilePrint {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

/** Reads the print of a file up to a place. */
export function printOf(handle: FileHandle, byteLength: number): FilePrint {
  const length = Math.min(PRINT_BYTES, byteLength);
  return { first: readAt(handle, 0, length), last: readAt(handle, byteLength - length, length) };
}

/** Checks whether the file still has the print at the place; an empty one proves nothing. */
export function hasPrint(
  handle: FileHandle,
  byteLength: number,
  { first, last }: FilePrint,
): boolean {
  return first.byteLength > 0 && last.byteLength > 0 &&
    isEqual(readAt(handle, 0, first.byteLength), first) &&
    isEqual(readAt(handle, byteLength - last.byteLength, last.byteLength), last);
}

/** Returns a copy of the first bytes of a text that begins a file. */
export function firstOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice(0, PRINT_BYTES);
}

/** Returns a copy of the last bytes of a text. */
export function lastOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice(-PRINT_BYTES);
}

function readAt(handle: FileHandle, offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLength);
  return bytes.subarray(0, offset < 0 ? 0 : handle.readSync(bytes, offset));
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);
}
