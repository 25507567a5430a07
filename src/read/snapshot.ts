/**
 * The files of a log as they are at one moment: archives, sealed segments, the active file.
 *
 * Writers go on meanwhile. A segment is sealed by renaming the active file, and removed only after
 * its archive is there, so:
 * - The active file is opened first. What it held then is in it or, if it was sealed since, in the
 *   segment with its inode; that and all younger ones are left out, so nothing is there twice.
 * - The segments are listed then; what was sealed before is among them, in one form or the other.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import { isSameFile, openInto } from "../platform/regular_file.ts";
import { startFor } from "../segments/active_marks.ts";
import { type ListedSegment, listSegments } from "../segments/list_segments.ts";
import type { LogFiles } from "../segments/segment_name.ts";

/** A file of a snapshot. */
export interface SnapshotFile {
  readonly path: string;
  readonly isArchive: boolean;
  /** Its length when the snapshot was taken; of an archive, that of its gzip form, when asked for. */
  readonly byteLength: number;
  /** The open file; null for one that is still to be opened, as nobody moves an archive. */
  readonly handle: FileHandle | null;
}

/** The files of a log in the order of their content, oldest first; disposing of it closes them. */
export interface Snapshot extends Disposable {
  readonly files: readonly SnapshotFile[];
}

// Each attempt is lost only to a segment that is sealed, archived and removed during it.
const ATTEMPTS = 16;

/**
 * Takes a snapshot. A log that is not there has no files.
 *
 * @throws {TypeError} when the active file is anything but a plain file.
 */
export function takeSnapshot(fileSystem: FileSystem, files: LogFiles): Snapshot {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const snapshot = tryToTakeSnapshot(fileSystem, files);
    if (snapshot !== null) return snapshot;
  }
  throw new Error(`Cannot read audit log: it is being replaced all the time: ${files.active}`);
}

function tryToTakeSnapshot(fileSystem: FileSystem, files: LogFiles): Snapshot | null {
  using stack = new DisposableStack();
  const active = openInto(stack, fileSystem, files.active);
  const found: SnapshotFile[] = [];
  let isActiveFound = active === null;
  for (const segment of listSegments(fileSystem, files)) {
    const opened = openSegment(stack, fileSystem, files, segment);
    if (active !== null && opened.some(({ handle }) => isActive(handle, active))) {
      isActiveFound = true;
      break;
    }
    found.push(...opened);
  }
  if (active !== null) {
    const atPath = fileSystem.status(files.active);
    isActiveFound ||= atPath !== null && isSameFile(atPath, active.status());
    found.push(opened(files.active, active));
  }
  if (!isActiveFound) return null;
  const kept = stack.move();
  return { files: found, [Symbol.dispose]: () => kept.dispose() };
}

/** Where to begin to read a file of a snapshot for events of the instant or later. */
export function startIn(
  { path, handle }: SnapshotFile,
  sinceMs: number,
  { fileSystem, logFiles }: { readonly fileSystem: FileSystem; readonly logFiles: LogFiles },
): number {
  const isActive = path === logFiles.active && handle !== null;
  if (!isActive || sinceMs === -Infinity) return 0;
  return startFor(sinceMs, { fileSystem, lockPath: logFiles.lock, active: handle });
}

function opened(path: string, handle: FileHandle): SnapshotFile {
  return { path, isArchive: false, byteLength: handle.status().byteLength, handle };
}

/**
 * Opens a segment as it is now: the sealed one, or its archive. An archive, which nobody moves, is to be
 * opened in its turn. What is empty at the sealed path, or no plain file, comes before the archive and
 * hides it not; a segment that is gone and has no archive, or held nothing, gives none.
 */
export function openSegment(
  stack: DisposableStack,
  fileSystem: FileSystem,
  files: LogFiles,
  { stamp, forms }: ListedSegment,
): SnapshotFile[] {
  const sealed = forms.has("sealed") ? openSealed(stack, fileSystem, files.sealed(stamp)) : null;
  if (sealed !== null && sealed.byteLength > 0) return [sealed];
  const path = files.archive(stamp);
  // One that was listed is there; one that takes the place of a segment has to be looked for.
  const isArchived = forms.has("archive") || fileSystem.status(path) !== null;
  const archive = isArchived ? [new ArchiveFile(fileSystem, path)] : [];
  return sealed === null ? archive : [sealed, ...archive];
}

/** An archive of a snapshot, which is looked at when somebody asks: with a long history, few are. */
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
  fileSystem: FileSystem,
  path: string,
): SnapshotFile | null {
  try {
    const handle = openInto(stack, fileSystem, path);
    return handle === null ? null : opened(path, handle);
  } catch (error) {
    // A symlink or a FIFO with the name of a segment; whoever reads it is told.
    if (!(error instanceof TypeError)) throw error;
    return { path, isArchive: false, byteLength: 0, handle: null };
  }
}

function isActive(handle: FileHandle | null, active: FileHandle): boolean {
  return handle !== null && isSameFile(handle.status(), active.status());
}
