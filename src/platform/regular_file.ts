/**
 * Opens a path only if it is a regular file with a single hard link.
 *
 * If a writer followed symlinks or appended to files with a second hard link, an attacker could make the writer write
 * to any file (CVE-2016-1247). Opening a FIFO blocks forever. So the path is checked first and rejected if it is not a
 * regular file. A new file is created with O_EXCL, which does not follow a symlink. After the open, the opened file is
 * compared with the checked file, because another process may have replaced the file in between.
 *
 * @module
 */
import { dirname, join } from "./path.ts";
import { type FileHandle, type FileStatus, type FileSystem, isSameFile } from "./file_system.ts";
import { isAccessDenied, isInvalidName, isMissingFeature } from "./system_error.ts";
import { removeTemporary, twinOf } from "./temporary_file.ts";

/** An open regular file. */
export interface RegularFile {
  readonly handle: FileHandle;
  /**
   * The status of the file when it was opened. A later comparison with it shows whether the path still leads to this
   * file.
   */
  readonly identity: FileStatus;
  /** Whether the call that returned this object created the file. */
  readonly created: boolean;
}

/** Options of {@linkcode openForAppend}. */
export interface OpenOptions {
  /**
   * Creates the file if it is missing. Callers pass this function if the new file needs another owner or mode than the
   * default ones. The function may create the file under a temporary name, see {@linkcode temporaryFor}, and link it to
   * its path when it is complete.
   */
  readonly create?: () => FileHandle;
  /** The mode in which the file is opened; "append" by default. */
  readonly access?: "append" | "update";
}

// Maximum number of attempts to open a file. An attempt is repeated only if another process has replaced the file
// between the check and the open.
const ATTEMPTS = 16;

/**
 * Opens a file for appending, and creates the file if it does not exist.
 *
 * @throws {TypeError} If the path is not a regular file with a single hard link.
 * @throws {Error} If other processes keep replacing the file.
 */
export function openForAppend(
  fileSystem: FileSystem,
  path: string,
  { create = () => fileSystem.open(path, "create"), access = "append" }: OpenOptions = {},
): RegularFile {
  let created = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    finishCreation(fileSystem, path);
    const status = statusAsCreated(fileSystem, path);
    const handle = status === null
      ? orNull(create, Deno.errors.AlreadyExists, Deno.errors.Busy)
      : openExisting(fileSystem, path, access, status);
    if (handle === null) continue;
    created ||= status === null;
    if (status !== null || access === "append") {
      return { handle, identity: statusOrClose(handle), created };
    }
    handle.close();
  }
  throw new Error(`Cannot open file: another process keeps replacing this file: ${path}`);
}

/**
 * Opens a file for reading, or returns null if the file does not exist.
 *
 * @throws {TypeError} If the path is not a regular file with a single hard link.
 * @throws {Error} If other processes keep replacing the file.
 */
export function openForRead(fileSystem: FileSystem, path: string): FileHandle | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const status = statusAsCreated(fileSystem, path);
    if (status === null) return null;
    const handle = openExisting(fileSystem, path, "read", status);
    if (handle !== null) return handle;
  }
  throw new Error(`Cannot open file: another process keeps replacing this file: ${path}`);
}

/**
 * Checks that the path of a log is not a directory. Without this check, a user without permission for the parent of the
 * directory would get an error about this permission, not about the directory.
 *
 * @throws {TypeError} If the path is a directory, or if the system does not allow the path. For a directory, the
 *   message suggests a file in it.
 */
export function checkNoDirectory(fileSystem: FileSystem, path: string): void {
  if (statusOfName(fileSystem, path)?.kind !== "directory") return;
  throw new TypeError(
    `Cannot open audit log: the path must not be a directory, got ${path}; use ${
      join(path, "audit.jsonl")
    }`,
  );
}

/**
 * Removes a regular file, which may have other hard links. Returns `false` if the path does not exist.
 *
 * @throws {TypeError} If the path is not a regular file.
 */
