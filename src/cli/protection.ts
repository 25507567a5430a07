/**
 * Finds out which lines of a log are protected by a chain or a digest, so that `scout verify` can detect changes to
 * them.
 *
 * A line is protected if one of these holds:
 *
 * - It is in the chain of lines, in which each line has the hash of the line before it.
 * - It precedes the first chained line in the same file. The hash of the chained line also covers the lines before it.
 * - It is in an archive (a compressed older part of the log) whose digest is in the manifest.
 *
 * A log without a chained line does not count as protected, even if all of its lines are in archives, because new lines
 * are not in an archive at first.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { linesOf } from "../read/manifest_lines.ts";
import { type SnapshotFile, takeSnapshot } from "../read/snapshot.ts";
import { chainTail } from "../segments/chain_tail.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { ChainHead, VerifyReport } from "../verify/report.ts";
import { statusLogger } from "./messages.ts";

/** The protection of a log against undetected changes. */
export interface Protection {
  /**
   * The number of lines in the chain, including the lines of archives that retention has removed; 0 without a chain.
   */
  readonly chainedLines: number;
  /** The names of the files of the log that have unprotected lines. */
  readonly unprotected: readonly string[];
}

/** The result of `scout verify`. */
export type Outcome = "ok" | "not protected" | "faults";

/**
 * Returns the protection of the log at a path. The second argument is the chain head of the log; its `seq` is null if
 * the log has no chain.
 */
export function protectionOf(path: string, { seq }: ChainHead): Protection {
  const log = new LogDirectory(denoFileSystem, path);
  const { byArchive: recorded } = linesOf(new ManifestReader(log), statusLogger);
  using snapshot = takeSnapshot(log);
  const unprotected = snapshot.files.filter((file) => {
    if (file.byteLength === 0 || recorded.has(basename(file.path))) return false;
    if (!file.isArchive && recorded.has(`${basename(file.path)}.gz`)) return false;
    return seq === null || !mayBeInChain(file);
  });
  return {
    chainedLines: seq === null ? 0 : seq + 1,
    unprotected: unprotected.map((file) => basename(file.path)),
  };
}

/** Returns the result of `scout verify`, from the report on a log and the protection of the log. */
export function outcomeOf(
  { ok, lines }: VerifyReport,
  { chainedLines, unprotected }: Protection,
): Outcome {
  if (!ok) return "faults";
  return lines > 0 && chainedLines > 0 && unprotected.length === 0 ? "ok" : "not protected";
}

/**
 * Checks whether at least one line of a file is in the chain. Then all lines are protected: the hash of the first
 * chained line covers the lines before it, and `verify` reports an unchained line after it as a fault.
 */
function mayBeInChain({ handle, byteLength }: SnapshotFile): boolean {
  return handle !== null && chainTail(handle, byteLength) !== null;
}
