/**
 * What an open() puts in order behind those that died, beside the appends and without a hurry:
 * half-written archives go, orphaned segments are archived, archives get their manifest lines.
 *
 * Each step leaves things as a death at its place would have left them, so recovery may be killed
 * anywhere; the next one goes on, and one that finds nothing to do changes nothing.
 *
 * @module
 */
import { basename } from "@std/path";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { openForAppend, removeFile } from "../platform/regular_file.ts";
import { type ArchiveSite, summarizeArchive } from "./archive.ts";
import type { ArchiveContent } from "./archive_content.ts";
import type { Archiver } from "./archiver.ts";
import { listSegments } from "./list_segments.ts";
import type { Stamp } from "./segment_name.ts";
import type { SegmentSummary } from "./segment_summary.ts";

/** What an open() put in order, by the names of the files. */
export interface RecoveryReport {
  /** Whether the active file ended within a line, which was closed off. */
  readonly closedTornTail: boolean;
  /** Archives made or finished of segments that were left behind. */
  readonly archived: readonly string[];
  /** Half-written archives and empty segments that were removed. */
  readonly removed: readonly string[];
  /** Archives that were in no manifest line and are now. */
  readonly addedToManifest: readonly string[];
  /** Archives that were removed as the log is to keep them no longer. */
  readonly pruned: readonly string[];
}

/** What recovery needs. */
export interface RecoveryOptions {
  /** Its signal ends the work on the manifest, which the next open() goes on with. */
  readonly site: ArchiveSite;
  readonly archiver: Archiver;
  readonly logger: Logger;
}

/** Puts the segments of a log in order; what cannot be, is told to the logger and left. */
export async function recoverSegments(
  options: RecoveryOptions,
): Promise<Omit<RecoveryReport, "closedTornTail" | "pruned">> {
  const { site: { files }, archiver } = options;
  const removed: string[] = [];
  const addedToManifest: string[] = [];
  await orTold(options, () => removeStrays(options, removed));
  const swept = await archiver.sweep();
  await orTold(options, () => completeManifest(options, addedToManifest));
  const archived = swept.filter(({ outcome }) => outcome === "archived");
  const empty = swept.filter(({ outcome }) => outcome === "empty");
  return {
    archived: archived.map(({ stamp }) => basename(files.archive(stamp))),
    removed: [...removed, ...empty.map(({ stamp }) => basename(files.sealed(stamp)))],
    addedToManifest,
  };
}

async function orTold(
  { logger }: RecoveryOptions,
  step: () => Promise<void> | void,
): Promise<void> {
  try {
    await step();
  } catch (error) {
    logger.error(`Recovery leaves a step to the next open: ${messageOf(error)}`);
  }
}

/**
 * Removes half-written archives whose segment is gone; those of a segment go with its archiving. A
 * segment outlives its half-written archive, so without it nobody can be writing one.
 */
async function removeStrays(options: RecoveryOptions, removed: string[]): Promise<void> {
  const { fileSystem, files } = options.site;
  const unfinished = listSegments(fileSystem, files).filter(({ forms }) => forms.has("unfinished"));
  for (const { stamp } of unfinished) {
    await orTold(options, () => {
      const isStray = fileSystem.status(files.sealed(stamp)) === null;
      if (isStray && removeFile(fileSystem, files.unfinished(stamp))) {
        removed.push(basename(files.unfinished(stamp)));
      }
    });
  }
  if (removed.length > 0) await fileSystem.syncDirectory(files.directory);
}

/** Adds the lines that are missing: those of foreign archives, and those of a lost manifest. */
async function completeManifest(options: RecoveryOptions, added: string[]): Promise<void> {
  const { site, logger } = options;
  if (archivesWithoutLine(site).length === 0) return;
  using stack = new DisposableStack();
  const { handle } = openForAppend(site.fileSystem, site.files.manifest);
  stack.defer(() => handle.close());
  // One process is enough; the lock goes with it, if it does.
  if (!handle.tryLock()) return;
  for (const stamp of archivesWithoutLine(site)) {
    const path = site.files.archive(stamp);
    let content: ArchiveContent<SegmentSummary>;
    try {
      content = await summarizeArchive(site, stamp);
    } catch (error) {
      if (site.signal.aborted) return;
      // Without a line it is decoded, as far as it goes, by whoever reads it.
      logger.warn(`An archive is left out of the manifest: ${messageOf(error)}: ${path}`);
      continue;
    }
    await site.manifest.add({ archive: basename(path), ...content, rebuilt: true });
    added.push(basename(path));
  }
}

/** Oldest first. A segment that is there too is its archiver's, which adds the line itself. */
function archivesWithoutLine({ fileSystem, files, manifest }: ArchiveSite): Stamp[] {
  const { byArchive, pruned } = manifest.read();
  const hasLine = (stamp: Stamp) => {
    const path = files.archive(stamp);
    // What is to go and still there gets no new line.
    if (pruned.has(basename(path))) return true;
    const line = byArchive.get(basename(path));
    return line !== undefined && line.gzip_bytes === fileSystem.status(path)?.byteLength;
  };
  return listSegments(fileSystem, files)
    .filter(({ forms }) => forms.has("archive") && !forms.has("sealed"))
    .map(({ stamp }) => stamp)
    .filter((stamp) => !hasLine(stamp));
}
