/**
 * Determines which archives of a log exceed a limit of its retention policy. Pure.
 *
 * @module
 */
import type { RetentionPolicy } from "../options/log_options.ts";
import type { PruneReason } from "./manifest_line.ts";
import { type Stamp, stampEpochMs } from "./segment_name.ts";

/** An archive that this library created and may therefore delete. */
export interface OwnArchive {
  readonly stamp: Stamp;
  readonly gzip_bytes: number;
}

/** An archive to delete, and the limit that it exceeds. */
export interface DueArchive<Archive extends OwnArchive> {
  readonly archive: Archive;
  readonly reason: PruneReason;
}

/**
 * Returns the archives to delete, oldest first, each with the limit that it exceeds. The archives must be in ascending
 * order of their stamps, which are the times in their file names. The newest archive is only deleted because of its
 * age.
 *
 * @param received Stamp of the newest archive that every fleet has received; null if a fleet has received none. A fleet
 *   is a group of logs on a server, into which the log is copied. Used only if the policy has `untilShipped`.
 */
export function dueArchives<Archive extends OwnArchive>(
  archives: readonly Archive[],
  policy: RetentionPolicy,
  nowMs: number,
  received: Stamp | null = null,
): DueArchive<Archive>[] {
  const { maxArchives = Infinity, maxBytes = Infinity, maxAgeSec = Infinity } = policy;
  const due: DueArchive<Archive>[] = [];
  let bytes = archives.reduce((sum, { gzip_bytes }) => sum + gzip_bytes, 0);
  for (const [index, archive] of archives.entries()) {
    const isNewest = index === archives.length - 1;
    const reason = !isNewest && archives.length - due.length > maxArchives
      ? "archives"
      : !isNewest && bytes > maxBytes
      ? "bytes"
      : isOlder(archive, maxAgeSec, nowMs)
      ? "age"
      : null;
    // Archives are deleted oldest first. So if an archive is kept, all newer archives are kept too.
    if (reason === null) break;
    // Fleets receive the archives of a log in order. So a fleet that has not received this archive has not received any
    // newer archive either. So the bytes of all remaining archives count as not shipped yet.
    if (mustWait(archive, { policy, nowMs, received, waitingBytes: bytes })) break;
    due.push({ archive, reason });
    bytes -= archive.gzip_bytes;
  }
  return due;
}

/**
 * Checks whether an archive has not been received yet by the fleets to which the log is copied.
 *
 * @param received Stamp (time in the file name) of the newest archive that one fleet, or every fleet, has received;
 *   null if none was received.
 */
export function isUnshipped({ stamp }: Pick<OwnArchive, "stamp">, received: Stamp | null): boolean {
  return received === null || stamp > received;
}

function mustWait(
  archive: OwnArchive,
  { policy: { untilShipped }, nowMs, received, waitingBytes }: {
    policy: RetentionPolicy;
    nowMs: number;
    received: Stamp | null;
    waitingBytes: number;
  },
): boolean {
  if (untilShipped === undefined || !isUnshipped(archive, received)) return false;
  const { maxBytes = Infinity, maxAgeSec = Infinity } = untilShipped;
  return waitingBytes <= maxBytes && !isOlder(archive, maxAgeSec, nowMs);
}

function isOlder({ stamp }: OwnArchive, maxAgeSec: number, nowMs: number): boolean {
  return stampEpochMs(stamp) < nowMs - maxAgeSec * 1000;
}
