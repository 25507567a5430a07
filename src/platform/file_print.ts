/**
 * Recognizes a file by a few of its bytes.
 *
 * A path and an inode are not enough, because a new active file often gets the inode of the previous one. So a print of
 * a file has two parts: the first bytes of the file, and the last bytes before an offset. The first bytes contain the
 * time of the first event. The last bytes are the end of a line. The last bytes alone are not enough, because all lines
 * may end with the same prompt.
 *
 * @module
 */
import type { FileHandle } from "./file_system.ts";

/** Maximum number of bytes in each part of a {@linkcode FilePrint}, enough for the time and the IDs of a line. */
const PRINT_BYTES = 256;

/**
 * The first bytes of a file, and the last bytes before an offset in it. If a file still has both, it is most likely the
 * same file.
 */
export interface FilePrint {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

/** Reads the first bytes of a file and the last bytes before the offset `byteLength`. */
export function printOf(handle: FileHandle, byteLength: number): FilePrint {
  const length = Math.min(PRINT_BYTES, byteLength);
  return { first: readAt(handle, 0, length), last: readAt(handle, byteLength - length, length) };
}

/**
 * Checks whether a file matches a print: the file starts with the first bytes of the print, and has the last bytes of
 * the print before the offset `byteLength`.
 */
export function hasPrint(
  handle: FileHandle,
  byteLength: number,
  { first, last }: FilePrint,
): boolean {
  return first.byteLength > 0 && last.byteLength > 0 &&
    isEqual(readAt(handle, 0, first.byteLength), first) &&
    isEqual(readAt(handle, byteLength - last.byteLength, last.byteLength), last);
}

/** Returns a copy of the first part of a {@linkcode FilePrint}. `bytes` must be at the start of the file. */
export function firstOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice(0, PRINT_BYTES);
}

/** Returns a copy of the last part of a {@linkcode FilePrint}. `bytes` must end at the offset of the print. */
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
