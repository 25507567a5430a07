/**
 * The recovery that `open()` runs after crashed writers, concurrently with appends. It removes unfinished archives,
 * archives the segments that crashed writers left behind, and adds missing manifest lines.
 *
 * Recovery may be killed at any step, because each step leaves a state that a crashed writer could have left. The next
 * recovery continues. If there is nothing to repair, recovery changes no file.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { removeFile } from "../platform/regular_file.ts";
import { removeTemporary } from "../platform/temporary_file.ts";
import { Turns } from "../platform/turns.ts";
import { type Archiving, summarizeArchive } from "./archive.ts";
import type { Archiver } from "./archiver.ts";
import { tryClaim } from "./claim.ts";
import { keptRollup, writeRollup } from "./rollup_file.ts";
import type { SegmentName } from "./segment_name.ts";
import type { Stamp } from "./segment_name.ts";
import { removeUnfinishedShipped } from "./shipped_file.ts";
import type { ArchiveFacts, ArchiveLine } from "./manifest_line.ts";

/** The repairs that `open()` made after crashed writers, and the archives that it pruned. Files are listed by name. */
export interface RecoveryReport {
  /**
   * Whether the last line of the active file was torn. `open()` then ended the torn line with a line break, so that
   * later lines stay intact. Readers skip the torn line.
   */
  readonly closedTornTail: boolean;
  /** Names of the archives that were created or completed from the segments of crashed writers. */
  readonly archived: readonly string[];
  /** Names of the unfinished archives, empty segments and temporary files that were removed. */
  readonly removed: readonly string[];
  /**
   * Names of the archives for which a missing line was added to the manifest, or whose sums were computed again because
   * their file was missing.
   */
  readonly addedToManifest: readonly string[];
  /** Names of the archives that were deleted because a limit of the `retention` option was exceeded. */
  readonly pruned: readonly string[];
}

/** Options of {@linkcode recoverSegments}. */
export interface RecoveryOptions {
  /**
   * The log, and the objects that are needed to archive its segments. The signal in these objects aborts the work on
   * the manifest; the next `open()` continues that work.
   */
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
  const claims: string[] = [];
  await orLogged(options, async () => {
    claims.push(...await removeStrays(options, removed));
  });
  const swept = await archiver.sweep();
  // The claim files are removed after the sweep, because the sweep locks the claim file of each segment that it
  // archives.
  await removeClaims(options, claims, removed);
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
    logger.error(`A recovery step failed: ${messageOf(error)}; the next open() retries this step`);
  }
}

/**
 * Removes unfinished archives whose segment does not exist. A segment is removed only after its archive is complete, so
 * these archives are abandoned. If the segment still exists, the process that archives it removes the unfinished
 * archive. Also removes temporary files that killed processes left behind. Resolves with the paths of the claim files
 * that it found.
 */
async function removeStrays(options: RecoveryOptions, removed: string[]): Promise<string[]> {
  const { log } = options.archiving;
  const { fileSystem, files } = log;
  const segments = await log.segmentsInTurns(new Turns(options.archiving.clock));
  const unfinished = segments.filter(({ forms }) => forms.has("unfinished"));
  for (const { stamp } of unfinished) {
    await orLogged(options, () => {
      const isStray = fileSystem.status(files.sealed(stamp)) === null;
      if (isStray && removeFile(fileSystem, files.unfinished(stamp))) {
        removed.push(basename(files.unfinished(stamp)));
      }
    });
  }
  const { temporaries, claims } = await log.leftovers();
  for (const path of temporaries) {
    await orLogged(options, () => {
      if (removeTemporary(fileSystem, path)) removed.push(basename(path));
    });
  }
  for (const { stamp, forms } of segments) {
    if (forms.has("archive")) continue;
    for (const form of ["rollup", "unfinishedRollup"] as const) {
      if (!forms.has(form)) continue;
      await orLogged(options, () => {
        // A rollup has the sums of an archive. It is written after its archive and removed after its archive, so a
        // rollup without an archive is left over.
        const isStray = fileSystem.status(files.archive(stamp)) === null;
        if (isStray && removeFile(fileSystem, files[form](stamp))) {
          removed.push(basename(files[form](stamp)));
        }
      });
    }
  }
  await orLogged(options, () => void removed.push(...removeUnfinishedShipped(log)));
  if (removed.length > 0) await log.sync();
  return claims;
}

/**
 * Removes the claim files that killed processes left behind. A process locks such a file while it works on a segment or
 * on the manifest.
 */
