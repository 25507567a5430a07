/**
 * The files of a log on a file system: their names, and methods that list, open and sync them.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { FileHandle, FileStatus, FileSystem, Ownership } from "../platform/file_system.ts";
import { isMissingFeature } from "../platform/system_error.ts";
import {
  openForAppend,
  openForRead,
  type RegularFile,
  statusIfAt,
} from "../platform/regular_file.ts";
import { nameOfTemporary } from "../platform/temporary_file.ts";
import type { Turns } from "../platform/turns.ts";
import { FileCreator } from "./file_creator.ts";
import { LogFiles, type SegmentName, type Stamp } from "./segment_name.ts";

/**
 * The identity of the active file, and its length at a moment when a process held the append lock. No writer makes the
 * file shorter than this length later: after a failed append, a writer truncates the file before it releases the lock.
 */
export interface ActiveEnd {
  readonly file: FileStatus;
  readonly byteLength: number;
}

/** A segment in a listing of the directory. */
export interface ListedSegment {
  readonly stamp: Stamp;
  /** The forms in which the segment exists as a file; more than one while the segment is being archived. */
  readonly forms: ReadonlySet<SegmentName["form"]>;
}

/**
 * Directories of at least this size are listed in steps. The size is the length that the file system reports, in bytes.
 */
const LARGE_DIRECTORY_BYTES = 64 * 1024;

const ROOT_UID = 0;
/** The mode bit of a directory that lets every user create files in the directory. */
const EVERY_USER_WRITES = 0o002;

/** Number of characters of the date in a stamp, which is the time in the name of a segment. */
const DAY_LENGTH = "20260213".length;

/** Finds the segments of a log among the names in its directory. */
class SegmentListing {
  readonly names: ReadonlySet<string>;
  readonly #files: LogFiles;
  readonly #segments = new Map<Stamp, Set<SegmentName["form"]>>();
  readonly #days = new Map<string, Stamp[]>();

  constructor(files: LogFiles, names: ReadonlySet<string>) {
    this.#files = files;
    this.names = names;
  }

  /**
   * Adds the segment to which a file name belongs. Ignores a name that does not belong to a segment of the log. If a
   * file named like a segment has a lock file, it is another log.
   */
  take(name: string): void {
    const parsed = this.#files.parse(name);
    if (parsed === null) return;
    const { stamp, form } = parsed;
    const isOtherLog = form === "sealed" &&
      this.names.has(`${basename(this.#files.sealed(stamp))}.lock`);
    if (isOtherLog) return;
    const forms = this.#segments.get(stamp);
    if (forms === undefined) {
      this.#segments.set(stamp, new Set([form]));
      this.#days.getOrInsert(stamp.slice(0, DAY_LENGTH), []).push(stamp);
    } else forms.add(form);
  }

