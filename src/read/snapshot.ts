/**
 * A snapshot of a log: its archives, sealed segments and active file at one moment.
 *
 * A snapshot does not block writers. A writer seals a segment by renaming the active file, and removes the segment only
 * after its archive exists. Therefore:
 * - The active file is opened first. If a writer seals the file after that, one of the segments has the same inode as
 *   the open file. That segment and all newer segments are left out, so no event appears twice.
 * - The segments are listed next. Every segment that was sealed before the listing is in the list, as a sealed segment
 *   or as an archive.
 *
 * @module
 */
import { type FileHandle, type FileSystem, isSameFile } from "../platform/file_system.ts";
import type { Turns } from "../platform/turns.ts";
import { startFor } from "../segments/active_marks.ts";
import type { ListedSegment, LogDirectory } from "../segments/log_directory.ts";
import type { Stamp } from "../segments/segment_name.ts";

/** A file of a snapshot. */
export interface SnapshotFile {
  readonly path: string;
  readonly isArchive: boolean;
  /**
   * The length in bytes when the snapshot was taken. For an archive, the compressed length at the first access to this
   * property.
   */
  readonly byteLength: number;
  /** The open file, or null if it is opened later. Archives are opened later, because they are never renamed. */
  readonly handle: FileHandle | null;
}

/** The files of a log, oldest content first. Disposing of the snapshot closes the open files. */
export interface Snapshot extends Disposable {
  readonly files: readonly SnapshotFile[];
}

/**
 * Maximum number of attempts in a row to open the active file and list the segments. An attempt fails only if the active
 * file is replaced meanwhile.
 */
export const ATTEMPTS = 16;

/**
 * Takes a snapshot of a log. If the log does not exist, the snapshot has no files.
 *
 * @throws {TypeError} If the active file is not a regular file.
 * @throws {Error} If the active file is replaced during every attempt.
 */
export function takeSnapshot(log: LogDirectory): Snapshot {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const snapshot = tryToTakeSnapshot(log);
    if (snapshot !== null) return snapshot;
  }
  throw replacedTooOften(log, "read");
}

/** Takes a snapshot like {@linkcode takeSnapshot}, in steps between which other tasks can run. */
export async function takeSnapshotInTurns(log: LogDirectory, turns: Turns): Promise<Snapshot> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    using stack = new DisposableStack();
    const draft = stack.use(new SnapshotDraft(log));
    for (const segment of await log.segmentsInTurns(turns)) {
      if (turns.isDue) await turns.take();
      if (!draft.take(segment)) break;
    }
    const snapshot = draft.finish();
    if (snapshot !== null) return snapshot;
  }
  throw replacedTooOften(log, "read");
}

function tryToTakeSnapshot(log: LogDirectory): Snapshot | null {
  using draft = new SnapshotDraft(log);
  for (const segment of log.segments()) if (!draft.take(segment)) break;
  return draft.finish();
}

/** Returns the error if the active file was replaced during every attempt. `action` is the work of the caller. */
export function replacedTooOften(log: LogDirectory, action: "read" | "follow"): Error {
  return new Error(
    `Cannot ${action} audit log: the active file was replaced, as by a rotation, during each of ${ATTEMPTS} attempts to open it; try again, or rotate less often: ` +
      log.files.active,
  );
}

/** A snapshot that is being taken. The constructor opens the active file, before the caller lists the segments. */
class SnapshotDraft implements Disposable {
  readonly #log: LogDirectory;
  readonly #stack = new DisposableStack();
  readonly #active: FileHandle | null;
  readonly #found: SnapshotFile[] = [];
  #isActiveFound: boolean;

  constructor(log: LogDirectory) {
    this.#log = log;
    this.#active = log.openActive(this.#stack);
    this.#isActiveFound = this.#active === null;
  }

  /**
   * Adds the next segment. Returns false if the segment is the active file, which a writer has renamed to a segment
   * meanwhile. The caller must then not add newer segments.
   */
  take(segment: ListedSegment): boolean {
    const active = this.#active;
    const opened = openSegment(this.#stack, this.#log, segment);
    if (active !== null && opened.some(({ handle }) => isActive(handle, active))) {
      this.#isActiveFound = true;
      return false;
    }
    this.#found.push(...opened);
    return true;
  }

  /** Returns the snapshot, which then owns the open files. Returns null if the active file was replaced meanwhile. */
  finish(): Snapshot | null {
    const active = this.#active;
    if (active !== null) {
      this.#isActiveFound ||= this.#log.isAt(this.#log.files.active, active);
      this.#found.push(opened(this.#log.files.active, active));
    }
    if (!this.#isActiveFound) return null;
    const kept = this.#stack.move();
    return { files: this.#found, [Symbol.dispose]: () => kept.dispose() };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/**
 * Returns the byte offset from which a reader must read a file of a snapshot to find all events at or after the
 * instant.
 */
export function startIn(
  { path, handle }: SnapshotFile,
  sinceMs: number,
  log: LogDirectory,
): number {
  const isActive = path === log.files.active && handle !== null;
  if (!isActive || sinceMs === -Infinity) return 0;
  return startFor(sinceMs, { log, active: handle });
}

function opened(path: string, handle: FileHandle): SnapshotFile {
  return { path, isArchive: false, byteLength: handle.status().byteLength, handle };
}

/**
 * Opens a segment in its current form: the sealed file, or else its archive. An empty sealed file only reserves the
 * name, so it is skipped. If the path of the sealed file is not a regular file, returns this path and the archive.
 * Returns no file if neither exists. An archive is opened only when it is read.
 */
export function openSegment(
  stack: DisposableStack,
  log: LogDirectory,
  { stamp, forms }: ListedSegment,
): SnapshotFile[] {
  const { fileSystem, files } = log;
  const sealed = forms.has("sealed") ? openSealed(stack, log, stamp) : null;
  if (sealed !== null && sealed.byteLength > 0) return [sealed];
  const path = files.archive(stamp);
  // If the directory listing has no archive of the segment, the archive may exist all the same, because the segment may
  // have been archived after the listing.
  const isArchived = forms.has("archive") || fileSystem.status(path) !== null;
  const archive = isArchived ? [new ArchiveFile(fileSystem, path)] : [];
  return sealed === null ? archive : [sealed, ...archive];
}

/** An archive of a snapshot. Its length is read on demand, because most archives of a long history are never read. */
class ArchiveFile implements SnapshotFile {
  readonly isArchive = true;
  readonly handle = null;
  readonly path: string;
  readonly #fileSystem: FileSystem;
  #byteLength: number | undefined;

  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.path = path;
  }

  get byteLength(): number {
    return this.#byteLength ??= this.#fileSystem.status(this.path)?.byteLength ?? 0;
  }
}

function openSealed(
  stack: DisposableStack,
  log: LogDirectory,
  stamp: Stamp,
): SnapshotFile | null {
  const path = log.files.sealed(stamp);
  if (log.isReserved(stamp)) return null;
  try {
    const handle = log.openSealed(stamp, stack);
    return handle === null ? null : opened(path, handle);
  } catch (error) {
    // The path of the segment is not a regular file but, for example, a symlink. A later attempt to read it reports the
    // damage.
    if (!(error instanceof TypeError)) throw error;
    return { path, isArchive: false, byteLength: 0, handle: null };
  }
}

function isActive(handle: FileHandle | null, active: FileHandle): boolean {
  return handle !== null && isSameFile(handle.status(), active.status());
}
