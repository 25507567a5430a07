/**
 * Reading a manifest, again and again: what was read before is not read again, but for its last line.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import { openForRead } from "../platform/regular_file.ts";
import { ManifestLines, type OnManifestLine } from "./manifest_lines.ts";

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

  /** The lines as they were when they were read last. */
  get lastRead(): ManifestLines {
    return this.#lines;
  }

  /**
   * Reads the whole lines; a manifest that is not there has none. Of those that were not read before,
   * `onLine` is told.
   *
   * @throws {TypeError} when the path holds anything but a plain file with one name.
   */
  read(onLine?: OnManifestLine): ManifestLines {
    const handle = openForRead(this.#fileSystem, this.#path);
    if (handle === null) return this.#lines = new ManifestLines();
    try {
      return this.readFrom(handle, onLine);
    } finally {
      handle.close();
    }
  }

  /** As {@linkcode read}, from a handle of the file. */
  readFrom(handle: FileHandle, onLine?: OnManifestLine): ManifestLines {
    const { byteLength } = handle.status();
    const { lastByteOffset } = this.#lines;
    const bytes = readWhole(handle, lastByteOffset, byteLength);
    const lastByteLength = this.#lines.byteLength - lastByteOffset;
    if (this.#lines.endsWith(bytes.subarray(0, lastByteLength))) {
      this.#lines.take(bytes.subarray(lastByteLength), onLine);
    } else {
      // Another file, or one that somebody has written anew.
      this.#lines = new ManifestLines();
      this.#lines.take(readWhole(handle, 0, byteLength), onLine);
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
