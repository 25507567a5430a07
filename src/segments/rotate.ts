/**
 * Sealing: the active file gets the name of a segment, and no other file loses its own.
 *
 * - The name is reserved by an empty file that only one can make, and the rename replaces that file
 *   alone. A sealer that is killed in between leaves an empty segment, which recovery takes away.
 * - The directory is brought to the disk before the next active file can be made. Otherwise a power
 *   cut could keep the new file's name and lose the rename, and with it the whole segment.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import type { FileStatus, FileSystem } from "../platform/file_system.ts";
import { isSameFile } from "../platform/regular_file.ts";
import { newestStamp } from "./list_segments.ts";
import { nextStamp, type StampFacts } from "./rotation_policy.ts";
import type { LogFiles, Stamp } from "./segment_name.ts";

/** When the segment ends: see {@linkcode nextStamp}. */
export type SealTimes = Omit<StampFacts, "newestStamp">;

/**
 * Seals the active file, whose content is synced. Call it under the append lock only. When it
 * throws, the active file has its name still, or the error says that it could not be given back.
 */
export function sealActive(fileSystem: FileSystem, files: LogFiles, times: SealTimes): Stamp {
  const { stamp, reserved } = reserveStamp(fileSystem, files, times);
  const sealed = files.sealed(stamp);
  try {
    fileSystem.rename(files.active, sealed);
  } catch (error) {
    // A rename that failed for the caller may have happened on the disk.
    const isReserved = () => {
      const status = fileSystem.status(sealed);
      return status !== null && isSameFile(status, reserved) && status.byteLength === 0;
    };
    throw undone(error, () => isReserved() && fileSystem.remove(sealed));
  }
  try {
    fileSystem.syncDirectorySync(files.directory);
  } catch (error) {
    throw undone(error, () => fileSystem.rename(sealed, files.active));
  }
  return stamp;
}

function reserveStamp(
  fileSystem: FileSystem,
  files: LogFiles,
  times: SealTimes,
): { stamp: Stamp; reserved: FileStatus } {
  let newest = newestStamp(fileSystem, files);
  for (;;) {
    const stamp = nextStamp({ ...times, newestStamp: newest });
    try {
      const handle = fileSystem.open(files.sealed(stamp), "create");
      try {
        return { stamp, reserved: handle.status() };
      } finally {
        handle.close();
      }
    } catch (error) {
      // A log of its own may have the name, or another program has just taken it.
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    newest = stamp;
  }
}

function undone(error: unknown, undo: () => unknown): unknown {
  try {
    undo();
    return error;
  } catch (undoError) {
    return new AggregateError(
      [error, undoError],
      `${messageOf(error)}, then ${messageOf(undoError)}`,
    );
  }
}
