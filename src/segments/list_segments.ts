/**
 * Which segments a directory holds, in the order of their content.
 *
 * @module
 */
import { basename } from "@std/path";
import type { FileSystem } from "../platform/file_system.ts";
import type { LogFiles, SegmentName, Stamp } from "./segment_name.ts";

/** The forms in which one segment is there; more than one, while it is being archived. */
export interface ListedSegment {
  readonly stamp: Stamp;
  readonly forms: ReadonlySet<SegmentName["form"]>;
}

/**
 * Lists the segments of a log, oldest first. A file with a lock file of its own is a log and no
 * segment, whatever its name. A directory that is not there holds none.
 */
export function listSegments(fileSystem: FileSystem, files: LogFiles): ListedSegment[] {
  // One listing may miss both forms of a segment that is archived while it runs; a second one, begun
  // after the first has ended, finds the archive.
  const names = new Set([...namesIn(fileSystem, files), ...namesIn(fileSystem, files)]);
  const segments = new Map<Stamp, Set<SegmentName["form"]>>();
  for (const name of names) {
    const parsed = files.parse(name);
    if (parsed === null) continue;
    const { stamp, form } = parsed;
    if (form === "sealed" && names.has(`${basename(files.sealed(stamp))}.lock`)) continue;
    segments.set(stamp, (segments.get(stamp) ?? new Set()).add(form));
  }
  return [...segments].map(([stamp, forms]) => ({ stamp, forms }))
    .sort((a, b) => a.stamp < b.stamp ? -1 : 1);
}

/** The newest stamp that any name in the directory carries. */
export function newestStamp(fileSystem: FileSystem, files: LogFiles): Stamp | undefined {
  let newest: Stamp | undefined;
  for (const name of namesIn(fileSystem, files)) {
    const stamp = files.parse(name)?.stamp;
    if (stamp !== undefined && (newest === undefined || stamp > newest)) newest = stamp;
  }
  return newest;
}

function namesIn(fileSystem: FileSystem, { directory }: LogFiles): string[] {
  try {
    return fileSystem.list(directory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
