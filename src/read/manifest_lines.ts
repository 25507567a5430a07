/**
 * Finds the manifest lines of the files of a snapshot. The manifest of a log has a line with the figures of each
 * archive.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import type { Logger } from "../logger.ts";
import type { Turns } from "../platform/turns.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { ManifestLines } from "../segments/manifest_lines.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import type { SnapshotFile } from "./snapshot.ts";

/**
 * Reads the manifest and returns its lines. If the manifest is not a regular file, logs a warning and returns no lines.
 */
export function linesOf(manifest: ManifestReader, logger: Logger): ManifestLines {
  try {
    return manifest.read();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    logger.warn(
      `Reading archives without the manifest, because it cannot be used: ${error.message}`,
    );
    return new ManifestLines();
  }
}

/** Reads the manifest like {@linkcode linesOf}, in steps between which other tasks can run. */
export async function linesInTurns(
  manifest: ManifestReader,
  logger: Logger,
  turns: Turns,
): Promise<ManifestLines> {
  try {
    await manifest.catchUp(turns);
  } catch (error) {
    // The manifest is not a regular file. The call of linesOf() below logs a warning.
    if (!(error instanceof TypeError)) throw error;
  }
  return linesOf(manifest, logger);
}

/**
 * Returns the manifest line of an archive. Returns undefined if the manifest has no line for the file, or if that line
 * states another length. Also returns undefined if the archive contains oversized lines, because a reader with a larger
 * `maxLineBytes` may read them as events.
 */
export function lineOf(
  file: SnapshotFile,
  { byArchive }: ManifestLines,
): ArchiveLine | undefined {
  const line = file.isArchive ? byArchive.get(basename(file.path)) : undefined;
  return line?.gzip_bytes === file.byteLength && line.oversized === 0 ? line : undefined;
}
