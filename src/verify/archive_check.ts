/**
 * An archive held against the lines of the manifest that tell of it. Pure.
 *
 * @module
 */
import type { GzipFacts } from "../segments/manifest_line.ts";
import type { SegmentSummary } from "../segments/segment_summary.ts";
import type { NumberedLine } from "./manifest_check.ts";

/** What was found in an archive. */
export interface ArchiveContent extends GzipFacts {
  readonly summary: SegmentSummary;
}

/**
 * What of an archive is not as the manifest tells; undefined if all is. Of several lines, each has to tell
 * of the same content, whatever became of the file, and the last one of the file as it is.
 */
export function reasonAgainst(
  { summary, gzip_bytes, gzip_sha256 }: ArchiveContent,
  lines: readonly NumberedLine[],
): string | undefined {
  const other = lines.find(({ line }) => line.sha256 !== summary.sha256);
  if (other !== undefined) return isNotOf(other);
  const { line, number } = lines.at(-1)!;
  if (line.gzip_bytes !== gzip_bytes || line.gzip_sha256 !== gzip_sha256) {
    return `its file is another one than line ${number} of the manifest tells of, with the same content`;
  }
  const doubled = lines.find(({ line }, index) =>
    index > 0 && lines[index - 1]!.line.gzip_sha256 === line.gzip_sha256
  );
  if (doubled !== undefined) return `line ${doubled.number} of the manifest tells of it once more`;
  if (line.oversized !== summary.oversized) {
    return `line ${number} of the manifest counts ${line.oversized} lines as too long, and this check ` +
      `${summary.oversized}: it was changed, or made with another maxLineBytes`;
  }
  if (figuresOf(line) === figuresOf(summary)) return undefined;
  return `line ${number} of the manifest has other figures`;
}

/** Says that a file is not what a line tells of. */
export function isNotOf({ number }: NumberedLine): string {
  return `it holds something else than line ${number} of the manifest tells of`;
}

/** The figures of a line as text, in one order. */
function figuresOf(summary: SegmentSummary): string {
  const { lines, malformed, untimed, raw_bytes, first_ts, last_ts, min_ts, max_ts } = summary;
  const { events, last_seq, last_hash } = summary;
  const times = [first_ts, last_ts, min_ts, max_ts];
  return JSON.stringify([lines, malformed, untimed, raw_bytes, times, events, last_seq, last_hash]);
}
