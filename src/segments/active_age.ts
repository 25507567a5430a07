/**
 * Determines when the first line was written to the active file. A file that is too old is sealed: no more lines are
 * appended to it, and it gets the name of a segment.
 *
 * The time comes from the first event, because the log's clock may differ from the clock of the system. But an imported
 * event may be much older than the file. So if the file was created after the first event, the creation time of the
 * file counts instead. A time later than the current time of the log's clock is ignored.
 *
 * @module
 */
import { parseLine } from "../line/parse_line.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { eventEpochMs } from "../time.ts";

const LINE_BREAK = 0x0a;
/** Maximum number of bytes of the first line that are read. */
const FIRST_LINE_BYTES = 64 * 1024;
/**
 * Matches the time at the start of a line that this library wrote. Used if the line cannot be parsed, because its line
 * break was not among the bytes that were read.
 */
const TIME_FIRST = /^\{"ts":"([^"\\]{1,40})"/;

/**
 * Returns the time at which the first line was written to a file, epoch milliseconds. Returns NaN if the time of the
 * first event and the creation time of the file are both unknown or later than `nowMs`.
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