  /** Returns the stamps, which are the times in the names of the segments, oldest first. */
  stamps(): Stamp[] {
    return [...this.#segments.keys()].sort();
  }

  /**
   * Returns the stamps (the times in the names of the segments) grouped by day, oldest day first. The stamps of one day
   * are in any order.
   */
  stampsByDay(): Stamp[][] {
    return [...this.#days.keys()].sort().map((day) => this.#days.get(day)!);
  }

  /** Returns the segment with the stamp (the time in its name), which must be in the listing. */
  segment(stamp: Stamp): ListedSegment {
    return { stamp, forms: this.#segments.get(stamp)! };
  }
}

/** The directory of one log. Caches nothing: each call reads from the file system. */
export class LogDirectory {
  readonly fileSystem: FileSystem;
  /** The paths of the log's files, whether the files exist or not. */
  readonly files: LogFiles;
  readonly #creator: FileCreator;
  readonly #logger: Pick<Logger, "warn"> | undefined;
  readonly #warned = new Set<string>();

  /**
   * Creates the object for the log whose active file has the absolute path `path`; does not access the disk. The logger
   * receives each warning once.
   */
  constructor(fileSystem: FileSystem, path: string, logger?: Pick<Logger, "warn">) {
    this.fileSystem = fileSystem;
    this.files = new LogFiles(path);
    this.#creator = new FileCreator(this);
    this.#logger = logger;
  }

  /**
   * Lists the segments, oldest first; returns an empty list if the directory does not exist. If a file with the name of
   * a segment has a lock file, the file is another log and is not listed.
   */
  segments(): ListedSegment[] {
    // If a segment is archived during a listing, that listing may miss both the segment and the archive. The second
    // listing, which begins after the first has ended, finds the archive.
    const listing = new SegmentListing(this.files, new Set([...this.#names(), ...this.#names()]));
    for (const name of listing.names) listing.take(name);
    return listing.stamps().map((stamp) => listing.segment(stamp));
  }

  /**
   * Lists the segments like {@linkcode segments}. A large directory is listed in steps, so that other tasks can run.
   */
  async segmentsInTurns(turns: Turns): Promise<ListedSegment[]> {
    const { byteLength = 0 } = this.fileSystem.directoryStatus(this.files.directory) ?? {};
    if (byteLength < LARGE_DIRECTORY_BYTES) return this.segments();
    const names = new Set<string>();
    for (let listings = 0; listings < 2; listings++) {
      for (const name of await this.#namesLater()) {
        if (turns.isDue) await turns.take();
        names.add(name);
      }
    }
    const listing = new SegmentListing(this.files, names);
    for (const name of names) {
      if (turns.isDue) await turns.take();
      listing.take(name);
    }
    const segments: ListedSegment[] = [];
    // The stamps (the times in the names of the segments) are sorted day by day, because one sort of all stamps would
    // take longer than a step may take.
    for (const day of listing.stampsByDay()) {
      if (turns.isDue) await turns.take();
      for (const stamp of day.sort()) segments.push(listing.segment(stamp));
    }
    return segments;
  }

  /**
   * Checks whether a segment is only an empty file. A process that seals the active file first reserves the name of the
   * segment with such a file. The empty file must not be opened, because it may not have its final owner yet.
   */
  isReserved(stamp: Stamp): boolean {
    const status = this.fileSystem.status(this.files.sealed(stamp));
    return status?.kind === "file" && status.byteLength === 0;
  }

  /**
   * Returns the newest stamp (time in a file name) of the directory, even if the file with that stamp is not a segment
   * but another log.
   */
  newestStamp(): Stamp | undefined {
    let newest: Stamp | undefined;
    for (const name of this.#names()) {
      const stamp = this.files.parse(name)?.stamp;
      if (stamp !== undefined && (newest === undefined || stamp > newest)) newest = stamp;
    }
    return newest;
  }

  /**
   * Opens the active file for reading.
   *
   * @param stack Closes the file when the stack is disposed. Without a stack, the caller must close the file.
   * @returns The open file, or null if it does not exist.
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   */
  openActive(stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.active, stack);
  }

  /**
   * Opens a sealed segment for reading; returns null if it does not exist. The parameters are those of
   * {@linkcode openActive}.
   */
  openSealed(stamp: Stamp, stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.sealed(stamp), stack);
  }

  /**
   * Opens an archive for reading; returns null if it does not exist. The parameters are those of
   * {@linkcode openActive}.
   */
  openArchive(stamp: Stamp, stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.archive(stamp), stack);
  }

  /**
   * Opens the lock file for reading; returns null if it does not exist. The parameters are those of
   * {@linkcode openActive}.
   */
  openLock(stack?: DisposableStack): FileHandle | null {
    return this.open(this.files.lock, stack);
  }

  /**
   * Opens any file of the log by its path for reading; returns null if it does not exist. The parameters are those of
   * {@linkcode openActive}.
   */
  open(path: string, stack?: DisposableStack): FileHandle | null {
    const handle = openForRead(this.fileSystem, path);
    if (handle !== null) stack?.defer(() => handle.close());
    return handle;
  }

  /**
   * Opens any file of the log by its path for appending. If the file does not exist, creates it for the owner of the
   * log, see {@linkcode FileCreator}.
   *
   * @param continued The owner, group and mode for a new file: those of the previous file, which the new file
   *   continues; null if the system has none. If `continued` is undefined, a new file gets those of the log.
   * @throws {TypeError} If the path is not a regular file with a single hard link.
   * @throws {OwnershipError} If the file does not exist, and the process may not assign files to the owner of the log.
   */
  openForAppend(path: string, continued?: Ownership | null): RegularFile {
    const create = () =>
      this.#creator.create(path, continued === undefined ? this.ownership() : continued);
    return openForAppend(this.fileSystem, path, { create });
  }

  /**
   * Opens the active file for appending, and creates it if it does not exist, like {@linkcode openForAppend}. Rejects a
   * file that another user may have planted.
   *
   * @param continued The owner, group and mode of the previous active file; undefined if the caller does not know them.
   * @throws {Deno.errors.PermissionDenied} If every user can create files in the directory, and the active file does
   *   not belong to root, the owner of the directory or the owner of the previous active file. If `continued` is
   *   undefined, the owner of the lock file counts as the previous owner. If the file belonged to any other user, this
   *   user could read and change every event.
   */
  openActiveForAppend(continued: Ownership | null | undefined): RegularFile {
    const { active } = this.files;
    const file = this.openForAppend(active, continued);
    using stack = new DisposableStack();
    stack.defer(() => file.handle.close());
    const { ownership } = file.identity;
    if (file.created || this.#isTrusted(ownership, continued)) {
      stack.move();
      return file;
    }
    throw new Deno.errors.PermissionDenied(
      `the active file belongs to uid ${ownership?.uid}, but the lock file and the directory to other users, and every ` +
        `user can create files in this directory; move the active file away, or run chmod o-w ${this.files.directory}`,
    );
  }

  #isTrusted(ownership: Ownership | null, continued: Ownership | null | undefined): boolean {
    if (ownership === null || ownership.uid === continued?.uid) return true;
    const ofDirectory = this.fileSystem.directoryStatus(this.files.directory)?.ownership ?? null;
    if (ofDirectory === null || (ofDirectory.mode & EVERY_USER_WRITES) === 0) return true;
    const trusted = [ROOT_UID, ofDirectory.uid];
    // If the caller does not know the owner of the previous active file, trust the owner of the lock file: the user
    // whose process opened the log first.
    if (continued === undefined) trusted.push(this.#ownershipOfFile(this.files.lock)?.uid ?? NaN);
    return trusted.includes(ownership.uid);
  }

  /**
   * Opens the lock file for updating, so that its text can be replaced. If the file does not exist, creates it for the
   * owner of the log.
   */
  openLockForUpdate(): RegularFile {
    const { lock } = this.files;
    const create = () => this.#creator.create(lock, this.ownership());
    return openForAppend(this.fileSystem, lock, { create, access: "update" });
  }

  /**
   * Creates a new file, and then assigns it to the owner. Until then, the file is empty and belongs to the user of this
   * process. So the caller must pass a path at which other processes do not use an empty file.
   *
   * @throws {Deno.errors.AlreadyExists} If the path exists.
   * @throws {OwnershipError} If the process may not assign files to the owner. The file is then removed.
   */
  create(path: string, ownership: Ownership | null): FileHandle {
    const handle = this.fileSystem.open(path, "create");
    try {
      this.#creator.assign(handle, ownership);
      return handle;
    } catch (error) {
      handle.close();
      this.fileSystem.remove(path);
      throw error;
    }
  }

  /**
   * Checks that this process can create files for the owner of the log. A process that cannot do this must not rotate
   * the log, because the next active file would belong to another user.
   *
   * @throws {OwnershipError} If the process may not assign files to the owner of the log.
   */
  checkOwner(): void {
    const ownership = this.ownership();
    if (ownership !== null) this.#creator.check(this.files.active, ownership);
  }

  /**
   * Checks whether the system assigns this owner, group and mode to new files of this process, see
   * {@linkcode FileCreator.isOwn}.
   */
  isOwn(ownership: Ownership | null): boolean {
    return this.#creator.isOwn(ownership);
  }

  /**
   * Returns the owner, group and mode of the first of these files that exists and is trusted: the active file, the
   * newest segment, the lock file. Returns null if there is no such file. The lock file is trusted because the first
   * process that opened the log created it.
   *
   * Other users may have created files with the names of the active file and of segments. So the active file is trusted
   * only if {@linkcode openActiveForAppend} accepts its owner. A segment is trusted only if it belongs to the owner of
   * the lock file or of the directory.
   */
  ownership(): Ownership | null {
    const { active, lock, directory } = this.files;
    const ofActive = this.fileSystem.status(active);
    if (ofActive !== null && this.#isTrusted(ofActive.ownership, undefined)) {
      return ofActive.ownership;
    }
    const ofLock = this.#ownershipOfFile(lock);
    const ofDirectory = this.fileSystem.directoryStatus(directory)?.ownership;
    const ofSegment = this.#ownershipOfNewest();
    const isTrusted = ofSegment !== null &&
      (ofSegment.uid === ofLock?.uid || ofSegment.uid === ofDirectory?.uid);
    return isTrusted ? ofSegment : ofLock;
  }

  #ownershipOfNewest(): Ownership | null {
    const newest = this.segments().at(-1);
    if (newest === undefined) return null;
    const { stamp, forms } = newest;
    return this.#ownershipOfFile(
      forms.has("sealed") ? this.files.sealed(stamp) : this.files.archive(stamp),
    );
  }

  #ownershipOfFile(path: string): Ownership | null {
    const status = this.fileSystem.status(path);
    return status?.kind === "file" ? status.ownership : null;
  }

