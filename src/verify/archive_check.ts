/**
 * Compares an archive with its lines in the manifest. Pure.
 *
 * @module
 */
import type { ArchiveLine, GzipFacts } from "../segments/manifest_line.ts";
import type { RollupContent } from "../rollup/rollup.ts";
import type { StoredRollup } from "../segments/rollup_file.ts";
import type { SegmentSummary } from "../segments/segment_summary.ts";
import type { NumberedLine } from "./manifest_check.ts";

/** The digests and figures of an archive, computed from its file. */
export interface ArchiveContent extends GzipFacts {
  readonly summary: SegmentSummary;
  /**
   * The sums of the archive, computed from its events; null if the archive has no file with its sums, or if the sums
   * would have too many groups.
   */
  readonly rollup: RollupContent | null;
  /**
   * The facts about the file with the archive's sums, which lies beside the archive; null if the file does not exist.
   */
  readonly stored: StoredRollup | null;
}

/**
 * Returns the first difference between an archive and its lines in the manifest, or undefined if they match. The
 * manifest is the file that lists the archives of a log. Every line must have the digest of the content. The last line
 * must also have the digest of the compressed file.
 */
export function reasonAgainst(
  { summary, gzip_bytes, gzip_sha256 }: ArchiveContent,
  lines: readonly NumberedLine[],
): string | undefined {
  const other = lines.find(({ line }) => line.sha256 !== summary.sha256);
  if (other !== undefined) return isNotOf(other);
  const { line, number } = lines.at(-1)!;
  if (line.gzip_bytes !== gzip_bytes || line.gzip_sha256 !== gzip_sha256) {
    return `the content of this archive matches line ${number} of the manifest, but the compressed bytes differ`;
  }
  // A second line for the same file is a duplicate, unless it states another rollup (the file with the archive's sums):
  // recovery adds such a line when it writes a rollup that the last line does not state.
  const doubled = lines.find(({ line: { gzip_sha256, rollup_sha256 } }, index) => {
    const last = lines[index - 1]?.line;
    return last?.gzip_sha256 === gzip_sha256 &&
      (rollup_sha256 === undefined || rollup_sha256 === last.rollup_sha256);
  });
  if (doubled !== undefined) return `line ${doubled.number} of the manifest is a duplicate`;
  if (line.oversized !== summary.oversized) {
    return `line ${number} of the manifest counts ${line.oversized} lines as too long, but this check counts ` +
      `${summary.oversized}: the manifest was modified, or written with another maxLineBytes`;
  }
  // If an earlier version of this library wrote the manifest line, the line has no spans. The spans are then not
  // compared.
  const spans = line.spans === undefined ? undefined : summary.spans;
  if (figuresOf(line) === figuresOf({ ...summary, spans })) return undefined;
  return `the figures of this archive differ from line ${number} of the manifest`;
}

/** Returns the reason text for a file whose content differs from a line of the manifest. */
export function isNotOf({ number }: NumberedLine): string {
  return `the content of this file differs from line ${number} of the manifest`;
}

/** Returns the figures of an archive, or of its line in the manifest, as one text that can be compared. */
function figuresOf(summary: Omit<SegmentSummary, "spans"> & Pick<ArchiveLine, "spans">): string {
  const { lines, malformed, untimed, raw_bytes, first_ts, last_ts, min_ts, max_ts } = summary;
  const { events, spans, last_seq, last_hash } = summary;
  const times = [first_ts, last_ts, min_ts, max_ts];
  const last = [last_seq, last_hash];
  return JSON.stringify([lines, malformed, untimed, raw_bytes, times, events, spans, last]);
}
