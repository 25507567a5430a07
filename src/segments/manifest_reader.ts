/**
 * Reads a manifest repeatedly. Each read starts at the last known line, so earlier lines are read only once.
 *
 * @module
 */
import { loadSha256 } from "../line/digest.ts";
import { readWhole } from "../platform/chunks.ts";
import type { FileHandle } from "../platform/file_system.ts";
import type { Turns } from "../platform/turns.ts";
import type { LogDirectory } from "./log_directory.ts";
import { ManifestLines, type OnManifestLine } from "./manifest_lines.ts";

/**
 * Number of bytes that one step of {@linkcode ManifestReader.catchUp} reads: a few hundred lines, which take a few
 * milliseconds.
 */
const STEP_BYTES = 128 * 1024;

/** Reads the manifest of one log. */
export class ManifestReader {
  readonly #log: LogDirectory;
  #lines = new ManifestLines();

  /** Creates the reader; does not access the manifest file. */
  constructor(log: LogDirectory) {
    this.#log = log;
  }

  /** The lines that the last read returned. */
  get lastRead(): ManifestLines {
    return this.#lines;
  }

  /**
   * Reads the complete lines of the manifest; returns no lines if the manifest does not exist.
   *
   * @param onLine Called with each line that was not read before. If the manifest was replaced, it is called with every
   *   line.
   * @throws {TypeError} If the path of the manifest is not a regular file with a single hard link.
   */
  read(onLine?: OnManifestLine): ManifestLines {
    using stack = new DisposableStack();
    const handle = this.#log.open(this.#log.files.manifest, stack);
    if (handle === null) return this.#lines = new ManifestLines();
    return this.readFrom(handle, onLine);
  }

  /**
   * Reads the lines that were not read before, in steps between which other tasks can run. The next
   * {@linkcode read} then reads only the lines that were appended later. Calls `onLine` for each line, as
   * {@linkcode read} does.
   */
  async catchUp(turns: Turns, onLine?: OnManifestLine): Promise<void> {
    using stack = new DisposableStack();
    const handle = this.#log.open(this.#log.files.manifest, stack);
    if (handle === null) return;
    await loadSha256(turns);
    const { byteLength } = handle.status();
    let step = STEP_BYTES;
    for (let end = 0; end < byteLength;) {
      const before = this.#lines.byteLength;
      // Each step also reads the last known line again, to notice whether the manifest was replaced.
      end = Math.min(byteLength, before + step);
      this.readFrom(handle, onLine, end);
      // If the next line has more bytes than the step has read, no line was added. The next step then reads twice as
      // many bytes.
      step = this.#lines.byteLength === before ? 2 * step : STEP_BYTES;
      if (turns.isDue) await turns.take();
    }
  }

  /** Forgets all lines, so that the next read starts at the first line. */
  forget(): void {
    this.#lines = new ManifestLines();
  }

  /** Reads the lines from an open manifest, like {@linkcode read}, up to the offset `byteLength`. */
  readFrom(
    handle: FileHandle,
    onLine?: OnManifestLine,
    byteLength: number = handle.status().byteLength,
  ): ManifestLines {
    const { lastByteOffset } = this.#lines;
    const bytes = readWhole(handle, lastByteOffset, byteLength);
    const lastByteLength = this.#lines.byteLength - lastByteOffset;
    if (this.#lines.endsWith(bytes.subarray(0, lastByteLength))) {
      this.#lines.take(bytes.subarray(lastByteLength), onLine);
    } else {
      // The manifest was replaced or rewritten, so read it from its start.
      this.#lines = new ManifestLines();
      this.#lines.take(readWhole(handle, 0, byteLength), onLine);
    }
    return this.#lines;
  }
}
