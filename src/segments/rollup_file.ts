/**
 * Reads and writes the rollups of archives, which are files such as `audit_20260213_143022.jsonl.rollup`.
 *
 * A rollup is derived from its archive. The manifest line of the archive has the digest of the rollup's head, and the
 * head has the digests of the other parts. A reader believes a part only if it has the expected digest; otherwise the
 * reader decodes the archive. So a rollup that is missing, torn, old or forged makes answers slower, but never wrong.
 *
 * Recovery writes a rollup only if its file is missing, because a check of each file would delay `open()`. Therefore a
 * rollup is written under another name, synced, and then renamed: after a crash, its file is whole or missing.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { sha256 } from "../line/digest.ts";
import { readWhole } from "../platform/chunks.ts";
import type { Ownership } from "../platform/file_system.ts";
import { removeFile } from "../platform/regular_file.ts";
import { ROLLUP_FIELDS_MAX } from "../options/log_options.ts";
import type { RollupParts } from "../rollup/rollup.ts";
import {
  areIntact,
  parseHead,
  parsePart,
  PART_NAMES,
  type PartName,
  ROLLUP_BYTES_MAX,
  type RollupBytes,
  type RollupHead,
} from "../rollup/rollup_text.ts";
import type { LogDirectory } from "./log_directory.ts";
import type { Stamp } from "./segment_name.ts";

const LINE_BREAK = 0x0a;
/**
 * Number of bytes of a rollup that the first read requests. Most rollups are shorter, so one read returns all their
 * parts.
 */
const FIRST_BYTES = 32 * 1024;

/**
 * Maximum length of a rollup as a share of the length of its archive. Retention by bytes counts only the archives, so
 * their rollups must be much shorter.
 */
const SHARE_MAX = 1 / 4;
/** Length in bytes up to which a rollup is kept for an archive of any length. */
const ANY_SHARE_BYTES = 16 * 1024;

/** Returns the rollup (the stored sums) of an archive, or null if the rollup is too long in relation to the archive. */
export function keptRollup(
  { rollup, gzip_bytes }: { readonly rollup: RollupBytes | null; readonly gzip_bytes: number },
): RollupBytes | null {
  const max = Math.max(ANY_SHARE_BYTES, SHARE_MAX * gzip_bytes);
  return rollup === null || rollup.bytes.byteLength > max ? null : rollup;
}

/**
 * Writes the rollup of an archive, and resolves with its digest for the manifest line; null if `rollup` is null. If the
 * file cannot be written, logs a warning and leaves no file: the next `open()` writes it.
 *
 * The caller must hold the lock of the segment, or the lock for adding missing lines to the manifest, so that only one
 * process writes the file.
 */
export async function writeRollup(
  { log }: { readonly log: LogDirectory },
  stamp: Stamp,
  rollup: RollupBytes | null,
): Promise<string | null> {
  const { fileSystem, files } = log;
  const path = files.rollup(stamp);
  const unfinished = files.unfinishedRollup(stamp);
  try {
    // An older rollup may be at the path: from a killed process, from a process with other `rollupFields`, or damaged.
    // It is removed first, so that it does not stay if a later step fails. Without the sync, a power loss could restore
    // it, although the manifest states the digest of the new rollup.
    if (removeFile(fileSystem, path)) await log.sync();
    removeFile(fileSystem, unfinished);
    if (rollup === null) return null;
    await writeSynced(log, unfinished, {
      bytes: rollup.bytes,
      ownership: fileSystem.status(files.archive(stamp))?.ownership ?? null,
    });
    fileSystem.rename(unfinished, path);
  } catch (error) {
    log.warnOnce(
      `Cannot write the sums of an archive, so queries decode the archive until the next open(): ${
        messageOf(error)
      }: ${path}`,
    );
    removeUnfinished(log, unfinished);
  }
  return rollup?.digest ?? null;
}

async function writeSynced(
  log: LogDirectory,
  path: string,
  { bytes, ownership }: {
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly ownership: Ownership | null;
  },
): Promise<void> {
  using stack = new DisposableStack();
  const handle = log.create(path, ownership);
  stack.defer(() => handle.close());
  if (handle.appendSync(bytes) < bytes.byteLength) {
    throw new Error("only a part of it was written; the disk may be full");
  }
  await handle.syncData();
}

function removeUnfinished({ fileSystem }: LogDirectory, unfinished: string): void {
  try {
    removeFile(fileSystem, unfinished);
  } catch {
    // The unfinished file cannot be removed. The caller has logged why the rollup was not written, and the next attempt
    // removes this file first.
  }
}

