/**
 * Reads a growing file line by line. A line is finished when its line break has been written.
 *
 * If a write stores only a part of its bytes, the writer truncates the file and writes again, so the bytes of an
 * unfinished line may change. When the file grows, the unfinished line is read again from its start, unless it is
 * longer than `maxLineBytes`.
 *
 * @module
 */
import { startOfLine } from "../platform/chunks.ts";
import type { AuditEvent } from "../event.ts";
import type { Clock } from "../platform/clock.ts";
import type { FileHandle, FileStatus } from "../platform/file_system.ts";
import { Turns } from "../platform/turns.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import type { DamageReport } from "./damage.ts";
import type { LineTexts } from "./line_source.ts";
import { eventOfLine } from "./parse_block.ts";

/** Options of {@linkcode FileCursor}. */
export interface FileCursorOptions {
  /** The path at which the file was opened. */
  readonly path: string;
  /** The clock that divides a long reading into steps, between which other tasks can run. */
  readonly clock: Clock;
  readonly maxLineBytes: number;
  readonly damage: DamageReport;
  /**
   * The position at which reading starts: the byte offset of the start of a line, or "end". With "end", all finished
   * lines are skipped, and reading starts with the unfinished line.
   */
  readonly from: number | "end";
  /** Receives the text of the line of each event. */
  readonly texts?: LineTexts | undefined;
}

const CHUNK_BYTES = 256 * 1024;

/** A position in an open file. */
export class FileCursor {
  readonly handle: FileHandle;
  readonly #options: FileCursorOptions;
  #identity: FileStatus | undefined;
  /** Byte offset after the last byte that was read or skipped. */
  #position = 0;
  /**
   * Byte offset at which the unfinished line starts. Undefined if the cursor started at the end of the file and has not
   * searched for this start yet.
   */
  #lineStart: number | undefined = 0;
  /** Byte offset at which the last call of {@linkcode read} started. */
  #readingStart = 0;
  #splitter: LineSplitter;
  /** Byte offset in the file of the first byte that was passed to the line splitter, which counts offsets from 0. */
  #splitterStart = 0;

  /** Creates a cursor that owns the handle. */
  constructor(handle: FileHandle, options: FileCursorOptions) {
    this.handle = handle;
    this.#options = options;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    if (options.from === "end") {
      this.#position = handle.status().byteLength;
      this.#lineStart = undefined;
    } else this.#goTo(options.from);
  }

  /** Byte offset after the last byte that was read or skipped. */
  get position(): number {
    return this.#position;
  }

  /** Resolves with the byte offset at which the unfinished line starts. All lines before it were read or skipped. */
  async lineStart(): Promise<number> {
    return this.#lineStart ??= await startOfLine(this.handle, this.#position);
  }

  /**
   * The status of the file when this property was first used. The length may have changed since; the device and the
   * inode have not.
   */
  get identity(): FileStatus {
    return this.#identity ??= this.handle.status();
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
    const turns = new Turns(this.#options.clock);
    while (this.#position < byteLength) {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, byteLength - this.#position));
      if (turns.isDue) await turns.take();
      const read = await this.handle.read(buffer, this.#position);
      if (read === 0) return;
      this.#position += read;
      const events = this.#eventsOf(this.#splitter.split(buffer.subarray(0, read)));
      if (events.length > 0) yield events;
    }
  }

  /**
   * Returns the events that {@linkcode read} would yield, but reads synchronously. The bytes that were read before must
   * end with a whole line.
   */
  readSync(byteLength: number): AuditEvent[] {
    const events: AuditEvent[] = [];
    while (this.#position < byteLength) {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, byteLength - this.#position));
      const read = this.handle.readSync(buffer, this.#position);
      if (read === 0) break;
      this.#position += read;
      events.push(...this.#eventsOf(this.#splitter.split(buffer.subarray(0, read))));
    }
    return events;
  }

  /**
   * Moves the cursor to byte `byteLength` without reading, because the caller knows the events before this byte. A line
   * must start at this byte.
   */
  skipTo(byteLength: number): void {
    this.#goTo(byteLength);
  }

  /**
   * Returns the event of the last line if this line lacks only its line break. Reports an incomplete last line as a
   * torn tail. Must be called only after the last append to the file, because a later append could complete the line.
   */
  rest(): AuditEvent[] {
    return this.#eventsOf(this.#splitter.end());
  }

  /** Checks whether the chunks together are exactly the content of the file. */
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

  /** Moves the cursor to the byte at which a reading up to byte `byteLength` has to start. */
  async #prepare(byteLength: number): Promise<void> {
    if (byteLength < (this.#lineStart ?? this.#position)) return this.#goToCut(byteLength);
    if (this.#lineStart === undefined) return this.#goTo(await this.lineStart());
    const isKept = this.#position - this.#lineStart < this.#options.maxLineBytes;
    if (isKept || byteLength < this.#position) this.#goTo(this.#lineStart);
  }

  /**
   * Reports that lines were truncated after their events were yielded, and moves the cursor to the byte at which
   * reading continues. If a writer undoes a write, it removes only bytes that the last call of {@linkcode read} has
   * read. If more bytes are missing, another program has truncated the file to reuse it, so the file is read from its
   * start.
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
    const { damage, path, maxLineBytes, texts } = this.#options;
    return eventOfLine({ ...line, byteOffset: this.#splitterStart + line.byteOffset }, {
      maxLineBytes,
      texts,
      onDamage: (place, reason) => damage.add(path, place, reason),
    });
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.byteLength; index++) if (a[index] !== b[index]) return false;
  return true;
}