async function removeClaims(
  options: RecoveryOptions,
  paths: readonly string[],
  removed: string[],
): Promise<void> {
  const { log } = options.archiving;
  for (const path of paths) {
    await orLogged(options, () => {
      if (log.fileSystem.status(path) === null) return;
      using claim = tryClaim(log, path);
      if (claim === null) return;
      claim.release();
      removed.push(basename(path));
    });
  }
}

/**
 * Maximum number of archives whose lines are added to the manifest at once, with one sync for all of them. If there are
 * many archives, one sync for each would take minutes.
 */
const ADDED_AT_ONCE = 64;

/**
 * Adds missing lines to the manifest, for example for archives of another program or after the manifest was lost. Also
 * writes missing rollups, the files with the sums of the archives.
 */
async function completeManifest(options: RecoveryOptions, added: string[]): Promise<void> {
  const { log, manifest } = options.archiving;
  if ((await incompleteArchives(options.archiving)).length === 0) return;
  using claim = tryClaim(log, log.files.completing);
  // Another process holds the claim, so that process is already adding the lines.
  if (claim === null) return;
  const found: ArchiveFacts[] = [];
  const add = async () => {
    const archives = found.splice(0);
    if (archives.length > 0) await manifest.addAll(archives);
    added.push(...archives.map(({ archive }) => archive));
  };
  for (const stamp of await incompleteArchives(options.archiving)) {
    const facts = await factsOf(options, stamp);
    if (facts === "aborted") break;
    if (facts !== null && found.push(facts) === ADDED_AT_ONCE) await add();
  }
  await add();
  claim.release();
}

/** Decodes an archive, and resolves with the facts for its manifest line; null if the archive cannot be read. */
async function factsOf(
  { archiving, logger }: RecoveryOptions,
  stamp: Stamp,
): Promise<ArchiveFacts | "aborted" | null> {
  const path = archiving.log.files.archive(stamp);
  try {
    const content = await summarizeArchive(archiving, stamp);
    const archive = basename(path);
    const line = archiving.manifest.read().byArchive.get(archive);
    // If an older manifest line describes the same content, its `rebuilt` still states whether this library created the
    // archive.
    const isSame = line?.sha256 === content.sha256 && line.gzip_sha256 === content.gzip_sha256;
    const rollup = keptRollup(content);
    const rollup_sha256 = rollup?.digest ?? null;
    const rebuilt = isSame ? line.rebuilt : true;
    const facts = { archive, ...content, rollup_sha256, rebuilt };
    // A rollup is the file with the sums of the archive. If the line states another rollup, for example of other
    // fields, the new line is written before the new file. Otherwise, if the process were killed in between, the file
    // would not belong to the line, and no recovery would notice.
    if (line?.rollup_sha256 && line.rollup_sha256 !== rollup_sha256) {
      await archiving.manifest.add(facts);
    }
    await writeRollup(archiving, stamp, rollup);
    return facts;
  } catch (error) {
    if (archiving.signal.aborted) return "aborted";
    // This is only a warning, because readers decode the intact part of an archive that has no manifest line.
    const reason = messageOf(error);
    logger.warn(
      `Cannot add archive to the manifest: ${reason}; queries read the whole archive instead: ${path}`,
    );
    return null;
  }
}

/**
 * Returns the stamps (the times in the names) of the archives that have no manifest line, or whose line states another
 * length than that of the file, oldest first. Also returns the archives whose rollup (the file with the sums) does not
 * exist although their line states one, and those whose line states none because an earlier version wrote it. If the
 * segment of an archive still exists, the archive is not included, because the archiver of the segment adds the line.
 */
async function incompleteArchives({ log, manifest, clock }: Archiving): Promise<Stamp[]> {
  const { fileSystem, files } = log;
  const turns = new Turns(clock);
  const segments = await log.segmentsInTurns(turns);
  await manifest.catchUp(turns);
  const { byArchive, pruned } = manifest.read();
  const found: Stamp[] = [];
  for (const { stamp, forms } of segments) {
    if (turns.isDue) await turns.take();
    if (!forms.has("archive") || forms.has("sealed")) continue;
    const path = files.archive(stamp);
    const name = basename(path);
    // The manifest records that retention has decided to remove this archive, so the archive needs no other line.
    if (pruned.has(name)) continue;
    const line = byArchive.get(name);
    const isMissing = line?.gzip_bytes !== fileSystem.status(path)?.byteLength;
    if (isMissing || lacksRollup(line, forms)) found.push(stamp);
  }
  return found;
}

function lacksRollup(
  line: ArchiveLine | undefined,
  forms: ReadonlySet<SegmentName["form"]>,
): boolean {
  const digest = line?.rollup_sha256;
  return digest === undefined || (digest !== null && !forms.has("rollup"));
}
