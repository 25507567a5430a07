/**
 * Decides which lines of a log a chain or a digest protects.
 *
 * A line is protected if it is in the chain of lines, if it came before the first line of the chain in
 * the same file, whose hash covers it, or if it is in an archive whose digest the manifest holds. A log
 * without any chained line does not count as protected, even if all of its lines are archived: the lines
 * that are logged next are in no archive.
 *
 * @module
 */
import { basename } from "@std/path";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { linesOf } from "../read/manifest_lines.ts";
import { type SnapshotFile, takeSnapshot } from "../read/snapshot.ts";
import { chainTail } from "../segments/chain_tail.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { ChainHead, VerifyReport } from "../verify/report.ts";
import { statusLogger } from "./log_status.ts";

/** The protection of a log. */
export interface Protection {
  /** Lines that the chain has numbered, those of removed archives included; 0 without a chain. */
  readonly chainedLines: number;
  /** Names of the files with lines that nothing protects. */
  readonly unprotected: readonly string[];
}

/** The result of a check. */
export type Outcome = "ok" | "not protected" | "faults";

/** Returns the protection of the log that has come to the head. */
export function protectionOf(path: string, { seq }: ChainHead): Protection {
  const files = new LogFiles(path);
  const told = linesOf(new ManifestReader(denoFileSystem, files.manifest), statusLogger);
  using snapshot = takeSnapshot(denoFileSystem, files);
  const unprotected = snapshot.files.filter((file) => {
    if (file.byteLength === 0 || told.has(basename(file.path))) return false;
    if (!file.isArchive && told.has(`${basename(file.path)}.gz`)) return false;
    return seq === null || !mayBeInChain(file);
  });
  return {
    chainedLines: seq === null ? 0 : seq + 1,
    unprotected: unprotected.map((file) => basename(file.path)),
  };
}

/** Returns the result of a check of a log with the protection. */
export function outcomeOf(
  { ok, lines }: VerifyReport,
  { chainedLines, unprotected }: Protection,
): Outcome {
  if (!ok) return "faults";
  return lines > 0 && chainedLines > 0 && unprotected.length === 0 ? "ok" : "not protected";
}

/** Checks whether a line of the file is in the chain; one behind the chain's beginning is a fault. */
function mayBeInChain({ handle, byteLength }: SnapshotFile): boolean {
  return handle !== null && chainTail(handle, byteLength) !== null;
}
