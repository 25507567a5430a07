/**
 * The file that states how far each fleet has received a log: `audit.shipped.jsonl`, one line per fleet. A fleet is a
 * group of logs that are copied into one stream of NATS JetStream. A shipper is a process that copies a log.
 *
 *     {"v":1,"stream":"AUDIT","fleet":"mine","log":"machine-1","archive":"audit_20260213_143022.jsonl.gz",
 *      "position":10485812,"ts":"2026-02-13T14:30:23.000Z"}
 *
 * A writer with the option `retention.untilShipped` creates the file, empty. A shipper writes its line only into a file
 * that exists. It replaces the file as a whole: it writes the new lines to an unfinished file, syncs that file and
 * renames it. So after a kill or a power loss, the file has either all old lines or all new lines.
 *
 * Invariant: a fleet never counts as having received more than it has received. If the file does not exist, has no line
 * or has a damaged line, no archive counts as received. A shipper does not replace a damaged file. Otherwise it could
 * remove the line of another fleet, and retention would then not wait for that fleet.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { messageOf } from "../errors.ts";
import { readWhole } from "../platform/chunks.ts";
import type { Clock } from "../platform/clock.ts";
import { removeFile } from "../platform/regular_file.ts";
import { type Claim, tryClaim } from "./claim.ts";
import type { LogDirectory } from "./log_directory.ts";
import type { Stamp } from "./segment_name.ts";

/** Matches a valid name of a fleet, a log or a stream. */
export const FLEET_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** A fleet that receives the log, and the name of the log in the fleet. */
export interface ReceivingFleet {
  /** Name of the stream of NATS JetStream. */
  readonly stream: string;
  readonly fleet: string;
  /** Name of the log in the fleet. */
  readonly log: string;
}

/** The line of a fleet: the part of the log that the fleet has received. */
export interface Received extends ReceivingFleet {
  /** The file name of the newest archive that the fleet has received completely; null if it has received none. */
  readonly archive: string | null;
  /**
   * Position up to which the fleet had received the log when the line was written, in bytes, counted across all files
   * of the log.
   */
  readonly position: number;
  /** Time at which the line was written, ISO 8601 in UTC. */
  readonly ts: string;
}

/** The content of `audit.shipped.jsonl`. */
export interface ShippedLines {
  /** The newest archive that each fleet has received, in the order of the lines in the file. */
  readonly fleets: readonly Received[];
  /** Description of the damage, if the file or some of its lines cannot be read; otherwise null. */
  readonly damage: string | null;
}

/** Maximum size of the file in bytes, enough for a thousand fleets. A larger file counts as damaged. */
const FILE_BYTES_MAX = 512 * 1024;
/** Maximum time in milliseconds that a shipper waits while other shippers write their lines. */
const PATIENCE_MS = 10_000;
const DELAY_MAX_MS = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads `audit.shipped.jsonl`. Returns null if the file does not exist. Never throws. */
export function readShipped(log: LogDirectory): ShippedLines | null {
  using stack = new DisposableStack();
  try {
    const handle = log.open(log.files.shipped, stack);
    if (handle === null) return null;
    const { byteLength } = handle.status();
    if (byteLength > FILE_BYTES_MAX) {
      return { fleets: [], damage: `the file has more than ${FILE_BYTES_MAX} bytes` };
    }
    return linesIn(readWhole(handle, 0, byteLength), log);
  } catch (error) {
    return { fleets: [], damage: messageOf(error) };
  }
}

/**
 * Creates an empty `audit.shipped.jsonl` if the file does not exist. Shippers write their lines only into an existing
 * file.
 */
export async function createShipped(log: LogDirectory): Promise<void> {
  const { fileSystem, files: { shipped } } = log;
  if (fileSystem.status(shipped) !== null) return;
  log.openForAppend(shipped).handle.close();
  await log.sync();
}

/**
 * Returns the stamp (time in the file name) of the newest archive that every fleet has received. Returns null if a
 * fleet has received no archive. Also returns null if the file has no line, does not exist or is damaged.
 */
export function receivedByAll(lines: ShippedLines | null, log: LogDirectory): Stamp | null {
  if (lines === null || lines.damage !== null || lines.fleets.length === 0) return null;
  const stamps = lines.fleets.map(({ archive }) => stampIn(archive, log));
  return stamps.includes(null) ? null : stamps.sort()[0]!;
}

/** Returns the stamp, which is the time in the name of an archive; null if the name is null. */
export function stampIn(archive: string | null, log: LogDirectory): Stamp | null {
  return archive === null ? null : log.files.parse(archive)!.stamp;
}

/** Checks whether two lines of `audit.shipped.jsonl` are of the same fleet, and of the same log in this fleet. */
export function isSameFleet(a: ReceivingFleet, b: ReceivingFleet): boolean {
  return a.stream === b.stream && a.fleet === b.fleet && a.log === b.log;
}

