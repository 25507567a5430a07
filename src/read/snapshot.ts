/**
 * The files of a log as they are at one moment: archives, sealed segments, the active file.
 *
 * Writers go on meanwhile. A segment is sealed by renaming the active file, and removed only after
 * its archive is there, so:
 * - The active file is opened first. What it held then is in it or, if it was sealed since, in the
 *   segment with its inode; that and all younger ones are left out, so nothing is there twice.
 * - A listing may miss both forms of a segment that is archived while it runs; a second one, begun
 *   after the first has ended, finds the archive. So two listings together miss nothing.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../file_system.ts";
import { isSameFile, openForRead } from "../regular_file.ts";
import { type ListedSegment, listSegments } from "../segments/list_segments.ts";
import type { LogFiles } from "../segments/segment_name.ts";

/** A file of a snapshot. */
export interface SnapshotFile {
  readonly path: string;
  readonly isArchive: boolean;
  /** The open file; null for one that is still to be opened, as nobody moves an archive. */
  readonly opened: OpenedFile | null;
}

/** An open file and how much of it belongs to the snapshot. */
export interface OpenedFile {
  readonly handle: FileHandle;
  readonly byteLength: number;
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
  throw new Error(`Cannot read audit log as it is being replaced all the time: ${files.active}`);
}

function tryToTakeSnapshot(fileSystem: FileSystem, files: LogFiles): Snapshot | null {
  using stack = new DisposableStack();
  const open = (path: string): OpenedFile | null => {
    const handle = openForRead(fileSystem, path);
    if (handle === null) return null;
    stack.defer(() => handle.close());
    return { handle, byteLength: handle.status().byteLength };
  };
  const active = open(files.active);
  const found: SnapshotFile[] = [];
  let isActiveFound = active === null;
  for (const { stamp, sealed } of listTwice(fileSystem, files)) {
    const path = files.sealed(stamp);
    const status = sealed ? fileSystem.status(path) : null;
    if (active !== null && status !== null && isSameFile(status, active.handle.status())) {
      isActiveFound = true;
      break;
    }
    const opened = status === null ? null : orRefused(() => open(path));
    found.push(
      opened === null
        ? { path: files.archive(stamp), isArchive: true, opened: null }
        : { path, isArchive: false, opened: opened === "refused" ? null : opened },
    );
  }
  if (active !== null) {
    const atPath = fileSystem.status(files.active);
    isActiveFound ||= atPath !== null && isSameFile(atPath, active.handle.status());
    found.push({ path: files.active, isArchive: false, opened: active });
  }
  if (!isActiveFound) return null;
  const kept = stack.move();
  return { files: found, [Symbol.dispose]: () => kept.dispose() };
}

/** What two listings, one after the other, find together. */
function listTwice(fileSystem: FileSystem, files: LogFiles): ListedSegment[] {
  const first = listSegments(fileSystem, files);
  const stamps = new Set(first.map(({ stamp }) => stamp));
  const second = listSegments(fileSystem, files).filter(({ stamp }) => !stamps.has(stamp));
  return [...first, ...second].sort((a, b) => a.stamp < b.stamp ? -1 : 1);
}

/** A symlink or a FIFO with the name of a segment spoils its own part and no other. */
function orRefused<T>(open: () => T): T | "refused" {
  try {
    return open();
  } catch (error) {
    if (error instanceof TypeError) return "refused";
    throw error;
  }
}
