/**
 * Which segments a directory holds, in the order of their content.
 *
 * @module
 */
import { basename } from "@std/path";
import type { FileSystem } from "../file_system.ts";
import type { LogFiles, Stamp } from "./segment_name.ts";

/** The forms in which one segment is there; both, while it is being archived. */
export interface ListedSegment {
  readonly stamp: Stamp;
  readonly sealed: boolean;
  readonly archived: boolean;
}

/**
 * Lists the segments of a log, oldest first. A file with a lock file of its own is a log and no
 * segment, whatever its name. A directory that is not there holds none.
 */
export function listSegments(fileSystem: FileSystem, files: LogFiles): ListedSegment[] {
  const names = namesIn(fileSystem, files.directory);
  const segments = new Map<Stamp, ListedSegment>();
  for (const name of names) {
    const parsed = files.parse(name);
    if (parsed === null) continue;
    const { stamp, form } = parsed;
    if (form === "sealed" && names.has(`${basename(files.sealed(stamp))}.lock`)) continue;
    const { sealed = false, archived = false } = segments.get(stamp) ?? {};
    segments.set(stamp, {
      stamp,
      sealed: sealed || form === "sealed",
      archived: archived || form === "archive",
    });
  }
  return [...segments.values()].sort((a, b) => a.stamp < b.stamp ? -1 : 1);
}

/**
 * The names that two listings find together. One alone may miss both forms of a segment that is
 * archived while it runs; a second one, begun after the first has ended, finds the archive.
 */
function namesIn(fileSystem: FileSystem, directory: string): ReadonlySet<string> {
  try {
    return new Set([...fileSystem.list(directory), ...fileSystem.list(directory)]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Set();
    throw error;
  }
}
