/**
 * What the manifest says of the files of a snapshot.
 *
 * @module
 */
import { basename } from "@std/path";
import type { Logger } from "../logger.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import type { SnapshotFile } from "./snapshot.ts";

/** The lines by the name of the archive. */
export type LinesByArchive = ReadonlyMap<string, ArchiveLine>;

/** Reads the lines; a manifest that is no plain file says nothing, and the logger is told. */
export function linesOf(manifest: ManifestReader, logger: Logger): LinesByArchive {
  try {
    return manifest.read().byArchive;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    logger.warn(`Cannot use the manifest of the audit log: ${error.message}`);
    return new Map();
  }
}

/**
 * The line of a file, if it is an archive, the line is of what has the name now, and it tells all: lines
 * that were too long for who wrote it may be events here.
 */
export function lineOf(file: SnapshotFile, lines: LinesByArchive): ArchiveLine | undefined {
  const line = file.isArchive ? lines.get(basename(file.path)) : undefined;
  return line?.gzip_bytes === file.byteLength && line.oversized === 0 ? line : undefined;
}