  /**
   * Resolves with the paths of files that a killed process may have left behind: files that still have a temporary
   * name, and claim files, which a process locks while it works on a segment or on the manifest.
   */
  async leftovers(): Promise<{ temporaries: string[]; claims: string[] }> {
    const { files } = this;
    const names = (await this.#namesLater()).filter((name) => /\.(tmp|lock)$/.test(name));
    const isTemporary = (name: string) => {
      const created = nameOfTemporary(name);
      return created !== null && files.has(created);
    };
    return {
      temporaries: names.filter(isTemporary).map((name) => files.at(name)),
      claims: names.filter((name) => files.isClaim(name)).map((name) => files.at(name)),
    };
  }

  /** Checks whether the path still leads to the open file. */
  isAt(path: string, handle: FileHandle): boolean {
    return statusIfAt(this.fileSystem, path, { handle, identity: handle.status() }) !== null;
  }

  /**
   * Moves a complete file to its final path, by a hard link from its temporary path. If the file system has no hard links,
   * renames the file.
   *
   * @throws {Deno.errors.AlreadyExists} If the path exists.
   */
  publish(temporary: string, path: string): void {
    try {
      this.fileSystem.link(temporary, path);
    } catch (error) {
      if (!isMissingFeature(error)) throw error;
      this.warnOnce(
        "The file system has no hard links, so a new archive may overwrite a file of the same name that another program " +
          `creates at the same moment: ${messageOf(error)}`,
      );
      if (this.fileSystem.status(path) !== null) {
        throw new Deno.errors.AlreadyExists(`Cannot create file: the path exists: ${path}`);
      }
      this.fileSystem.rename(temporary, path);
    }
  }

  /**
   * Syncs the entries of the directory, which are the names of its files, so that a power loss cannot undo the
   * creation, the rename or the removal of a file.
   */
  async sync(): Promise<void> {
    try {
      await this.fileSystem.syncDirectory(this.files.directory);
    } catch (error) {
      this.#goOnUnsynced(error);
    }
  }

  /** Syncs the entries of the directory like {@linkcode sync}, synchronously. */
  syncSync(): void {
    try {
      this.fileSystem.syncDirectorySync(this.files.directory);
    } catch (error) {
      this.#goOnUnsynced(error);
    }
  }

  /**
   * Logs a warning if the error of a directory sync means that the file system cannot sync directories. Throws any
   * other error.
   */
  #goOnUnsynced(error: unknown): void {
    if (!isMissingFeature(error)) throw error;
    this.warnOnce(
      "The file system cannot sync directories, so a power loss may remove new files of the log: " +
        `${messageOf(error)}: ${this.files.directory}`,
    );
  }

  /** Logs a warning, unless the same text was logged before. */
  warnOnce(warning: string): void {
    if (this.#warned.has(warning)) return;
    this.#warned.add(warning);
    this.#logger?.warn(warning);
  }

  async #namesLater(): Promise<string[]> {
    try {
      return await this.fileSystem.listLater(this.files.directory);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  #names(): string[] {
    try {
      return this.fileSystem.list(this.files.directory);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}
