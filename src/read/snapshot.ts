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
import type { FileHandle, FileSystem } from "../file_system.ts";
import { isSameFile, openForRead } from "../regular_file.ts";
import { listSegments } from "../segments/list_segments.ts";
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
  const active = openInto(stack, fileSystem, files.active);
  const found: SnapshotFile[] = [];
  let isActiveFound = active === null;
  for (const { stamp, forms } of listSegments(fileSystem, files)) {
    const path = files.sealed(stamp);
    const opened = forms.has("sealed") ? orRefused(() => openInto(stack, fileSystem, path)) : null;
    if (opened === "refused") {
      found.push({ path, isArchive: false, opened: null });
    } else if (opened === null) {
      // A segment that is gone since it was listed has an archive, or was one that held nothing.
      const archive = files.archive(stamp);
      if (fileSystem.status(archive) !== null) {
        found.push({ path: archive, isArchive: true, opened: null });
      }
    } else if (active !== null && isSameFile(opened.handle.status(), active.handle.status())) {
      isActiveFound = true;
      break;
    } else {
      found.push({ path, isArchive: false, opened });
    }
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

/** Opens a file that is closed with the stack; null when there is none. */
export function openInto(
  stack: DisposableStack,
  fileSystem: FileSystem,
  path: string,
): OpenedFile | null {
  const handle = openForRead(fileSystem, path);
  if (handle === null) return null;
  stack.defer(() => handle.close());
  return { handle, byteLength: handle.status().byteLength };
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
