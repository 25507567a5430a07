/**
 * Parses the events in the lines of a block (a range of bytes of a log that was shipped). Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import { eventsIn, type ParseOptions } from "../read/parse_block.ts";

const LINE_BREAK = 0x0a;
/** Minimum number of bytes to parse at a time. The number is small, so that only few events are in memory at once. */
const PIECE_BYTES = 128 * 1024;

/**
 * Yields the events of whole lines in batches. `from` is the position of the first line in the log, so that a report of
 * damage states the position in the log.
 */
export function* blockEvents(
  lines: Uint8Array,
  parsing: Pick<ParseOptions, "lineTest" | "onDamage">,
  from = 0,
): Generator<AuditEvent[], void> {
  const options = { maxLineBytes: MAX_LINE_BYTES, ...parsing };
  for (let start = 0; start < lines.byteLength;) {
    const behind = lines.indexOf(LINE_BREAK, start + PIECE_BYTES) + 1;
    const bytes = lines.subarray(start, behind || lines.byteLength);
    yield eventsIn({ bytes, byteOffset: from + start, byteLength: bytes.byteLength }, options);
    start += bytes.byteLength;
  }
}
