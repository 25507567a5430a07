/**
 * A position in a log that stays valid while other processes rotate, archive and remove its files.
 *
 * To rotate a log, a writer seals the active file: it renames the file to the name of a segment. The segment is then
 * compressed into an archive, and the next line starts a new active file.
 *
 * The position consists of an open file, which was the active file when it was opened, and of the newest segment that
 * is older than this file:
 * - While the file is at the path of the active file, the next lines are appended to this file.
 * - After the file was moved, a writer that has the file open may still append to it. When newer lines exist in a
 *   segment or in another active file, no writer appends to this file any more: the file has ended. The reason is that
 *   writers append under one lock and check the path first. Files are sealed under the same lock, so a sealed file has
 *   ended as soon as another active file exists, even an empty one.
 * - After the file has ended, the newer segments come next, then the active file. The oldest of these segments may be
 *   the file that was just read, sealed or archived.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { type FileHandle, type FileStatus, isSameFile } from "../platform/file_system.ts";
import { Turns } from "../platform/turns.ts";
import { LineSplitter } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import type { ActiveEnd, LogDirectory } from "../segments/log_directory.ts";
import type { ManifestLines } from "../segments/manifest_lines.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { Stamp } from "../segments/segment_name.ts";
import { type Damage, DamageReport } from "./damage.ts";
import { tailBlocksOf } from "./blocks.ts";
import { FileCursor } from "./file_cursor.ts";
import { type EventFilter, eventFilter, mayLineHold } from "./filter.ts";
import type { LineSource } from "./line_source.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import { newestEvents } from "./last_block.ts";
import { compareSegment, newerSegments, newerSegmentsInTurns } from "./newer_segments.ts";
import { eventsOf } from "./read_file.ts";
import { ATTEMPTS, openSegment, replacedTooOften, type SnapshotFile } from "./snapshot.ts";
import type { ArchiveTaker, KnownArchive, LogFile, NeededEvents } from "./whole_archives.ts";

/** Options of {@linkcode LogCursor}. */
export interface LogCursorOptions {
  /** The filter of the caller. The cursor may skip an archive if the filter selects none of its events. */
  readonly filter: EventFilter;
  /** When this signal aborts, a reading ends and throws the reason of the signal. */
  readonly signal: AbortSignal;
  /** The list to which damaged regions are added; they are also logged. */
  readonly damage: Damage[];
  /**
   * Decides, for each archive that exists when the first reading starts, whether the caller uses the stored sums of the
   * archive. The events of such an archive are not read.
   */
  readonly taker?: ArchiveTaker | undefined;
}

/** A position in a log, at first before the oldest event. */
export class LogCursor {
  readonly #source: LineSource;
  readonly #log: LogDirectory;
  readonly #options: LogCursorOptions;
  readonly #manifest: ManifestReader;
  /** The newest segment that was read completely or skipped. */
  #segment: Stamp = "";
  /** The open file that follows the newest segment that was read or skipped; null if that file did not exist yet. */
  #cursor: FileCursor | null = null;
  /** The stamp (the time in the file name) of the segment that the open file has become; undefined if not known. */
  #sealedAs: Stamp | undefined;
  /**
   * The active file and its length at the last call of {@linkcode aim}. Bounded readings read up to this length. The
   * file stays open, so that the system cannot give its inode to a new file, even after the file is removed.
   */
  #target: { readonly handle: FileHandle; readonly byteLength: number } | null = null;

  /** Number of consecutive listings during which the active file was sealed. */
  #replacements = 0;
  /** Whether the option `taker` has the list of the files, which it gets once, before the first reading. */
  #isPlanned = false;

  /** Creates a cursor before the oldest event of the log; does not open any file yet. */
  constructor(source: LineSource, options: LogCursorOptions) {
    this.#source = source;
    this.#log = source.log;
    this.#options = options;
    this.#manifest = source.manifest ?? new ManifestReader(source.log);
  }

  /**
   * Moves the cursor to the end of the log in one step. Resolves with the last matching events before the end, at most
   * `lastEvents` events, oldest first.
   */
  async goToEnd(lastEvents: number): Promise<AuditEvent[]> {
    // The listing is not divided into steps, because it has to end before the caller's next event is written.
    const { active, older } = this.#openCurrent();
    this.#segment = older.at(-1) ?? this.#segment;
    // The end of the active file is determined after the segments are listed. So the cursor skips all events before
    // this end and none after it, even if the file is sealed meanwhile.
    if (active !== null) this.#setCursor(active, "end");
    const found: AuditEvent[] = [];
    if (lastEvents === 0) return found;
    for await (const events of this.#backwards(older)) {
      for (const event of events) {
        if (this.#options.filter.matches(event) && found.push(event) === lastEvents) {
          return found.reverse();
        }
      }
    }
    return found.reverse();
  }

