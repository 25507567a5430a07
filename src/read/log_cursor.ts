/**
 * A place in a log that moves on with it, whatever rotates, archives and removes its files.
 *
 * The place is an open file, once the active one, and the newest segment older than it:
 * - While the file is at the path, what is appended to it comes next.
 * - When it is not, it may still grow: who moves a log away asks no writer. It is over once there is
 *   something behind it: a segment, or another active file with lines in it. Writers append under
 *   one lock and look before they do, so what was written there was written after the last line here.
 *   A file that was sealed, which happens under the lock, is over with the next active file.
 * - The segments that are newer then come next; the oldest may be the very file that was read, in
 *   another form. Then comes the file at the path.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { FileHandle, FileStatus, FileSystem } from "../platform/file_system.ts";
import type { Logger } from "../logger.ts";
import { isSameFile, openForRead } from "../platform/regular_file.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { LogFiles, type Stamp } from "../segments/segment_name.ts";
import { type Damage, DamageReport } from "./damage.ts";
import { FileCursor } from "./file_cursor.ts";
import { type EventFilter, mayLineHold } from "./filter.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesOf } from "./manifest_lines.ts";
import { newerSegments, type SegmentSite, whatIsOf } from "./newer_segments.ts";
import { eventsOf } from "./read_file.ts";
import { openSegment, type SnapshotFile } from "./snapshot.ts";

/** Where a log lies, and how to read it. */
export interface LogCursorSource {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly maxLineBytes: number;
  readonly logger: Logger;
  /** A reader of the manifest that remembers what it has read; one for each cursor by default. */
  readonly manifest?: ManifestReader;
  /** Where what could not be read is added, beside the logger. */
  readonly damage?: Damage[];
}

// Each attempt is lost only to an active file that goes between two calls.
const ATTEMPTS = 16;

/** A place in a log, at first before its oldest event. */
export class LogCursor {
  readonly #source: LogCursorSource;
  readonly #filter: EventFilter;
  readonly #signal: AbortSignal;
  readonly #site: SegmentSite;
  readonly #manifest: ManifestReader;
  /** The newest segment that everything is read of, or that is passed over. */
  #segment: Stamp = "";
  /** The file behind it; null when none was there. */
  #cursor: FileCursor | null = null;
  /** The segment that the file has become. */
  #sealedAs: Stamp | undefined;

  /**
   * Opens nothing yet. Archives that hold nothing the filter selects may be passed over; the signal
   * ends a reading with its reason.
   */
  constructor(source: LogCursorSource, filter: EventFilter, signal: AbortSignal) {
    const files = new LogFiles(source.path);
    this.#source = source;
    this.#filter = filter;
    this.#signal = signal;
    this.#site = { fileSystem: source.fileSystem, files };
    this.#manifest = source.manifest ?? new ManifestReader(source.fileSystem, files.manifest);
  }

