/**
 * Creates the files of a log so that the owner of the log can use them, even if another user creates them.
 *
 * A maintenance command often runs as root. Files that belong to root would lock out the service that writes the log.
 * Therefore a new file gets the owner, the group and the mode of an existing file of the log: of the active file, or
 * else of the newest segment. The first file of a log gets the owner and the group of the directory, as far as the
 * process may assign files to them.
 *
 * Invariant: a file gets its name only after it has its final owner, even if a kill or a power loss interrupts the
 * creation. If a file is for another owner than the process, the process creates it under a temporary name, sets the
 * owner, syncs the file, and only then links it to its name.
 *
 * @module
 */
import type { FileHandle, FileSystem, Ownership } from "../platform/file_system.ts";
import { isSameOwnership, OwnershipError } from "../platform/ownership.ts";
import { removeTemporary, temporaryFor } from "../platform/temporary_file.ts";
import type { LogFiles } from "./segment_name.ts";

/** Mode of the first file of a log: only its owner can read and write it. */
const FIRST_MODE = 0o600;
/** The mode bits that let the group read and write a file. */
const GROUP_WRITES = 0o060;
/** The mode bits of a directory that let users other than its owner create files in it. */
const OTHERS_WRITE = 0o022;
const ROOT_UID = 0;
/**
 * Maximum number of attempts of {@linkcode FileCreator.check} to create its temporary file. An attempt fails if another
 * process removes the file, which any process may do.
 */
const CHECKS_MAX = 16;

/** The directory in which a {@linkcode FileCreator} creates files. */
export interface CreationSite {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
  /** Moves a complete file to its final path, by a hard link from its temporary path. The final path must not exist. */
  publish(temporary: string, path: string): void;
  /** Checks whether the path leads to the open file. */
  isAt(path: string, handle: FileHandle): boolean;
  /** Logs a warning, unless the same text was logged before. */
  warnOnce(warning: string): void;
  /** Syncs the directory, so that the names of its files are durable. */
  syncSync(): void;
}

/** Creates the files of one log. */
export class FileCreator {
  readonly #site: CreationSite;
  /**
   * The owner, group and mode that the system assigns to new files of this process; null if the system has no ownership.
   * Undefined while it is not known.
   */
  #own: Ownership | null | undefined;

  /** Creates the object; does not access the disk. */
  constructor(site: CreationSite) {
    this.#site = site;
  }

