/**
 * Reads a growing file line by line. A line counts only once its line break has been written.
 *
 * After a short write, the writer truncates the file and writes again. So an unfinished line is read again from its
 * beginning when the file grows, unless the line is longer than `maxLineBytes`.
 *
 * @module
 */
import { startOfLine } from "../platform/chunks.ts";
import type { AuditEvent } from "../event.ts";
import type { FileHandle, FileStatus } from "../platform/file_system.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import type { DamageReport } from "./damage.ts";
import { eventOfLine } from "./parse_block.ts";

/** Options of {@linkcode FileCursor}. */
export interface FileCursorOptions {
  /** The path at which the file was opened. */
  readonly path: string;
  readonly maxLineBytes: number;
  readonly damage: DamageReport;
  /** Where to begin. "end" skips all finished lines and begins with the unfinished one. */
  readonly from: "start" | "end";
}

const CHUNK_BYTES = 256 * 1024;

/** A position in an open file. */
export class FileCursor {
  readonly handle: FileHandle;
  readonly #options: FileCursorOptions;
  /** The end of the bytes that were read. */
  #position = 0;
  /** The beginning of the unfinished line. Undefined if the cursor began at the end and has not searched for it yet. */
  #lineStart: number | undefined = 0;
  /** Where the last call of {@linkcode read} began. */
  #readingStart = 0;
  #splitter: LineSplitter;
  /** The byte offset in the file of the first byte that the splitter got. */
  #splitterStart = 0;

  /** Creates a cursor that owns the handle. */
  constructor(handle: FileHandle, options: FileCursorOptions) {
    this.handle = handle;
    this.#options = options;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    if (options.from === "start") return;
    this.#position = handle.status().byteLength;
    this.#lineStart = undefined;
  }

  /** Returns the beginning of the unfinished line. Everything before it was read or skipped. */
  async lineStart(): Promise<number> {
    return this.#lineStart ??= await startOfLine(this.handle, this.#position);
  }

  /** Returns the current status of the file. */
  status(): FileStatus {
    return this.handle.status();
  }

  /** Yields the events of the lines that were finished since the last call, up to byte `byteLength`. */
  async *read(byteLength: number): AsyncGenerator<AuditEvent[]> {
    if (byteLength === this.#position) return;
    await this.#prepare(byteLength);
    this.#readingStart = this.#position;
    while (this.#position < byteLength) {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, byteLength - this.#position));
      const read = await this.handle.read(buffer, this.#position);
      if (read === 0) return;
      this.#position += read;
      const events = this.#eventsOf(this.#splitter.split(buffer.subarray(0, read)));
      if (events.length > 0) yield events;
    }
  }

  /** Returns the event of the last line of an ended file if only its line break is missing. Reports a torn tail. */
  rest(): AuditEvent[] {
    return this.#eventsOf(this.#splitter.end());
  }

  /** Checks whether the content of the whole file equals the chunks. */
  async isCopyOf(chunks: AsyncIterable<Uint8Array>): Promise<boolean> {
    let position = 0;
    for await (const chunk of chunks) {
      const own = new Uint8Array(chunk.byteLength);
      const read = await this.handle.read(own, position);
      if (read < own.byteLength || !isEqual(own, chunk)) return false;
      position += read;
    }
    return position === this.status().byteLength;
  }

  /** Closes the file. */
  close(): void {
    this.handle.close();
  }

  /** Moves to where a reading up to byte `byteLength` has to begin. */
  async #prepare(byteLength: number): Promise<void> {
    if (byteLength < (this.#lineStart ?? this.#position)) return this.#goToCut(byteLength);
    if (this.#lineStart === undefined) return this.#goTo(await this.lineStart());
    const isKept = this.#position - this.#lineStart < this.#options.maxLineBytes;
    if (isKept || byteLength < this.#position) this.#goTo(this.#lineStart);
  }

  /**
   * Reports that lines which were yielded have been cut off, and moves to where reading continues. A writer that
   * takes a write back truncates the file to a length within the last reading. If the file is shorter, another
   * program has truncated it to reuse it, so it is read from the beginning.
   */
  #goToCut(byteLength: number): void {
    const { damage, path } = this.#options;
    damage.add(path, { byteOffset: byteLength, byteLength: 0 }, "the file was truncated");
    this.#goTo(byteLength >= this.#readingStart ? byteLength : 0);
  }

  #goTo(position: number): void {
    this.#position = this.#lineStart = this.#splitterStart = position;
    this.#splitter = new LineSplitter(this.#options.maxLineBytes);
  }

  #eventsOf(lines: Iterable<RawLine>): AuditEvent[] {
    const events: AuditEvent[] = [];
    for (const line of lines) {
      this.#lineStart = this.#splitterStart + line.byteOffset + line.byteLength;
      const event = this.#eventOf(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  #eventOf(line: RawLine): AuditEvent | null {
    const { damage, path, maxLineBytes } = this.#options;
    return eventOfLine({ ...line, byteOffset: this.#splitterStart + line.byteOffset }, {
      maxLineBytes,
      onDamage: (place, reason) => damage.add(path, place, reason),
    });
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.byteLength; index++) if (a[index] !== b[index]) return false;
  return true;
}
