/**
 * All that a manifest tells, also of archives that a later line tells of again or that are gone.
 *
 * @module
 */
import type { FileSystem } from "../platform/file_system.ts";
import type { ArchiveLine, PruneLine } from "../segments/manifest_line.ts";
import type { ManifestFault } from "../segments/manifest_lines.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { LogFiles } from "../segments/segment_name.ts";

/** A line and its number in the manifest, from 1. */
export interface NumberedLine {
  readonly line: ArchiveLine;
  readonly number: number;
}

/** What a manifest tells. */
export interface ManifestCheck {
  /** The lines of each archive by its name, in their order; no archive is without one. */
  readonly lines: ReadonlyMap<string, readonly NumberedLine[]>;
  readonly pruned: ReadonlyMap<string, PruneLine>;
  readonly faults: readonly ManifestFault[];
  /** How many lines there are. */
  readonly count: number;
  /** SHA-256 of the last line, hexadecimal; null if there is none. */
  readonly headSha256: string | null;
  /** How many archives were told of up to the line with the digest. */
  readonly archivesBySha256: ReadonlyMap<string, number>;
  /** Bytes behind the last whole line. */
  readonly tornBytes: number;
}

/** Reads the manifest of a log. One that is not there tells nothing. */
export function readManifest(fileSystem: FileSystem, files: LogFiles): ManifestCheck {
  const path = files.manifest;
  const misnamed: ManifestFault[] = [];
  const lines = new Map<string, NumberedLine[]>();
  const archivesBySha256 = new Map<string, number>();
  let number = 0;
  const read = new ManifestReader(fileSystem, path).read((line, { sha256, byteOffset }) => {
    number++;
    const name = line === null ? null : "archive" in line ? line.archive : line.pruned;
    if (name !== null && files.parse(name)?.form !== "archive") {
      const reason = `it tells of what is no archive of this log: ${JSON.stringify(name)}`;
      misnamed.push({ line: number, byteOffset, reason });
    } else if (line !== null && "archive" in line) {
      lines.getOrInsert(line.archive, []).push({ line, number });
    }
    archivesBySha256.set(sha256, lines.size);
  });
  const { pruned, count, byteLength, headSha256 } = read;
  const faults = [...read.faults, ...misnamed];
  const fileLength = fileSystem.status(path)?.byteLength ?? 0;
  const tornBytes = Math.max(0, fileLength - byteLength);
  return { lines, pruned, faults, count, headSha256, archivesBySha256, tornBytes };
}
