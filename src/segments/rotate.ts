/**
 * Seals the active file: renames it to the name of a segment, without replacing a file of another program.
 *
 * - The name is reserved by an empty file, which only one process can create. The rename replaces only that file. If
 *   the process is killed before the rename, the empty file remains and recovery removes it.
 * - The empty file gets the owner of the active file. If the process may not set this owner, it does not seal the
 *   active file, because it could not assign the next active file to this owner either.
 * - The directory is synced before the next active file can be created. Otherwise a power loss could keep the name of
 *   the next active file but undo the rename. The file with the sealed lines would then have no name.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { type FileStatus, isSameFile, type Ownership } from "../platform/file_system.ts";
import type { LogDirectory } from "./log_directory.ts";
import { newestRecordedStamp } from "./recorded_stamp.ts";
import { nextStamp, type StampFacts } from "./rotation_policy.ts";
import type { Stamp } from "./segment_name.ts";

/** The facts that {@linkcode sealActive} needs about the active file. */
export interface Sealing extends Omit<StampFacts, "newestStamp"> {
  /**
   * The owner, group and mode of the active file. The segment and the next active file must have the same ownership.
   */
  readonly ownership: Ownership | null;
}

/**
 * Seals the active file. The caller must hold the append lock and must have synced the content of the file.
 *
 * @returns The stamp of the segment, which is the time in its file name.
 * @throws {AggregateError} If a file operation fails and undoing the previous steps fails too. The active file may then
 *   have the name of the segment.
 * @throws {OwnershipError} If the process may not assign files to the owner of the active file.
 * @throws {RangeError} If the name of the newest segment already has the last possible time.
 * @throws {Error} If a file operation fails. The active file then keeps its name.
 */
export function sealActive(log: LogDirectory, sealing: Sealing): Stamp {
  const { fileSystem, files } = log;
  const { stamp, reserved } = reserveStamp(log, sealing);
  const sealed = files.sealed(stamp);
  try {
    fileSystem.rename(files.active, sealed);
  } catch (error) {
    // A rename that reports an error may still have taken effect on the disk. So remove the file at the new name only
    // if it is still the empty file that reserved the name.
    const isReserved = () => {
      const status = fileSystem.status(sealed);
      return status !== null && isSameFile(status, reserved) && status.byteLength === 0;
    };
    throw undone(error, () => isReserved() && fileSystem.remove(sealed));
  }
  try {
    log.syncSync();
  } catch (error) {
    throw undone(error, () => fileSystem.rename(sealed, files.active));
  }
  return stamp;
}

function reserveStamp(
  log: LogDirectory,
  sealing: Sealing,
): { stamp: Stamp; reserved: FileStatus } {
  let newest = newestStampOf(log);
  for (;;) {
    const stamp = nextStamp({ ...sealing, newestStamp: newest });
    try {
      const handle = log.create(log.files.sealed(stamp), sealing.ownership);
      try {
        return { stamp, reserved: handle.status() };
      } finally {
        handle.close();
      }
    } catch (error) {
      // A file with this name exists: it belongs to another log, or another program has just created it. Try a name
      // with a later time.
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    newest = stamp;
  }
}

/**
 * Returns the newest stamp (time in the name of a segment) of the log, even if retention has removed its archive;
 * undefined if the log has no stamp.
 */
function newestStampOf(log: LogDirectory): Stamp | undefined {
  const listed = log.newestStamp();
  let recorded: Stamp | undefined;
  try {
    recorded = newestRecordedStamp(log);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    log.warnOnce(
      `Cannot read the end of the manifest, so a segment may get the name of one that was removed: ${
        messageOf(error)
      }: ${log.files.manifest}`,
    );
  }
  if (listed === undefined || recorded === undefined) return listed ?? recorded;
  return recorded > listed ? recorded : listed;
}

function undone(error: unknown, undo: () => unknown): unknown {
  try {
    undo();
    return error;
  } catch (undoError) {
    return new AggregateError(
      [error, undoError],
      `${messageOf(error)}; undoing the previous steps failed too: ${messageOf(undoError)}`,
    );
  }
}
