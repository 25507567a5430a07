/**
 * Opening a path only when a plain file of ours is there.
 *
 * A log that follows a symlink, or appends to a file with a second name, writes where somebody else
 * decided (CVE-2016-1247); a FIFO blocks the open for ever. So: look first, refuse what is no plain
 * file, create with O_EXCL, which follows no link, and see after the open that it is the same file.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import type { FileHandle, FileStatus, FileSystem } from "./file_system.ts";

/** An open plain file. */
export interface RegularFile {
  readonly handle: FileHandle;
  /** What it was when it was opened, to know it again by. */
  readonly identity: FileStatus;
  /** Whether this call made the file. */
  readonly created: boolean;
}

// Each attempt is lost only to somebody who replaces the file between two of our calls.
const ATTEMPTS = 16;

/**
 * Opens the file for appending, and makes it when there is none.
 *
 * @throws {TypeError} when the path holds anything but a plain file with one name.
 */
export function openForAppend(fileSystem: FileSystem, path: string): RegularFile {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const status = fileSystem.status(path);
    const handle = status === null
      ? orNull(() => fileSystem.open(path, "create"), Deno.errors.AlreadyExists)
      : openExisting(fileSystem, path, "append", status);
    if (handle !== null) {
      return { handle, identity: statusOrClose(handle), created: status === null };
    }
  }
  throw new Error(`Cannot open file: it is being replaced all the time: ${path}`);
}

/**
 * Opens the file for reading; null when there is none.
 *
 * @throws {TypeError} when the path holds anything but a plain file with one name.
 */
export function openForRead(fileSystem: FileSystem, path: string): FileHandle | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const status = fileSystem.status(path);
    if (status === null) return null;
    const handle = openExisting(fileSystem, path, "read", status);
    if (handle !== null) return handle;
  }
  throw new Error(`Cannot open file: it is being replaced all the time: ${path}`);
}

/**
 * As {@linkcode openForRead}, of a file that is closed with the stack.
 *
 * @throws {TypeError} when the path holds anything but a plain file with one name.
 */
export function openInto(
  stack: DisposableStack,
  fileSystem: FileSystem,
  path: string,
): FileHandle | null {
  const handle = openForRead(fileSystem, path);
  if (handle !== null) stack.defer(() => handle.close());
  return handle;
}

/**
 * Rejects a directory at the path of a log, before a missing permission for what lies beside it is reported.
 *
 * @throws {TypeError} If the path is a directory; names a file in it.
 */
export function checkNoDirectory(fileSystem: FileSystem, path: string): void {
  if (fileSystem.status(path)?.kind !== "directory") return;
  throw new TypeError(
    `Cannot open audit log: the path is a directory, got ${path}; use ${join(path, "audit.jsonl")}`,
  );
}

/**
 * Takes a plain file's name away, whatever its other names, and tells whether it was there.
 *
 * @throws {TypeError} when the path holds anything but a plain file.
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

/** Whether both are the same file; on systems without inodes, whether nothing speaks against it. */
export function isSameFile(a: FileStatus, b: FileStatus): boolean {
  return a.inode === b.inode && (a.inode === null || a.device === b.device);
}

/** The file behind a handle, which is closed when that cannot be told. */
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
  access: "read" | "append",
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
    ? "no plain file (a FIFO, socket or device)"
    : status.links !== null && status.links > 1
    ? `a file with ${status.links} hard links`
    : null;
  if (reason !== null) {
    throw new TypeError(`Cannot open audit log: the path is ${reason}, got ${path}`);
  }
}

function orNull<T>(open: () => T, expected: new (message: string) => Error): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof expected) return null;
    throw error;
  }
}

/**
 * Makes the directory and those above it that are missing, and brings their names to the disk.
 *
 * A sandbox lets us see its own directory only; what lies above it is then not ours to sync.
 */
export function ensureDirectory(fileSystem: FileSystem, path: string): void {
  const missing: string[] = [];
  for (let dir = path; fileSystem.status(dir) === null; dir = dirname(dir)) {
    missing.push(dir);
    if (basename(dir) === "" || !mayRead(fileSystem, dirname(dir))) break;
  }
  for (const dir of missing.reverse()) {
    try {
      fileSystem.makeDirectory(dir);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      continue;
    }
    const parent = dirname(dir);
    if (mayRead(fileSystem, parent)) fileSystem.syncDirectorySync(parent);
  }
}

function mayRead(fileSystem: FileSystem, path: string): boolean {
  try {
    fileSystem.status(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}