  /**
   * Sets the end of the log up to which {@linkcode goToNewest} and a {@linkcode read} with `isBounded` read. Must be
   * called under the append lock.
   */
  aim({ file, byteLength }: ActiveEnd): void {
    this.#target?.handle.close();
    this.#target = null;
    using stack = new DisposableStack();
    const handle = this.#log.openActive(stack);
    if (handle === null || !isSameFile(handle.status(), file)) return;
    stack.move();
    this.#target = { handle, byteLength };
  }

  /**
   * Searches backwards, from the end that {@linkcode aim} has set, for the newest event of the type for which
   * `isWanted` returns true. Moves the cursor to the line of that event, or to the start of the older segment that
   * contains it, and resolves with true. If there is no such event, moves the cursor to the end, and resolves with
   * false.
   * If no end was set, or the active file is not the file in which it was set, does not move and resolves with null.
   *
   * @throws {Error} If the active file is replaced during many listings in a row.
   */
  async goToNewest(
    type: string,
    isWanted: (event: AuditEvent) => boolean,
  ): Promise<boolean | null> {
    const end = this.#target;
    const { active, older } = await this.#openNext();
    using stack = new DisposableStack();
    stack.defer(() => active?.close());
    if (this.#replacements >= ATTEMPTS) throw replacedTooOften(this.#log, "follow");
    if (active === null || end === null) return null;
    if (!isSameFile(active.status(), end.handle.status())) return null;
    const wanted = {
      type,
      isWanted: (event: AuditEvent) => event.event === type && isWanted(event),
    };
    const offset = await newestOffset(active, end.byteLength, { ...this.#source, ...wanted });
    const newest = offset === null ? await this.#newestSegmentWith(wanted, older) : null;
    if (newest !== null) {
      // The next reading begins after the segment that is stored here, so it begins with the segment that contains the
      // event.
      this.#segment = older[newest - 1] ?? "";
      return true;
    }
    stack.move();
    this.#segment = older.at(-1) ?? "";
    this.#setCursor(active, offset ?? end.byteLength);
    return offset !== null;
  }

  /**
   * Returns the events between the cursor and the end of the active file, and moves the cursor to that end. Reads
   * synchronously, at most `maxBytes` bytes. If the cursor is in another file, or more than `maxBytes` bytes before the
   * end, does not move and returns null; the caller must call {@linkcode read} first. If the end is before the cursor,
   * because the file was truncated, returns "cut". Must be called under the append lock.
   */
  readSync({ file, byteLength }: ActiveEnd, maxBytes: number): AuditEvent[] | "cut" | null {
    const cursor = this.#cursor;
    if (cursor === null || !isSameFile(file, cursor.identity)) return null;
    if (byteLength < cursor.position) return "cut";
    return byteLength - cursor.position > maxBytes ? null : cursor.readSync(byteLength);
  }

  /**
   * Moves the cursor to the given end of the active file without reading, because the caller already knows all events
   * before this end.
   */
  skipTo({ byteLength }: ActiveEnd): void {
    this.#cursor!.skipTo(byteLength);
  }

  /**
   * Yields the events between the cursor and the current end of the log, and moves the cursor. Returns whether the
   * cursor moved to a newer file or segment; if it did, more events may follow. A bounded reading reads the active file
   * only up to the end that {@linkcode aim} has set. If {@linkcode aim} has not set an end in the current active file,
   * a bounded reading does not read that file.
   */
  async *read({ isBounded = false } = {}): AsyncGenerator<AuditEvent[], boolean> {
    const atPath = this.#log.fileSystem.status(this.#log.files.active);
    const cursor = this.#cursor;
    if (cursor === null) return yield* this.#goOn();
    const status = cursor.status();
    if (atPath !== null && isSameFile(atPath, status)) {
      this.#sealedAs = undefined;
      const end = this.#target;
      if (!isBounded) yield* cursor.read(status.byteLength);
      else if (
        end !== null && isSameFile(status, end.handle.status()) && end.byteLength > cursor.position
      ) yield* cursor.read(end.byteLength);
      return false;
    }
    // The target is the active file at the last call of aim(). If it is still the active file, every writer appends to
    // it. So no writer appends any more to the older file that the cursor reads.
    const isLeft = isBounded && this.#target !== null && atPath !== null &&
      isSameFile(this.#target.handle.status(), atPath);
    const isOver = await this.#isOver(cursor, { atPath, isBounded }) || isLeft;
    // The length of the file is determined only after the check whether the file has ended, because a writer may have
    // appended to the file until then.
    yield* cursor.read(cursor.status().byteLength);
    if (!isOver) return false;
    // If the file was sealed, which renames it to a segment, this segment has the lines that were just read. So the
    // next reading must skip this segment.
    this.#segment = this.#sealedAs ?? this.#segment;
    yield cursor.rest();
    this.#closeFile();
    return yield* this.#goOn();
  }

  /** Closes the open files of the cursor. */
  close(): void {
    this.#target?.handle.close();
    this.#target = null;
    this.#closeFile();
  }

  #closeFile(): void {
    this.#cursor?.close();
    this.#cursor = null;
  }

  /**
   * Checks whether a file that was moved away from the path of the active file has ended, so that writers append every
   * later line to a newer file.
   */
  async #isOver(
    cursor: FileCursor,
    { atPath, isBounded }: { atPath: FileStatus | null; isBounded: boolean },
  ): Promise<boolean> {
    const newer = await this.#newer();
    const [oldest] = newer;
    if (oldest === undefined) return atPath !== null && atPath.byteLength > 0;
    if (oldest !== this.#sealedAs) {
      const relation = await compareSegment(cursor, this.#log, oldest);
      if (relation === "unreadable") {
        // Because the archive cannot be read, it is unknown whether it contains the lines of the file that the cursor
        // is reading. If it does, reading the archive next would yield their events twice.
        if (isBounded) {
          const path = this.#log.files.archive(oldest);
          throw new Error(`Cannot read archive: it is damaged or not a regular file: ${path}`);
        }
        // The cursor reads the archive next, and reports the damage.
        return true;
      }
      if (relation !== "same") return relation === "other";
      this.#sealedAs = oldest;
    }
    // The file was renamed to a segment (sealed). If a later step of the sealing fails, the writer moves the file back,
    // but never after another active file exists. So the file has ended if a newer segment or another active file
    // exists.
    return newer.length > 1 || atPath !== null;
  }

  /**
   * Yields the events of the segments that are newer than the cursor's position, and moves the cursor to the active
   * file after them.
   */
  async *#goOn(): AsyncGenerator<AuditEvent[], boolean> {
    const { active, older, hasMissed } = await this.#openNext();
    if (active !== null) this.#setCursor(active, 0);
    const takeable = await this.#planned(older);
    const turns = new Turns(this.#source.clock);
    for (const stamp of older) {
      if (turns.isDue) await turns.take();
      const archive = takeable.get(stamp);
      const taken = archive !== undefined && await this.#options.taker!.take(archive);
      if (taken === false) yield* this.#eventsOf(stamp);
      else if (taken !== true) await this.#addNeeded(stamp, taken);
      this.#segment = stamp;
    }
    return active !== null || older.length > 0 || hasMissed;
  }

  /**
   * Before the first reading, passes the list of the files to the option `taker`. Resolves with the archives whose
   * stored sums the taker may use, keyed by the times in their names. In later readings, resolves with no archives.
   */
  async #planned(stamps: readonly Stamp[]): Promise<Map<Stamp, KnownArchive>> {
    const { taker, filter } = this.#options;
    const takeable = new Map<Stamp, KnownArchive>();
    if (taker === undefined || this.#isPlanned) return takeable;
    this.#isPlanned = true;
    const turns = new Turns(this.#source.clock);
    const lines = await this.#lines(turns);
    const files: LogFile[] = [];
    for (const stamp of stamps) {
      if (turns.isDue) await turns.take();
      const { path, line } = this.#describe(stamp, lines);
      files.push({ path, line });
      if (line !== undefined && mayLineHold(line, filter)) takeable.set(stamp, { path, line });
    }
    if (taker.plan !== undefined) taker.plan(files, await this.#newestEvents());
    return takeable;
  }

  #lines(turns: Turns): Promise<ManifestLines> {
    return linesInTurns(this.#manifest, this.#source.logger, turns);
  }

  /** Resolves with some of the newest events in the active file, which the cursor reads later. */
  async #newestEvents(): Promise<AuditEvent[]> {
    const handle = this.#cursor?.handle;
    if (handle === undefined) return [];
    const { byteLength } = handle.status();
    // The last line may be unfinished, and its bytes may change. So its event does not count.
    return (await newestEvents({ handle, byteLength }, this.#source.maxLineBytes)).slice(0, -1);
  }

  /**
   * Reads an archive whose stored sums the caller has already added, and passes on the events that the caller needs in
   * addition to the sums.
   */
  async #addNeeded(stamp: Stamp, { filter, add }: NeededEvents): Promise<void> {
    for await (const events of this.#eventsOf(stamp)) {
      for (const event of events) if (filter.matches(event)) add(event);
    }
  }

  /** Returns the path of a segment's archive, and its manifest line if the segment exists only as an archive. */
  #describe(stamp: Stamp, lines: ManifestLines): LogFile {
    using stack = new DisposableStack();
    const path = this.#log.files.archive(stamp);
    const [file] = openSegment(stack, this.#log, { stamp, forms: new Set(["sealed"]) });
    return { path, line: file === undefined ? undefined : lineOf(file, lines) };
  }

  /**
   * Opens the active file, and lists all segments between the cursor and this file. If the active file is sealed during
   * the listing, returns no file and only the oldest of these segments, but at least one if there are any. Then
   * `hasMissed` is true, because newer segments exist.
   */
  async #openNext(): Promise<{ active: FileHandle | null; older: Stamp[]; hasMissed: boolean }> {
    using stack = new DisposableStack();
    const active = this.#log.openActive(stack);
    const older = await this.#newer();
    if (active !== null && this.#isActive(active)) {
      stack.move();
      this.#replacements = 0;
      return { active, older, hasMissed: false };
    }
    const hasMissed = active !== null;
    if (hasMissed) this.#replacements++;
    const newest = older.at(-1);
    const again = newest === undefined ? [] : await this.#newer();
    return { active: null, older: withoutGap(again, newest), hasMissed };
  }

  /**
   * Resolves with the non-empty segments that are newer than the cursor's position, oldest first. The directory is
   * listed in steps. But if the active file was sealed during the last listing, the next one is not divided into steps.
   * Otherwise a file might be sealed during every listing.
   */
  #newer(): Promise<Stamp[]> {
    return this.#replacements > 0
      ? Promise.resolve(newerSegments(this.#log, this.#segment))
      : newerSegmentsInTurns(this.#log, this.#segment, new Turns(this.#source.clock));
  }

  #isActive(handle: FileHandle): boolean {
    return this.#log.isAt(this.#log.files.active, handle);
  }

  /**
   * Opens the active file and lists the segments between the cursor and this file. If the file is sealed meanwhile,
   * tries again. Does not let other tasks run.
   */
  #openCurrent(): { active: FileHandle | null; older: Stamp[] } {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      using stack = new DisposableStack();
      const active = this.#log.openActive(stack);
      const older = newerSegments(this.#log, this.#segment);
      if (active === null) {
        const again = newerSegments(this.#log, this.#segment);
        return { active, older: withoutGap(again, older.at(-1)) };
      }
      if (this.#isActive(active)) {
        stack.move();
        return { active, older };
      }
    }
    throw replacedTooOften(this.#log, "follow");
  }

  /**
   * Yields the events that the cursor skipped, newest first: the events of the open file, then the events of the
   * segments.
   */
  async *#backwards(segments: readonly Stamp[]): AsyncGenerator<Iterable<AuditEvent>> {
    if (this.#cursor !== null) {
      const byteLength = await this.#cursor.lineStart();
      const { handle } = this.#cursor;
      const { active: path } = this.#log.files;
      yield* this.#eventsIn({ path, isArchive: false, byteLength, handle }, "desc");
    }
    for (const stamp of segments.toReversed()) yield* this.#eventsOf(stamp, "desc");
  }

  /**
   * Resolves with the index in `stamps` of the newest segment that has an event of the type for which `isWanted`
   * returns true; null if no segment has such an event.
   */
  async #newestSegmentWith(
    { type, isWanted }: { type: string; isWanted: (event: AuditEvent) => boolean },
    stamps: readonly Stamp[],
  ): Promise<number | null> {
    const turns = new Turns(this.#source.clock);
    const lines = await this.#lines(turns);
    const filter = eventFilter({ eventType: type });
    for (let index = stamps.length - 1; index >= 0; index--) {
      if (turns.isDue) await turns.take();
      const stamp = stamps[index]!;
      const path = this.#log.files.archive(stamp);
      const byteLength = this.#log.fileSystem.status(path)?.byteLength ?? 0;
      const line = lineOf({ path, isArchive: true, byteLength, handle: null }, lines);
      if (line !== undefined && !mayLineHold(line, filter)) continue;
      for await (const events of this.#eventsOf(stamp)) {
        if (events.some(isWanted)) return index;
      }
    }
    return null;
  }

  #setCursor(handle: FileHandle, from: number | "end"): void {
    const { active: path } = this.#log.files;
    const { clock, maxLineBytes, texts } = this.#source;
    this.#closeFile();
    this.#sealedAs = undefined;
    const damage = this.#damageOfFile();
    this.#cursor = new FileCursor(handle, { path, clock, maxLineBytes, damage, from, texts });
  }

  async *#eventsOf(
    stamp: Stamp,
    order: "asc" | "desc" = "asc",
  ): AsyncGenerator<AuditEvent[]> {
    using stack = new DisposableStack();
    const opened = openSegment(stack, this.#log, { stamp, forms: new Set(["sealed"]) });
    const path = this.#log.files.archive(stamp);
    const gone: SnapshotFile = { path, isArchive: true, byteLength: 0, handle: null };
    // If the segment was removed after it was listed, the attempt to read its archive reports the missing file.
    for (const file of opened.length > 0 ? opened : [gone]) yield* this.#eventsIn(file, order);
  }

  async *#eventsIn(
    file: SnapshotFile,
    order: "asc" | "desc",
  ): AsyncGenerator<AuditEvent[]> {
    const { log, clock, maxLineBytes, texts } = this.#source;
    const { filter, signal } = this.#options;
    const line = file.isArchive ? lineOf(file, await this.#lines(new Turns(clock))) : undefined;
    if (line !== undefined && !mayLineHold(line, filter)) return;
    yield* eventsOf(file, {
      log,
      clock,
      maxLineBytes,
      damage: this.#damageOfFile(),
      // Every line is parsed, because damage is reported regardless of the filter.
      lineTest: new LineTest({}),
      order,
      signal,
      texts,
    });
  }

  /**
   * Returns a new damage report for one file. A report recognizes a region by its path and offset. Successive active
   * files have the same path, so one report would confuse their regions.
   */
  #damageOfFile(): DamageReport {
    return new DamageReport(this.#source.logger, this.#options.damage);
  }
}

/**
 * Returns the segments of a second listing of the directory, up to `newest`, the newest one of the first listing. Files
 * that are sealed during a listing may appear in it or not, so the first listing may contain a new segment without an
 * older one. But each segment before `newest` existed when the second listing began, so the second listing contains all
 * of them.
 */
function withoutGap(again: readonly Stamp[], newest: Stamp = ""): Stamp[] {
  return again.filter((stamp) => stamp <= newest);
}

/**
 * Resolves with the byte offset of the newest line with a wanted event, before byte `byteLength` of the file; null if
 * there is no such line.
 */
async function newestOffset(
  handle: FileHandle,
  byteLength: number,
  { type, isWanted, maxLineBytes }: {
    type: string;
    isWanted: (event: AuditEvent) => boolean;
    maxLineBytes: number;
  },
): Promise<number | null> {
  for await (const { byteOffset, bytes } of tailBlocksOf(handle, byteLength, maxLineBytes)) {
    // If a block does not contain the event type as text, it has no event of this type, because this library writes its
    // own types without escapes.
    if (bytes === null || !bufferOf(bytes).includes(JSON.stringify(type))) continue;
    const lines = [...new LineSplitter(maxLineBytes).split(bytes)];
    const found = lines.findLast((line) => isEventOf(line.bytes, isWanted));
    if (found !== undefined) return byteOffset + found.byteOffset;
  }
  return null;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function isEventOf(line: Uint8Array | null, isWanted: (event: AuditEvent) => boolean): boolean {
  if (line === null) return false;
  const parsed = parseLine(line);
  return parsed !== null && "event" in parsed && isWanted(parsed.event);
}