  /**
   * Creates a file of the log, and opens it for appending. If the process is not allowed to assign the file to the
   * owner or the group of the log, the file belongs to the user of the process. But if the owner of the log could then
   * not open the file, throws and creates no file.
   *
   * @param ofLog The owner, group and mode of the active file, the newest segment or the lock file; null if the log has
   *   no file.
   * @throws {Deno.errors.AlreadyExists} If the path exists.
   * @throws {Deno.errors.Busy} If another process removed the temporary file. The creation must be tried again.
   * @throws {OwnershipError} If the owner of the log could not open the new file.
   */
  create(path: string, ofLog: Ownership | null): FileHandle {
    const directory = this.#site.fileSystem.directoryStatus(this.#site.files.directory)
      ?.ownership ?? null;
    const wanted = ofLog === null ? ofFirstFile(directory) : this.#ofNextFile(path, ofLog);
    if (wanted !== null && this.#own === undefined) this.check(path, null);
    if (wanted === null || this.isOwn(wanted)) return this.#site.fileSystem.open(path, "create");
    try {
      return this.#createFor(wanted, path);
    } catch (error) {
      if (!(error instanceof OwnershipError)) throw error;
      const { uid } = this.#own!;
      // Root can create files even in a directory in which only the owner may create files. If the first file of a log
      // there belonged to root, the owner of the directory could not open it.
      const isPrivate = uid === ROOT_UID && (directory!.mode & OTHERS_WRITE) === 0;
      if (ofLog === null ? !isPrivate : uid === wanted.uid) {
        if (ofLog !== null) this.#warnOfGroup(path, wanted);
        return this.#site.fileSystem.open(path, "create");
      }
      // If the group can write the files of the log, the owner can open the new file as a member of the group.
      if (ofLog !== null && (wanted.mode & GROUP_WRITES) === GROUP_WRITES) {
        return this.#createFor({ ...wanted, uid }, path);
      }
      throw error;
    }
  }

  /**
   * Checks whether the system assigns this owner, group and mode to new files of this process. Always returns true for
   * null, which means that the system has no ownership. Returns false for any other ownership as long as this object
   * has not created a file.
   */
  isOwn(ownership: Ownership | null): boolean {
    return ownership === null || this.#own !== undefined && isSameOwnership(this.#own, ownership);
  }

  /**
   * Assigns a file that this process has just created to an owner, before the first byte is written.
   *
   * @throws {OwnershipError} If the process may not assign files to the owner.
   */
  assign(handle: FileHandle, ownership: Ownership | null): void {
    this.#own = handle.status().ownership;
    if (ownership === null || isSameOwnership(this.#own, ownership)) return;
    try {
      handle.setOwnership(ownership);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
      throw new OwnershipError(ownership, { cause });
    }
  }

  /**
   * Checks that this process can create a file with this owner, group and mode at the path. For this check, creates and
   * removes a temporary file, and stores the ownership that the system assigned to this file.
   *
   * @throws {OwnershipError} If the process may not assign files to the owner.
   */
  check(path: string, ownership: Ownership | null): void {
    for (let attempt = 1;; attempt++) {
      try {
        const { handle, temporary } = this.#createTemporary(path, ownership);
        handle.close();
        removeTemporary(this.#site.fileSystem, temporary);
        return;
      } catch (error) {
        if (!(error instanceof Deno.errors.Busy) || attempt === CHECKS_MAX) throw error;
      }
    }
  }

  #warnOfGroup(path: string, { gid }: Ownership): void {
    this.#site.warnOnce(
      `Other users may not be able to read new files of the log, because this process may not assign files to the group ` +
        `of the log, gid ${gid}: ${path}`,
    );
  }

  #ofNextFile(path: string, ofLog: Ownership): Ownership {
    const isLock = path !== this.#site.files.active && path.endsWith(".lock");
    return isLock ? { ...ofLog, mode: lockMode(ofLog.mode) } : ofLog;
  }

  /** Creates a file under a temporary name, assigns it to an owner, and links it to its path. */
  #createFor(ownership: Ownership, path: string): FileHandle {
    using stack = new DisposableStack();
    const { handle, temporary } = this.#createTemporary(path, ownership);
    stack.defer(() => handle.close());
    try {
      this.#site.publish(temporary, path);
    } catch (error) {
      throw error instanceof Deno.errors.NotFound ? lost(path, error) : error;
    } finally {
      removeTemporary(this.#site.fileSystem, temporary);
    }
    if (!this.#site.isAt(path, handle)) throw lost(path);
    // Without this sync, a power loss could undo the link and keep only the temporary name of the file, although lines
    // were appended to the file.
    this.#site.syncSync();
    stack.move();
    return handle;
  }

  /** Creates a temporary file for a path, and assigns it to its owner. */
  #createTemporary(
    path: string,
    ownership: Ownership | null,
  ): { handle: FileHandle; temporary: string } {
    const temporary = temporaryFor(path);
    const handle = this.#site.fileSystem.open(temporary, "create");
    try {
      this.assign(handle, ownership);
      return { handle, temporary };
    } catch (error) {
      handle.close();
      removeTemporary(this.#site.fileSystem, temporary);
      throw error instanceof Deno.errors.NotFound ? lost(path, error) : error;
    }
  }
}

/**
 * Returns the error for a creation whose temporary file another process has removed. The creation must be tried again.
 */
function lost(path: string, cause?: unknown): Error {
  return new Deno.errors.Busy(`Another process removed the temporary file: ${path}`, { cause });
}

function ofFirstFile(directory: Ownership | null): Ownership | null {
  return directory === null ? null : { ...directory, mode: FIRST_MODE };
}

/**
 * Returns the mode of the lock file and of claim files, given the mode of the other files of the log. Every process
 * that can open such a file can lock it and so block the writers. Therefore the mode lets only users that can write the
 * log open the file.
 */
function lockMode(mode: number): number {
  return (mode & 0o222) | (mode & 0o222) << 1;
}