/** A rollup, the file with the sums of an archive, whose head has the digest that the manifest states. */
export interface ReadRollup extends RollupHead {
  /**
   * Resolves with a part of the rollup; null if the part is damaged, or if the file was replaced since its head was
   * read.
   */
  readonly part: <Name extends PartName>(name: Name) => Promise<RollupParts[Name] | null>;
}

/**
 * Reads the head of the rollup of an archive. Returns null if the file is missing, is not a regular file, or does not
 * have the digest that the manifest line of the archive states.
 *
 * @throws {Deno.errors.NotCapable} If the read permission for the file is missing.
 */
export function readRollup(log: LogDirectory, stamp: Stamp, digest: string): ReadRollup | null {
  const read = headOf(log, stamp);
  if (read === null || sha256(read.line) !== digest) return null;
  const head = parseHead(read.line);
  if (head === null) return null;
  return {
    ...head,
    async part(name) {
      const rest = read.rest ?? restOf(log, stamp, read.line);
      return rest === null ? null : await parsePart(name, rest, head);
    },
  };
}

/** The properties of a rollup file that can be determined from the file alone, without the manifest. */
export interface StoredRollup {
  /** SHA-256 of the head, hexadecimal. */
  readonly digest: string;
  /** The fields in the option `rollupFields` of the log. For each field, a table groups the events by its values. */
  readonly fields: readonly string[];
  /** Whether the head can be read, and all parts have the digests that the head and the line after it state. */
  readonly isWhole: boolean;
}

const DAMAGED: StoredRollup = { digest: "", fields: [], isWhole: false };

/** Reads the file with the rollup of an archive. Resolves with null if it does not exist. */
export async function storedRollup(log: LogDirectory, stamp: Stamp): Promise<StoredRollup | null> {
  if (log.fileSystem.status(log.files.rollup(stamp)) === null) return null;
  const read = headOf(log, stamp);
  if (read === null) return DAMAGED;
  const digest = sha256(read.line);
  const head = parseHead(read.line);
  const rest = read.rest ?? restOf(log, stamp, read.line);
  if (head === null || rest === null) return { ...DAMAGED, digest };
  const parts = await Promise.all(PART_NAMES.map((name) => parsePart(name, rest, head)));
  const isWhole = areIntact(rest) && !parts.includes(null);
  return { digest, fields: fieldsIn(head), isWhole };
}

/**
 * Returns the fields by which a rollup groups events. The rollup may have been modified, so the list is filtered and
 * cut.
 */
function fieldsIn({ fields }: RollupHead): string[] {
  return fields.filter((field) => typeof field === "string").slice(0, ROLLUP_FIELDS_MAX);
}

/**
 * Returns the bytes after the head (the first line) of a rollup and its line break; null if the file can no longer be
 * read.
 */
function restOf(log: LogDirectory, stamp: Stamp, head: Uint8Array): Uint8Array<ArrayBuffer> | null {
  return bytesOf(log, stamp, head.byteLength + 1, ROLLUP_BYTES_MAX);
}

/**
 * The head of a rollup, which is its first line, without the line break. Also the bytes after the head, if they were
 * read.
 */
interface HeadBytes {
  readonly line: Uint8Array<ArrayBuffer>;
  readonly rest: Uint8Array<ArrayBuffer> | null;
}

/**
 * Returns the head of a rollup, which is its first line. Returns null if the file is missing, is not a regular file, or
 * has no head.
 */
function headOf(log: LogDirectory, stamp: Stamp): HeadBytes | null {
  for (const length of [FIRST_BYTES, ROLLUP_BYTES_MAX]) {
    const bytes = bytesOf(log, stamp, 0, length);
    const end = bytes?.indexOf(LINE_BREAK) ?? -1;
    if (end < 0) continue;
    // If the file has `length` bytes or more, the bytes after the head may be incomplete, so they are read again when
    // they are needed.
    const isWhole = bytes!.byteLength < length;
    return { line: bytes!.subarray(0, end), rest: isWhole ? bytes!.subarray(end + 1) : null };
  }
  return null;
}

function bytesOf(
  log: LogDirectory,
  stamp: Stamp,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> | null {
  try {
    using stack = new DisposableStack();
    const handle = log.open(log.files.rollup(stamp), stack);
    if (handle === null) return null;
    return readWhole(handle, from, Math.min(to, handle.status().byteLength));
  } catch (error) {
    // If the file cannot be read, or a directory is at its path, the archive still has the events.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return null;
  }
}