  /**
   * Passes over everything that is in the log, at once, and gives the last events of it that match,
   * oldest first.
   */
  async goToEnd(lastEvents: number): Promise<AuditEvent[]> {
    const { active, older } = this.#openCurrent();
    this.#segment = older.at(-1) ?? this.#segment;
    // The end is looked for last: if the file has been sealed since, that is where it ends for good,
    // and what is passed over is a beginning of the log, without a gap.
    if (active !== null) this.#setCursor(active, "end");
    const found: AuditEvent[] = [];
    if (lastEvents === 0) return found;
    for await (const events of this.#backwards(older)) {
      for (const event of events) {
        if (this.#filter.matches(event) && found.push(event) === lastEvents) return found.reverse();
      }
    }
    return found.reverse();
  }

  /** Gives what is there now; tells whether it went on to other files, where there may be more. */
  async *read(): AsyncGenerator<AuditEvent[], boolean> {
    const atPath = this.#source.fileSystem.status(this.#source.path);
    const cursor = this.#cursor;
    if (cursor === null) return yield* this.#goOn();
    const status = cursor.status();
    if (atPath !== null && isSameFile(atPath, status)) {
      this.#sealedAs = undefined;
      yield* cursor.read(status.byteLength);
      return false;
    }
    const isOver = await this.#isOver(cursor, atPath);
    // Only now, as it may have grown until it was over.
    yield* cursor.read(cursor.status().byteLength);
    if (!isOver) return false;
    yield cursor.rest();
    this.close();
    return yield* this.#goOn();
  }

  /** Closes the file. */
  close(): void {
    this.#cursor?.close();
    this.#cursor = null;
  }

  /** Whether nothing more will be appended to the file, which is not at the path. */
  async #isOver(cursor: FileCursor, atPath: FileStatus | null): Promise<boolean> {
    const newer = newerSegments(this.#site, this.#segment);
    const [oldest] = newer;
    if (oldest === undefined) return atPath !== null && atPath.byteLength > 0;
    if (oldest !== this.#sealedAs) {
      const what = await whatIsOf(cursor, this.#site, oldest);
      if (what !== "same") return what === "other";
      this.#sealedAs = oldest;
    }
    // A sealing that fails is taken back, but not once there is another active file.
    const isOver = newer.length > 1 || atPath !== null;
    if (isOver) this.#segment = oldest;
    return isOver;
  }

  /** Gives the segments that come next, and moves to the active file behind them. */
  async *#goOn(): AsyncGenerator<AuditEvent[], boolean> {
    const { active, older, isCurrent } = this.#openNext();
    if (active !== null && isCurrent) this.#setCursor(active, "start");
    else active?.close();
    for (const stamp of older) {
      yield* this.#eventsOf(stamp);
      this.#segment = stamp;
    }
    return active !== null || older.length > 0;
  }

  /**
   * Opens the active file and lists the segments before it. If it is at its path after that, it is
   * the current one, and none in between is missing.
   */
  #openNext(): { active: FileHandle | null; older: Stamp[]; isCurrent: boolean } {
    const { fileSystem, path } = this.#source;
    const active = openForRead(fileSystem, path);
    try {
      const older = newerSegments(this.#site, this.#segment);
      const atPath = active === null ? null : fileSystem.status(path);
      const isCurrent = active === null ||
        (atPath !== null && isSameFile(atPath, active.status()));
      return { active, older, isCurrent };
    } catch (error) {
      active?.close();
      throw error;
    }
  }

  /** As {@linkcode LogCursor.#openNext}, where the active file is the current one. */
  #openCurrent(): { active: FileHandle | null; older: Stamp[] } {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { active, older, isCurrent } = this.#openNext();
      if (isCurrent) return { active, older };
      active?.close();
    }
    const { path } = this.#source;
    throw new Error(`Cannot follow audit log: it is being replaced all the time: ${path}`);
  }

  /** Gives what was passed over, the newest first: the file, and the segments before it. */
  async *#backwards(segments: readonly Stamp[]): AsyncGenerator<Iterable<AuditEvent>> {
    if (this.#cursor !== null) {
      const byteLength = await this.#cursor.lineStart();
      const { handle } = this.#cursor;
      const { path } = this.#source;
      yield* this.#eventsIn({ path, isArchive: false, byteLength, handle }, "desc");
    }
    for (const stamp of segments.toReversed()) yield* this.#eventsOf(stamp, "desc");
  }

  #setCursor(handle: FileHandle, from: "start" | "end"): void {
    const { path, maxLineBytes } = this.#source;
    this.close();
    this.#sealedAs = undefined;
    const damage = this.#damageOfFile();
    this.#cursor = new FileCursor(handle, { path, maxLineBytes, damage, from });
  }

  async *#eventsOf(
    stamp: Stamp,
    order: "asc" | "desc" = "asc",
  ): AsyncGenerator<AuditEvent[]> {
    const { fileSystem, files } = this.#site;
    using stack = new DisposableStack();
    const opened = openSegment(stack, fileSystem, files, {
      stamp,
      forms: new Set(["sealed"]),
    });
    const path = files.archive(stamp);
    const gone: SnapshotFile = { path, isArchive: true, byteLength: 0, handle: null };
    // Of one that was taken away since it was listed, the reading tells.
    for (const file of opened.length > 0 ? opened : [gone]) yield* this.#eventsIn(file, order);
  }

  async *#eventsIn(
    file: SnapshotFile,
    order: "asc" | "desc",
  ): AsyncGenerator<AuditEvent[]> {
    const { fileSystem, maxLineBytes, logger } = this.#source;
    const line = file.isArchive ? lineOf(file, linesOf(this.#manifest, logger)) : undefined;
    if (line !== undefined && !mayLineHold(line, this.#filter)) return;
    yield* eventsOf(file, {
      fileSystem,
      maxLineBytes,
      damage: this.#damageOfFile(),
      // Every line is looked at, as damage is told of whatever is asked for.
      lineTest: new LineTest({}),
      order,
      signal: this.#signal,
    });
  }

  /** Files of one path follow one another, so each has a report of its own. */
  #damageOfFile(): DamageReport {
    return new DamageReport(this.#source.logger, this.#source.damage);
  }
}
