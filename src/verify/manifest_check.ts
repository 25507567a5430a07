/**
 * Reads all lines of a manifest, the file that lists the archives of a log: also the earlier lines of an archive that
 * has several lines, and the lines of archives that no longer exist.
 *
 * @module
 */
import type { Turns } from "../platform/turns.ts";
import type { ArchiveLine, PruneLine } from "../segments/manifest_line.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { ManifestFault, OnManifestLine } from "../segments/manifest_lines.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";

/** A line of the manifest and its number, from 1. */
export interface NumberedLine {
  readonly line: ArchiveLine;
  readonly number: number;
}

/** The content of a manifest. */
export interface ManifestCheck {
  /** The lines of each archive, by the name of the archive: at least one line, in the order of the manifest. */
  readonly lines: ReadonlyMap<string, readonly NumberedLine[]>;
  /** The line that records the removal of an archive, by the name of the archive. */
  readonly pruned: ReadonlyMap<string, PruneLine>;
  readonly faults: readonly ManifestFault[];
  /** Number of lines in the manifest. */
  readonly count: number;
  /** SHA-256 of the last line, hexadecimal; null if the manifest is empty. */
  readonly headSha256: string | null;
  /** Maps the SHA-256 of each manifest line to the number of archives that the manifest lists up to that line. */
  readonly archivesBySha256: ReadonlyMap<string, number>;
  /** Number of bytes after the last whole line of the manifest. */
  readonly tornBytes: number;
}

/**
 * Reads the manifest of a log, in steps between which other tasks can run. If the file does not exist, resolves with a
 * manifest without lines.
 */
export async function readManifest(log: LogDirectory, turns: Turns): Promise<ManifestCheck> {
  const { fileSystem, files } = log;
  const misnamed: ManifestFault[] = [];
  const lines = new Map<string, NumberedLine[]>();
  const archivesBySha256 = new Map<string, number>();
  let number = 0;
  const forget = () => {
    number = misnamed.length = 0;
    lines.clear();
    archivesBySha256.clear();
  };
  const onLine: OnManifestLine = (line, { sha256, byteOffset }) => {
    // The first line comes again if the manifest was replaced while it was read.
    if (byteOffset === 0) forget();
    number++;
    const name = line === null ? null : "archive" in line ? line.archive : line.pruned;
    if (name !== null && files.parse(name)?.form !== "archive") {
      const reason = `this line names a file that is not an archive of this log: ${
        JSON.stringify(name)
      }`;
      misnamed.push({ line: number, byteOffset, reason });
    } else if (line !== null && "archive" in line) {
      lines.getOrInsert(line.archive, []).push({ line, number });
    }
    archivesBySha256.set(sha256, lines.size);
  };
  const reader = new ManifestReader(log);
  await reader.catchUp(turns, onLine);
  const read = reader.read(onLine);
  if (read.count === 0) forget();
  const { pruned, count, byteLength, headSha256 } = read;
  const faults = [...read.faults, ...misnamed];
  const fileLength = fileSystem.status(files.manifest)?.byteLength ?? 0;
  const tornBytes = Math.max(0, fileLength - byteLength);
  return { lines, pruned, faults, count, headSha256, archivesBySha256, tornBytes };
}
