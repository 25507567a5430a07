/**
 * A file system that counts the bytes and files that a reader reads.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { basename } from "@std/path";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
} from "../src/platform/file_system.ts";

/** A read-only file system that records the opened files and counts the bytes read, by path. */
export class CountingFileSystem implements FileSystem {
  /** Paths of the files that were opened. */
  readonly opened = new Set<string>();
  /** Number of bytes read, by path. */
  readonly bytesRead = new Map<string, number>();
  /** Number of calls of `list()`. */
  lists = 0;
  readonly #fileSystem: FileSystem;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** Number of bytes read from all files. */
  get totalBytes(): number {
    return this.bytesRead.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Names of the archives that were read. */
  get archivesRead(): string[] {
    return [...this.bytesRead.keys()].filter(isArchive).map((path) => basename(path)).sort();
  }

  /** Names of the archives that were opened. */
  get archivesOpened(): string[] {
    return [...this.opened].filter(isArchive).map((path) => basename(path)).sort();
  }

  /** Sets all counts to zero. */
  forget(): void {
    this.lists = 0;
    this.opened.clear();
    this.bytesRead.clear();
  }

  status(path: string): FileStatus | null {
    return this.#fileSystem.status(path);
  }

  directoryStatus(path: string): FileStatus | null {
    return this.#fileSystem.directoryStatus(path);
  }

  open(path: string, access: FileAccess): FileHandle {
    assertEquals(access, "read", "a reader opens a file for writing");
    this.opened.add(path);
    const handle = this.#fileSystem.open(path, access);
    const count = (read: number) => {
      if (read > 0) this.bytesRead.set(path, read + (this.bytesRead.get(path) ?? 0));
      return read;
    };
    return {
      status: () => handle.status(),
      read: async (buffer, position) => count(await handle.read(buffer, position)),
      readSync: (buffer, position) => count(handle.readSync(buffer, position)),
      appendSync: refuse,
      truncateSync: refuse,
      setOwnership: refuse,
      syncData: refuse,
      syncDataSync: refuse,
      tryLock: refuse,
      unlock: refuse,
      close: () => handle.close(),
    };
  }

  listLater(path: string): Promise<string[]> {
    return this.#fileSystem.listLater(path);
  }

  list(path: string): string[] {
    this.lists++;
    return this.#fileSystem.list(path);
  }

  rename = refuse;
  link = refuse;
  remove = refuse;
  removeAsync = refuse;
  makeDirectory = refuse;
  syncDirectorySync = refuse;
  syncDirectory = refuse;
  watch = refuse;
}

function refuse(): never {
  throw new Error("A reader must not change files");
}

function isArchive(path: string): boolean {
  return path.endsWith(".gz");
}
