/**
 * Which archives of a log are to go. Pure.
 *
 * @module
 */
import type { RetentionPolicy } from "../options/log_options.ts";
import type { PruneReason } from "./manifest_line.ts";
import { type Stamp, stampEpochMs } from "./segment_name.ts";

/** An archive that may go. */
export interface OwnArchive {
  readonly stamp: Stamp;
  readonly gzip_bytes: number;
}

/** An archive that is to go. */
export interface DueArchive<Archive extends OwnArchive> {
  readonly archive: Archive;
  readonly reason: PruneReason;
}

/** Tells which of the archives, which are in the order of their stamps, are to go and why. */
export function dueArchives<Archive extends OwnArchive>(
  archives: readonly Archive[],
  { maxArchives = Infinity, maxBytes = Infinity, maxAgeSec = Infinity }: RetentionPolicy,
  nowMs: number,
): DueArchive<Archive>[] {
  const due: DueArchive<Archive>[] = [];
  let bytes = archives.reduce((sum, { gzip_bytes }) => sum + gzip_bytes, 0);
  for (const archive of archives.slice(0, -1)) {
    const reason = archives.length - due.length > maxArchives
      ? "archives"
      : bytes > maxBytes
      ? "bytes"
      : stampEpochMs(archive.stamp) < nowMs - maxAgeSec * 1000
      ? "age"
      : null;
    // What is younger than one that stays stays too, whatever its own stamp says.
    if (reason === null) break;
    due.push({ archive, reason });
    bytes -= archive.gzip_bytes;
  }
  return due;
}
