/**
 * Determines when the active file took its first line, so that it can be sealed by its age.
 *
 * The time is that of the first event, because the clock of a log need not be that of the system. An imported event may
 * be much older than its file. Therefore the time is not earlier than the creation of the file. A time in the future of
 * the log's clock does not count.
 *
 * @module
 */
import { parseLine } from "../line/parse_line.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { eventEpochMs } from "../time.ts";

const LINE_BREAK = 0x0a;
/** Maximum number of bytes of the first line that are read. */
const FIRST_LINE_BYTES = 64 * 1024;
/** The time at the start of a line of this library, for lines that are not read to their end. */
const TIME_FIRST = /^\{"ts":"([^"\\]{1,40})"/;

/**
 * Returns the time at which a file took its first line, epoch milliseconds. Returns NaN if neither the first event nor
 * the file system shows a time that has come.
 */
export function beganMs(active: FileHandle, nowMs: number): number {
  const timesMs = [firstTimeMs(active), active.status().createdMs ?? NaN]
    .filter((timeMs) => timeMs <= nowMs);
  return timesMs.length === 0 ? NaN : Math.max(...timesMs);
}

function firstTimeMs(active: FileHandle): number {
  const buffer = new Uint8Array(FIRST_LINE_BYTES);
  const bytes = buffer.subarray(0, active.readSync(buffer, 0));
  const end = bytes.indexOf(LINE_BREAK);
  if (end < 0) return eventEpochMs(TIME_FIRST.exec(new TextDecoder().decode(bytes))?.[1]);
  const parsed = parseLine(bytes.subarray(0, end));
  return parsed !== null && "event" in parsed ? eventEpochMs(parsed.event.ts) : NaN;
}
