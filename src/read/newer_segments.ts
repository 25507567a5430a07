/**
 * Lists the segments that are newer than a stamp, which is the time in the name of a segment. Also compares a segment
 * with an open file.
 *
 * @module
 */
import { readChunks } from "../platform/chunks.ts";
import { isSameFile } from "../platform/file_system.ts";
import type { Turns } from "../platform/turns.ts";
import type { ListedSegment, LogDirectory } from "../segments/log_directory.ts";
import type { Stamp } from "../segments/segment_name.ts";
import type { FileCursor } from "./file_cursor.ts";
import { gunzipped } from "./gunzip.ts";

/**
 * Returns the stamps (the times in the names) of the non-empty segments that are newer than the segment `after`, oldest
 * first.
 */
export function newerSegments(log: LogDirectory, after: Stamp): Stamp[] {
  return log.segments().filter((segment) => isNewer(log, segment, after)).map(({ stamp }) => stamp);
}

/** Lists the segments like {@linkcode newerSegments}, in steps between which other tasks can run. */
export async function newerSegmentsInTurns(
  log: LogDirectory,
  after: Stamp,
  turns: Turns,
): Promise<Stamp[]> {
  const newer: Stamp[] = [];
  for (const segment of await log.segmentsInTurns(turns)) {
    if (turns.isDue) await turns.take();
    if (isNewer(log, segment, after)) newer.push(segment.stamp);
  }
  return newer;
}

function isNewer(log: LogDirectory, segment: ListedSegment, after: Stamp): boolean {
  return segment.stamp > after && !isEmpty(log, segment);
}

/**
 * Checks whether a segment is empty. Before a process seals a file, it reserves the name of the segment with an empty
 * file. If the process is killed before it seals the file, the empty file remains.
 */
function isEmpty({ fileSystem, files }: LogDirectory, { stamp, forms }: ListedSegment): boolean {
  if (forms.has("archive")) return false;
  const status = fileSystem.status(files.sealed(stamp));
  // If the file of the segment was removed after it was listed, and the segment has no archive, the file was empty.
  return status === null
    ? fileSystem.status(files.archive(stamp)) === null
    : status.byteLength === 0;
}

/**
 * Compares a segment with the open file of a cursor. Resolves with "same" if the open file was sealed or archived as
 * this segment, "other" if the segment was created from another file, "gone" if the segment no longer exists, and
 * "unreadable" if its archive cannot be read now.
 */
export async function compareSegment(
  cursor: FileCursor,
  log: LogDirectory,
  stamp: Stamp,
): Promise<"same" | "other" | "gone" | "unreadable"> {
  const sealed = log.fileSystem.status(log.files.sealed(stamp));
  if (sealed !== null) return isSameFile(sealed, cursor.status()) ? "same" : "other";
  using stack = new DisposableStack();
  try {
    const archive = log.openArchive(stamp, stack);
    if (archive === null) return "gone";
    const { byteLength } = archive.status();
    const isSame = await cursor.isCopyOf(gunzipped(() => readChunks(archive, byteLength)));
    return isSame ? "same" : "other";
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return "unreadable";
  }
}
