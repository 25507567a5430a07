/**
 * The recovery that `open()` runs after crashed writers, concurrently with appends. It removes unfinished archives,
 * archives orphaned segments, and adds missing manifest lines.
 *
 * Recovery may be killed at any step, because each step leaves a state that a crashed writer could have left. The next
 * recovery continues. If there is nothing to repair, recovery changes no file.
 *
 * @module
 */
import { basename } from "@std/path";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { removeFile } from "../platform/regular_file.ts";
import { type Archiving, summarizeArchive } from "./archive.ts";
import type { ArchiveContent } from "./archive_content.ts";
import type { Archiver } from "./archiver.ts";
import type { Stamp } from "./segment_name.ts";
import type { SegmentSummary } from "./segment_summary.ts";

/** The repairs that `open()` made after crashed writers, and the archives that it pruned. Files are listed by name. */
export interface RecoveryReport {
  /**
   * Whether the last line of the active file was torn. `open()` then ended the torn line with a line break, so that
   * later lines stay intact. Readers skip the torn line.
   */
  readonly closedTornTail: boolean;
  /** Names of the archives that were created or completed from orphaned segments. */
  readonly archived: readonly string[];
  /** Names of the unfinished archives and empty segments that were removed. */
  readonly removed: readonly string[];
  /** Names of the archives for which a missing line was added to the manifest. */
  readonly addedToManifest: readonly string[];
  /** Names of the archives that were deleted because a limit of the `retention` option was exceeded. */
  readonly pruned: readonly string[];
}

/** Options of {@linkcode recoverSegments}. */
export interface RecoveryOptions {
  /** The log and its objects. The signal aborts the work on the manifest; the next `open()` continues that work. */
  readonly archiving: Archiving;
  readonly archiver: Archiver;
  readonly logger: Logger;
}

/** Repairs the segments of a log. If a step fails, the failure is logged and the next step runs. */
export async function recoverSegments(
  options: RecoveryOptions,
): Promise<Omit<RecoveryReport, "closedTornTail" | "pruned">> {
  const { archiving: { log: { files } }, archiver } = options;
  const removed: string[] = [];
  const addedToManifest: string[] = [];
  await orLogged(options, () => removeStrays(options, removed));
  const swept = await archiver.sweep();
  await orLogged(options, () => completeManifest(options, addedToManifest));
  const archived = swept.filter(({ outcome }) => outcome === "archived");
  const empty = swept.filter(({ outcome }) => outcome === "empty");
  return {
    archived: archived.map(({ stamp }) => basename(files.archive(stamp))),
    removed: [...removed, ...empty.map(({ stamp }) => basename(files.sealed(stamp)))],
    addedToManifest,
  };
}

async function orLogged(
  { logger }: RecoveryOptions,
  step: () => Promise<void> | void,
): Promise<void> {
  try {
    await step();
  } catch (error) {
    logger.error(`A recovery step failed; the next open() retries the step: ${messageOf(error)}`);
  }
}

/**
 * Removes unfinished archives whose segment does not exist. A segment exists as long as a process writes its archive,
 * so these archives are abandoned. If the segment exists, the archiver of the segment removes the unfinished archive.
 */
async function removeStrays(options: RecoveryOptions, removed: string[]): Promise<void> {
  const { log } = options.archiving;
  const { fileSystem, files } = log;
  const unfinished = log.segments().filter(({ forms }) => forms.has("unfinished"));
  for (const { stamp } of unfinished) {
    await orLogged(options, () => {
      const isStray = fileSystem.status(files.sealed(stamp)) === null;
      if (isStray && removeFile(fileSystem, files.unfinished(stamp))) {
        removed.push(basename(files.unfinished(stamp)));
      }
    });
  }
  await orLogged(options, () => {
    removed.push(...log.removeTemporaries().map((path) => basename(path)));
  });
  if (removed.length > 0) await log.sync();
}

/** Adds missing lines to the manifest, for example for archives of another program or after the manifest was lost. */
async function completeManifest(options: RecoveryOptions, added: string[]): Promise<void> {
  const { archiving, logger } = options;
  const { log, manifest, signal } = archiving;
  if (archivesWithoutLine(archiving).length === 0) return;
  using stack = new DisposableStack();
  const { handle } = log.openForAppend(log.files.manifest);
  stack.defer(() => handle.close());
  // Another process is already adding the lines. The OS releases its lock if that process dies.
  if (!handle.tryLock()) return;
  for (const stamp of archivesWithoutLine(archiving)) {
    const path = log.files.archive(stamp);
    let content: ArchiveContent<SegmentSummary>;
    try {
      content = await summarizeArchive(archiving, stamp);
    } catch (error) {
      if (signal.aborted) return;
      // Readers decode the intact part of an archive that has no manifest line.
      const reason = messageOf(error);
      logger.warn(
        `Cannot add archive to the manifest: ${reason}; readers decode the archive instead: ${path}`,
      );
      continue;
    }
    await manifest.add({ archive: basename(path), ...content, rebuilt: true });
    added.push(basename(path));
  }
}

/**
 * Returns the stamps of the archives without a manifest line, oldest first. If the segment of an archive still exists,
 * the archive is not included, because the archiver of the segment adds the line.
 */
function archivesWithoutLine({ log, manifest }: Archiving): Stamp[] {
  const { fileSystem, files } = log;
  const { byArchive, pruned } = manifest.read();
  const hasLine = (stamp: Stamp) => {
    const path = files.archive(stamp);
    // The manifest records the removal of the archive, so the archive needs no other line.
    if (pruned.has(basename(path))) return true;
    const line = byArchive.get(basename(path));
    return line !== undefined && line.gzip_bytes === fileSystem.status(path)?.byteLength;
  };
  return log.segments()
    .filter(({ forms }) => forms.has("archive") && !forms.has("sealed"))
    .map(({ stamp }) => stamp)
    .filter((stamp) => !hasLine(stamp));
}
