/**
 * Reading a file that grows, line by line: what has no line break yet is no line yet.
 *
 * A writer whose write came up short cuts its part off again, so a part of a line that was read once
 * is read again when there is more of it; only a line that is too long to be kept is not.
 *
 * @module
 */
import { startOfLine } from "../platform/chunks.ts";
import type { AuditEvent } from "../event.ts";
import type { FileHandle, FileStatus } from "../platform/file_system.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import type { DamageReport } from "./damage.ts";
import { eventOfLine } from "./parse_block.ts";

/** What a {@linkcode FileCursor} is made of. */
export interface FileCursorOptions {
  /** The path by which the file was opened. */
  readonly path: string;
  readonly maxLineBytes: number;
  readonly damage: DamageReport;
  /** Where to begin: at the end, that is with the line that is not finished yet. */
  readonly from: "start" | "end";
}

const CHUNK_BYTES = 256 * 1024;

/** A place in an open file. */
export class FileCursor {
  readonly handle: FileHandle;
  readonly #options: FileCursorOptions;
  /** Up to where the file was read. */
  #position = 0;
  /** Where the line begins that is not finished; unknown to one that began at the end. */
  #lineStart: number | undefined = 0;
  /** Where the last reading began. */
  #readingStart = 0;
  #splitter: LineSplitter;
  /** Where the splitter began. */
  #splitterStart = 0;

  /** Takes the handle over. */
  constructor(handle: FileHandle, options: FileCursorOptions) {
    this.handle = handle;
    this.#options = options;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    if (options.from === "start") return;
    this.#position = handle.status().byteLength;
    this.#lineStart = undefined;
  }

  /** Where the line begins that is not finished; all before it has been read or passed over. */
  async lineStart(): Promise<number> {
    return this.#lineStart ??= await startOfLine(this.handle, this.#position);
  }

  /** The file as it is now. */
  status(): FileStatus {
    return this.handle.status();
  }

  /** Gives the events of the lines that were finished since the last call, up to the length. */
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

  /** The events of what is left when the file is over: one, if all but its line break is there. */
  rest(): AuditEvent[] {
    return this.#eventsOf(this.#splitter.end());
  }

  /** Whether the file, all of it, holds what the chunks hold. */
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

  /** Goes to where the reading up to the length has to begin. */
  async #prepare(byteLength: number): Promise<void> {
    if (byteLength < (this.#lineStart ?? this.#position)) return this.#goToCut(byteLength);
    if (this.#lineStart === undefined) return this.#goTo(await this.lineStart());
    const isKept = this.#position - this.#lineStart < this.#options.maxLineBytes;
    if (isKept || byteLength < this.#position) this.#goTo(this.#lineStart);
  }

  /**
   * The file has lost lines that were given. What a writer takes back lies behind the beginning of
   * the last reading; who truncates a file to begin it anew leaves little.
   */
  #goToCut(byteLength: number): void {
    const { damage, path } = this.#options;
    damage.add(path, { byteOffset: byteLength, byteLength: 0 }, "the file was cut off");
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
