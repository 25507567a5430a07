/**
 * Recognizes files that are not audit logs, so that an error can name the kind of the file, such as a PNG image.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { parseLine } from "../line/parse_line.ts";
import { decodeUtf8 } from "../line/utf8.ts";
import { openForRead } from "../platform/regular_file.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { tell } from "./messages.ts";
import { CommandError } from "./command_error.ts";
import { type LocatedLog, shownSource } from "./log_path.ts";

/** Maximum number of bytes to search for an event at the start of a file, and also at its end. */
const PART_BYTES = 64 * 1024;
const LINE_BREAK = 0x0a;
const BRACE = 0x7b;

/** The kinds of files that users may name as a log by mistake, each with the first bytes of such a file. */
const SIGNATURES: readonly (readonly [start: readonly number[], kind: string])[] = [
  [[0x1f, 0x8b], "a gzip file"],
  [[0x89, 0x50, 0x4e, 0x47], "a PNG image"],
  [[0xff, 0xd8, 0xff], "a JPEG image"],
  [[0x25, 0x50, 0x44, 0x46], "a PDF file"],
  [[0x50, 0x4b, 0x03, 0x04], "a ZIP file"],
  [[0x53, 0x51, 0x4c, 0x69, 0x74, 0x65, 0x20], "an SQLite database"],
];

/**
 * Checks that the file at the path of a log may be a log. If the path does not exist, it is accepted, because the log
 * may be created later.
 *
 * @throws {CommandError} If the path is not a regular file, or the file is not a log; the message states the reason.
 */
export function checkKind(log: LocatedLog): void {
  const kind = denoFileSystem.status(log.path)?.kind;
  if (kind === undefined) return;
  if (kind !== "file") {
    const found = kind === "other" ? "a FIFO, a socket or a device" : `a ${kind}`;
    throw refusal(log, `the path must be a regular file, got ${found}`);
  }
  if (isKnownByFiles(log.path)) return;
  const reason = reasonAgainst(log.path);
  if (reason !== null) throw refusal(log, reason);
}

/**
 * Checks that the log exists.
 *
 * @throws {CommandError} If the log has neither an active file nor an archive.
 */
export function checkThere(log: LocatedLog): void {
  checkKind(log);
  if (isThere(log)) return;
  throw new CommandError(
    `Cannot find audit log: there is neither an active file nor an archive: ${shownSource(log)}`,
    1,
  );
}

/** If the log does not exist yet, reports on standard error that the command waits for it. */
export function tellIfAwaited(log: LocatedLog): void {
  if (!isThere(log)) {
    tell(`waiting for the audit log, which does not exist yet: ${shownSource(log)}`);
  }
}

function isThere({ path }: LocatedLog): boolean {
  return denoFileSystem.status(path) !== null ||
    new LogDirectory(denoFileSystem, path).segments().length > 0;
}

function refusal(log: LocatedLog, reason: string): CommandError {
  return new CommandError(`Cannot read audit log: ${reason}: ${shownSource(log)}`, 1);
}

/**
 * Checks whether a lock file, a manifest or a segment (an older part of a log) lies next to a file. If so, the file is
 * a log, even if all of its lines are damaged.
 */
function isKnownByFiles(path: string): boolean {
  const log = new LogDirectory(denoFileSystem, path);
  return [log.files.lock, log.files.manifest].some((file) =>
    denoFileSystem.status(file) !== null
  ) ||
    log.segments().length > 0;
}

/**
 * Returns the reason why a file is not a log. Returns null if the file is empty or one of its lines may be an event.
 */
function reasonAgainst(path: string): string | null {
  let handle: FileHandle | null;
  try {
    handle = openForRead(denoFileSystem, path);
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(error.message, 1);
    throw withFlags(error, [pathFlag("read", path)], { action: "Cannot read audit log" });
  }
  if (handle === null) return null;
  try {
    const { byteLength } = handle.status();
    const start = partOf(handle, 0);
    const end = partOf(handle, Math.max(0, byteLength - PART_BYTES));
    if (byteLength === 0 || [start, end].some(mayHoldEvent)) return null;
    const kind = kindOf(start, basename(path));
    return kind === null
      ? "no line of the file is a JSON object"
      : `the file is ${kind}, not an audit log`;
  } finally {
    handle.close();
  }
}

function partOf(handle: FileHandle, position: number): Uint8Array {
  const bytes = new Uint8Array(PART_BYTES);
  return bytes.subarray(0, handle.readSync(bytes, position));
}

/** Checks whether a line in `bytes`, a part of a file, is an event or may be the start of an event. */
function mayHoldEvent(bytes: Uint8Array): boolean {
  for (let start = 0; start < bytes.byteLength;) {
    const lineBreak = bytes.indexOf(LINE_BREAK, start);
    const line = bytes.subarray(start, lineBreak === -1 ? bytes.byteLength : lineBreak);
    const parsed = parseLine(line);
    if (parsed !== null && "event" in parsed) return true;
    if (lineBreak === -1) return line[0] === BRACE;
    start = lineBreak + 1;
  }
  return false;
}

/** Returns the kind of a file by its first bytes and its name, such as "a PNG image"; null if the kind is unknown. */
function kindOf(start: Uint8Array, name: string): string | null {
  const known = SIGNATURES.find(([bytes]) => bytes.every((byte, n) => start[n] === byte));
  if (known !== undefined) return known[1];
  if (/\.[ct]sv$/i.test(name)) return "a table (use scout import)";
  return decodeUtf8(start.subarray(0, start.lastIndexOf(LINE_BREAK) + 1)) === null
    ? "binary data"
    : null;
}
