/**
 * Determines which archives of a log exceed a limit of its retention policy. Pure.
 *
 * @module
 */
import type { RetentionPolicy } from "../options/log_options.ts";
import type { PruneReason } from "./manifest_line.ts";
import { type Stamp, stampEpochMs } from "./segment_name.ts";

/** An archive that this library created and may therefore prune. */
export interface OwnArchive {
  readonly stamp: Stamp;
  readonly gzip_bytes: number;
}

/** An archive to prune, and the limit that it exceeds. */
export interface DueArchive<Archive extends OwnArchive> {
  readonly archive: Archive;
  readonly reason: PruneReason;
}

/**
 * Returns the archives to prune, oldest first, each with the reason. The archives must be in ascending order of their
 * stamps. The newest archive is only pruned because of its age.
 */
export function dueArchives<Archive extends OwnArchive>(
  archives: readonly Archive[],
  { maxArchives = Infinity, maxBytes = Infinity, maxAgeSec = Infinity }: RetentionPolicy,
  nowMs: number,
): DueArchive<Archive>[] {
  const due: DueArchive<Archive>[] = [];
  let bytes = archives.reduce((sum, { gzip_bytes }) => sum + gzip_bytes, 0);
  for (const [index, archive] of archives.entries()) {
    const isNewest = index === archives.length - 1;
    const reason = !isNewest && archives.length - due.length > maxArchives
      ? "archives"
      : !isNewest && bytes > maxBytes
      ? "bytes"
      : stampEpochMs(archive.stamp) < nowMs - maxAgeSec * 1000
      ? "age"
      : null;
    // If an archive is kept, all newer archives are kept too, regardless of their own stamps.
    if (reason === null) break;
    due.push({ archive, reason });
    bytes -= archive.gzip_bytes;
  }
  return due;
}