export function removeFile(fileSystem: FileSystem, path: string): boolean {
  const status = fileSystem.status(path);
  if (status === null) return false;
  refuseOddities(path, { ...status, links: 1 });
  try {
    fileSystem.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
  return true;
}

/**
 * Returns the status of the file at the path. If the second hard link of the file is the temporary name under which it
 * was created, `links` is 1, so that the file is not rejected because of this name.
 */
function statusAsCreated(fileSystem: FileSystem, path: string): FileStatus | null {
  const status = fileSystem.status(path);
  if (status?.links !== 2 || !mayRead(dirname(path))) return status;
  if (twinOf(fileSystem, path, status) !== undefined) return { ...status, links: 1 };
  // Another process may have removed the temporary name in the meantime, so the number of links is read again.
  return fileSystem.status(path);
}

/**
 * Removes the temporary name of a file. A process leaves this name behind if it is killed while it creates the file. If
 * this process may not remove the temporary name, the name stays.
 */
function finishCreation(fileSystem: FileSystem, path: string): void {
  const status = fileSystem.status(path);
  if (status?.links !== 2 || !mayRead(dirname(path))) return;
  const temporary = twinOf(fileSystem, path, status);
  if (temporary === undefined) return;
  try {
    removeTemporary(fileSystem, temporary);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
}

/**
 * Returns the status of the file at a path if this file is the open file. Returns null if the path does not exist or
 * leads to another file.
 *
 * If inode numbers are rounded, see {@linkcode FileStatus.inode}, two files may have the same number. The length of the
 * open file is then read before and after the length of the file at the path. The length at the path must lie between
 * the two lengths, because the open file can only have grown. Another file is unlikely to have such a length.
 */
export function statusIfAt(
  fileSystem: FileSystem,
  path: string,
  { handle, identity }: Pick<RegularFile, "handle" | "identity">,
): FileStatus | null {
  const isRounded = identity.inode !== null && !Number.isSafeInteger(identity.inode);
  const minBytes = isRounded ? handle.status().byteLength : 0;
  const status = fileSystem.status(path);
  if (status === null || !isSameFile(status, identity)) return null;
  const isOther = isRounded &&
    (status.byteLength < minBytes || status.byteLength > handle.status().byteLength);
  return isOther ? null : status;
}

/**
 * Truncates an open file. If the handle cannot truncate the file, opens the file again by its path, and truncates it
 * then.
 *
 * @throws {Error} If the file cannot be truncated, or if it must be opened again and is no longer at its path.
 */
export function truncate(
  fileSystem: FileSystem,
  path: string,
  { handle, byteLength }: { handle: FileHandle; byteLength: number },
): void {
  try {
    handle.truncateSync(byteLength);
  } catch (error) {
    // On Windows, a handle that was opened for appending cannot truncate the file. So the file is opened again for
    // updating.
    if (!isAccessDenied(error)) throw error;
    using stack = new DisposableStack();
    const writable = reopened(fileSystem, path, { handle, access: "update", stack });
    if (writable === null) throw error;
    writable.truncateSync(byteLength);
  }
}

/**
 * Syncs an open file, even if it was opened for reading only. If the handle cannot sync it, opens the file again by its
 * path. Resolves with `false`, and syncs nothing, if the path no longer leads to this file.
 *
 * @throws {Deno.errors.NotCapable} If the system syncs a file only through a handle that can write, as Windows does,
 *   and the permission to write is missing.
 */
export async function syncData(
  fileSystem: FileSystem,
  path: string,
  handle: FileHandle,
): Promise<boolean> {
  try {
    await handle.syncData();
  } catch (error) {
    if (!isAccessDenied(error)) throw error;
    using stack = new DisposableStack();
    const writable = reopened(fileSystem, path, { handle, access: "append", stack });
    if (writable === null) return false;
    await writable.syncData();
  }
  return true;
}

/**
 * Opens a file that is already open a second time, for appending or updating. Returns null if the path no longer leads
 * to this file.
 */
function reopened(
  fileSystem: FileSystem,
  path: string,
  { handle, access, stack }: {
    handle: FileHandle;
    access: "append" | "update";
    stack: DisposableStack;
  },
): FileHandle | null {
  const status = statusIfAt(fileSystem, path, { handle, identity: handle.status() });
  const again = status === null ? null : openExisting(fileSystem, path, access, status);
  if (again !== null) stack.defer(() => again.close());
  return again;
}

/** Returns the status of an open file, and closes the file if its status cannot be read. */
function statusOrClose(handle: FileHandle): FileStatus {
  using stack = new DisposableStack();
  stack.defer(() => handle.close());
  const status = handle.status();
  stack.move();
  return status;
}

function openExisting(
  fileSystem: FileSystem,
  path: string,
  access: "read" | "append" | "update",
  status: FileStatus,
): FileHandle | null {
  refuseOddities(path, status);
  const handle = orNull(() => fileSystem.open(path, access), Deno.errors.NotFound);
  if (handle === null) return null;
  if (isSameFile(statusOrClose(handle), status)) return handle;
  handle.close();
  return null;
}

function refuseOddities(path: string, status: FileStatus): void {
  const reason = status.kind === "symlink"
    ? "a symlink"
    : status.kind === "directory"
    ? "a directory"
    : status.kind === "other"
    ? "a FIFO, socket or device"
    : status.links !== null && status.links > 1
    ? `a file with ${status.links} hard links`
    : null;
  if (reason !== null) {
    const wanted = status.kind === "file" ? "a file with a single hard link" : "a regular file";
    throw new TypeError(
      `Cannot open audit log: the path must be ${wanted}, got ${reason}: ${path}`,
    );
  }
}

function orNull<T>(open: () => T, ...expected: (new (message: string) => Error)[]): T | null {
  try {
    return open();
  } catch (error) {
    if (expected.some((each) => error instanceof each)) return null;
    throw error;
  }
}

/**
 * Creates a directory and its missing parents, and syncs the parent of each new directory.
 *
 * If Deno's permissions allow access to this directory only, its parents are created, but neither checked nor synced:
 * a power loss may then remove the parents with the log. The function never prompts for a permission.
 *
 * @throws {Deno.errors.NotADirectory} If a part of the path exists and is not a directory; the message names this part.
 * @throws {Deno.errors.NotFound} If the root of the path, a drive or network share of Windows, does not exist.
 * @throws {TypeError} If the system does not allow the path.
 */
export function ensureDirectory(fileSystem: FileSystem, path: string): void {
  const missing: string[] = [];
  for (let dir = path; !isDirectory(fileSystem, dir); dir = dirname(dir)) {
    if (dirname(dir) === dir) {
      throw new Deno.errors.NotFound(`the drive or network share ${dir} does not exist`);
    }
    missing.push(dir);
    if (!mayRead(dirname(dir))) break;
  }
  for (const dir of missing.reverse()) {
    const parent = dirname(dir);
    const hasParentAccess = mayRead(parent);
    try {
      fileSystem.makeDirectory(dir, !hasParentAccess);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      continue;
    }
    if (hasParentAccess) syncParent(fileSystem, parent);
  }
}

/** Checks whether the path is a directory or a symlink to one. Throws if anything else is at the path. */
function isDirectory(fileSystem: FileSystem, path: string): boolean {
  const status = statusOfName(fileSystem, path);
  if (status === null) return false;
  if (status.kind === "directory") return true;
  if (fileSystem.directoryStatus(path)?.kind === "directory") return true;
  throw new Deno.errors.NotADirectory(`${path} is not a directory`);
}

/** Returns the status of the file at a path. Throws a TypeError if the system does not allow the path. */
function statusOfName(fileSystem: FileSystem, path: string): FileStatus | null {
  try {
    return fileSystem.status(path);
  } catch (error) {
    if (!isInvalidName(error)) throw error;
    throw new TypeError(
      `Cannot open audit log: the path contains the name of a device or an invalid character, got ${path}`,
      { cause: error },
    );
  }
}

function syncParent(fileSystem: FileSystem, parent: string): void {
  try {
    fileSystem.syncDirectorySync(parent);
  } catch (error) {
    // If the file system cannot sync directories, no warning is logged here, because the log warns when it syncs its
    // own directory.
    if (!isMissingFeature(error)) throw error;
  }
}

/**
 * Checks whether Deno's permissions allow this process to read a path. Unlike an attempt to read, the check never
 * prompts the user for the permission.
 */
function mayRead(path: string): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/**
 * Checks whether Deno's permissions allow this process to write a path. The check never prompts the user for the
 * permission.
 */
export function mayWrite(path: string): boolean {
  return Deno.permissions.querySync({ name: "write", path }).state === "granted";
}
