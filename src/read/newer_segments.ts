/**
 * The segments that came after a known one.
 *
 * @module
 */
import { readChunks } from "../platform/chunks.ts";
import type { FileSystem } from "../platform/file_system.ts";
import { isSameFile, openInto } from "../platform/regular_file.ts";
import { type ListedSegment, listSegments } from "../segments/list_segments.ts";
import type { LogFiles, Stamp } from "../segments/segment_name.ts";
import type { FileCursor } from "./file_cursor.ts";
import { gunzipped } from "./gunzip.ts";

/** The disk and the log on it. */
export interface SegmentSite {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
}

/** Lists the stamps of the segments that hold something and came after the stamp, oldest first. */
export function newerSegments(site: SegmentSite, after: Stamp): Stamp[] {
  return listSegments(site.fileSystem, site.files)
    .filter((segment) => segment.stamp > after && holdsSomething(site, segment))
    .map(({ stamp }) => stamp);
}

/** An empty segment is what a sealer leaves that is killed, or still at work. */
function holdsSomething(
  { fileSystem, files }: SegmentSite,
  { stamp, forms }: ListedSegment,
): boolean {
  if (forms.has("archive")) return true;
  const status = fileSystem.status(files.sealed(stamp));
  // One that is gone since it was listed has an archive, if it held anything; a stray has none.
  return status === null ? fileSystem.status(files.archive(stamp)) !== null : status.byteLength > 0;
}

/**
 * What the segment is to the file of the cursor: "same" is what the file has become, "other" another
 * file, and "gone" is not there any more.
 */
export async function whatIsOf(
  cursor: FileCursor,
  { fileSystem, files }: SegmentSite,
  stamp: Stamp,
): Promise<"same" | "other" | "gone"> {
  const sealed = fileSystem.status(files.sealed(stamp));
  if (sealed !== null) return isSameFile(sealed, cursor.status()) ? "same" : "other";
  using stack = new DisposableStack();
  try {
    const archive = openInto(stack, fileSystem, files.archive(stamp));
    if (archive === null) return "gone";
    const { byteLength } = archive.status();
    const isSame = await cursor.isCopyOf(gunzipped(() => readChunks(archive, byteLength)));
    return isSame ? "same" : "other";
  } catch (error) {
    // An archive that cannot be read is told of when it is read.
    if (!(error instanceof TypeError)) throw error;
    return "other";
  }
}
