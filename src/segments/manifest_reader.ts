/**
 * Reading a manifest, again and again: what was read before is not read again, but for its last line.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../file_system.ts";
import { openForRead } from "../regular_file.ts";
import { ManifestLines } from "./manifest_lines.ts";

/** Reads one manifest. */
export class ManifestReader {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  #lines = new ManifestLines();

  /** Does not touch the file. */
  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.#path = path;
  }

  /**
   * Reads the whole lines; a manifest that is not there has none.
   *
   * @throws {TypeError} when the path holds anything but a plain file with one name.
   */
  read(): ManifestLines {
    const handle = openForRead(this.#fileSystem, this.#path);
    if (handle === null) return new ManifestLines();
    try {
      return this.readFrom(handle);
    } finally {
      handle.close();
    }
  }

  /** As {@linkcode read}, from a handle of the file. */
  readFrom(handle: FileHandle): ManifestLines {
    const { byteLength } = handle.status();
    const { lastByteOffset } = this.#lines;
    const bytes = readWhole(handle, lastByteOffset, byteLength);
    const lastByteLength = this.#lines.byteLength - lastByteOffset;
    if (this.#lines.endsWith(bytes.subarray(0, lastByteLength))) {
      this.#lines.take(bytes.subarray(lastByteLength));
    } else {
      // Another file, or one that somebody has written anew.
      this.#lines = new ManifestLines();
      this.#lines.take(readWhole(handle, 0, byteLength));
    }
    return this.#lines;
  }
}

function readWhole(handle: FileHandle, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, end - start));
  let length = 0;
  while (length < bytes.byteLength) {
    const read = handle.readSync(bytes.subarray(length), start + length);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}
