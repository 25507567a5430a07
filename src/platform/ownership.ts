/**
 * Compares the owner, the group and the mode of files, and reports an owner that the process may not assign.
 *
 * @module
 */
import type { Ownership } from "./file_system.ts";

/** Checks whether two files have the same owner, group and mode. */
export function isSameOwnership(a: Ownership | null, b: Ownership | null): boolean {
  return a?.uid === b?.uid && a?.gid === b?.gid && a?.mode === b?.mode;
}

/**
 * Thrown if a new file of a log would have to belong to a user or group to which the process may not assign files. The
 * message does not name the action that failed; the caller puts the action before the message.
 */
export class OwnershipError extends Error {
  /** The name of the class. */
  override readonly name = "OwnershipError";

  /** Creates the error for a new file that must have this owner and group. */
  constructor({ uid, gid }: Ownership, options?: ErrorOptions) {
    super(
      `new files must belong to uid ${uid}, gid ${gid}, as the log does, and this process may not assign files to them; ` +
        "run it as that user, or as root",
      options,
    );
  }
}