/** Options of {@linkcode recordReceived}. */
export interface Recording {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Writes the line of a fleet into `audit.shipped.jsonl`, and keeps the lines of all other fleets. Does nothing if the
 * file does not exist, or if the signal is aborted.
 *
 * @throws {OwnershipError} If the process may not assign files to the owner of the file.
 * @throws {Error} If the file is damaged or cannot be written, or if other shippers keep it locked for 10 seconds.
 */
export async function recordReceived(
  log: LogDirectory,
  own: Received,
  recording: Recording,
): Promise<void> {
  using claim = await claimed(log, recording);
  if (claim === null) return;
  const { fileSystem, files: { shipped, unfinishedShipped } } = log;
  const before = readShipped(log);
  if (before === null) return;
  if (before.damage !== null) {
    throw new Error(
      `${before.damage}; repair the file, or delete it; the next rotation or open() creates it again`,
    );
  }
  const fleets = [...before.fleets.filter((each) => !isSameFleet(each, own)), own];
  // A shipper that was killed while it wrote may have left its unfinished file behind.
  removeFile(fileSystem, unfinishedShipped);
  try {
    await write(log, fleets.map((each) => `${lineOf(each)}\n`).join(""));
    fileSystem.rename(unfinishedShipped, shipped);
  } catch (error) {
    removeFile(fileSystem, unfinishedShipped);
    throw error;
  }
  await log.sync();
  claim.release();
}

/** Writes the new text of `audit.shipped.jsonl` into a temporary file, and syncs that file. */
async function write(log: LogDirectory, text: string): Promise<void> {
  const { fileSystem, files: { shipped, unfinishedShipped } } = log;
  const bytes = encoder.encode(text);
  if (bytes.byteLength > FILE_BYTES_MAX) {
    throw new Error(`the file would have more than ${FILE_BYTES_MAX} bytes`);
  }
  const ownership = fileSystem.status(shipped)?.ownership ?? log.ownership();
  using stack = new DisposableStack();
  const handle = log.create(unfinishedShipped, ownership);
  stack.defer(() => handle.close());
  if (handle.appendSync(bytes) < bytes.byteLength) {
    throw new Error("only a part of the file was written; the disk may be full");
  }
  await handle.syncData();
}

/**
 * Takes the claim on `audit.shipped.jsonl`, which keeps other shippers from writing into the file. Retries while
 * another shipper holds the claim. Resolves with null if the signal is aborted.
 */
async function claimed(log: LogDirectory, { clock, signal }: Recording): Promise<Claim | null> {
  const deadlineMs = clock.monotonicMs() + PATIENCE_MS;
  for (let delayMs = 1; !signal.aborted; delayMs = Math.min(2 * delayMs, DELAY_MAX_MS)) {
    const claim = tryClaim(log, log.files.recording);
    if (claim !== null) return claim;
    if (clock.monotonicMs() > deadlineMs) {
      throw new Error(`other shippers kept the file locked for ${PATIENCE_MS / 1000} s`);
    }
    await clock.wait(delayMs);
  }
  return null;
}

/**
 * Removes the unfinished file and the claim file of a shipper that was killed while it wrote its line into
 * `audit.shipped.jsonl`. Returns the names of the removed files.
 */
export function removeUnfinishedShipped(log: LogDirectory): string[] {
  const { fileSystem, files: { recording, unfinishedShipped } } = log;
  const left = [unfinishedShipped, recording].filter((path) => fileSystem.status(path) !== null);
  if (left.length === 0) return [];
  using claim = tryClaim(log, recording);
  // A running shipper holds the claim and is writing its line, so the two files belong to it and must stay.
  if (claim === null) return [];
  removeFile(fileSystem, unfinishedShipped);
  claim.release();
  return left.map((path) => basename(path));
}

function lineOf({ stream, fleet, log, archive, position, ts }: Received): string {
  return JSON.stringify({ v: 1, stream, fleet, log, archive, position, ts });
}

function linesIn(bytes: Uint8Array, log: LogDirectory): ShippedLines {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    // The message has no line number, because TextDecoder does not report the position of the invalid bytes.
    return { fleets: [], damage: "the file is not UTF-8" };
  }
  const lines = text.split("\n");
  const torn = lines.pop();
  const fleets: Received[] = [];
  const invalid: number[] = [];
  for (const [index, line] of lines.entries()) {
    const found = receivedIn(line, log);
    const isDouble = found !== null && fleets.some((each) => isSameFleet(each, found));
    if (found === null || isDouble) invalid.push(index + 1);
    else fleets.push(found);
  }
  if (torn !== "") invalid.push(lines.length + 1);
  const [first] = invalid;
  return { fleets, damage: first === undefined ? null : `line ${first} is invalid` };
}

/** Parses a line of `audit.shipped.jsonl`. Returns null if a shipper of the log cannot have written the line. */
function receivedIn(text: string, log: LogDirectory): Received | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The line is torn or damaged. The error has no further details that a caller needs.
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const line = value as Readonly<Record<string, unknown>>;
  const { archive, position, ts } = line;
  const areNames = [line["stream"], line["fleet"], line["log"]]
    .every((name) => typeof name === "string" && FLEET_NAME.test(name));
  const isArchive = archive === null ||
    typeof archive === "string" && log.files.parse(archive)?.form === "archive";
  const isPosition = Number.isSafeInteger(position) && position as number >= 0;
  const isTime = typeof ts === "string" && !Number.isNaN(Date.parse(ts));
  const isValid = line["v"] === 1 && areNames && isArchive && isPosition && isTime;
  return isValid ? line as unknown as Received : null;
}
