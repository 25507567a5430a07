/**
 * Creates the archive of a sealed segment, which is a former active file: compresses the segment, and then removes it.
 * If the process is killed or the power fails at any step, the segment, the archive or both are complete. The steps:
 *
 *     claim the segment -> sync the directory -> write SEGMENT.gz.tmp -> sync it -> read it back and
 *     compare -> publish it under its name -> sync the directory -> add the manifest line ->
 *     remove the segment -> sync the directory
 *
 * A process claims a segment by locking a separate file, see {@linkcode Claim}. The process that holds the claim is the
 * owner of the segment. The OS releases the lock when the owner dies, so the next owner knows that an unfinished
 * archive was abandoned. An owner skips each step whose result already exists, and thus completes an interrupted
 * archiving.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { removeFile, syncData } from "../platform/regular_file.ts";
import {
  type ArchiveContent,
  contentIn,
  type ContentReading,
  digestOf,
  isSameContent,
  segmentChunks,
  type SegmentContent,
  summarize,
  summaryOf,
} from "./archive_content.ts";
import { type Claim, tryClaim } from "./claim.ts";
import { compressInto } from "./gzip.ts";
import type { LogDirectory } from "./log_directory.ts";
import type { Manifest, UnderLock } from "./manifest.ts";
import type { Stamp } from "./segment_name.ts";
import { keptRollup, writeRollup } from "./rollup_file.ts";
import { SegmentScan } from "./segment_summary.ts";

/** A log, and the objects that are needed to archive its segments. */
export interface Archiving extends ContentReading {
  readonly log: LogDirectory;
  readonly manifest: Manifest;
  readonly underLock: UnderLock;
}

/**
 * The outcome of archiving a segment: "archived"; "busy" if another process owns the segment; "gone" if another process
 * has already archived the segment; "empty" if the segment was empty and was removed.
 */
export type ArchiveOutcome = "archived" | "busy" | "gone" | "empty";

/** Thrown if the archive of a segment already exists and is not a copy of the segment. Both files are kept. */
export class ArchiveConflictError extends Error {
  /** The name of the class. */
  override readonly name = "ArchiveConflictError";
}

/**
 * Archives a sealed segment: compresses it into an archive, and then removes it. If another process is already
 * archiving the segment, resolves with "busy" at once.
 *
 * @throws {ArchiveConflictError} If the archive exists and its content differs from the segment.
 * @throws {TypeError} If the path of the segment or of the unfinished archive is not a regular file.
 * @throws {Error} If a file operation fails, or if another program has changed the length of the segment. No line is
 *   lost.
 */
export async function archiveSegment(archiving: Archiving, stamp: Stamp): Promise<ArchiveOutcome> {
  const { log } = archiving;
  const { fileSystem, files } = log;
  const path = files.sealed(stamp);
  if (log.isReserved(stamp)) return await removeEmpty(archiving, stamp);
  const status = fileSystem.status(path);
  if (status === null) return "gone";
  using claim = tryClaim(log, files.claim(stamp), status.ownership);
  if (claim === null) return "busy";
  using stack = new DisposableStack();
  const segment = log.openSealed(stamp, stack);
  // Another process may have archived and removed the segment before this process claimed it.
  if (segment === null) {
    claim.release();
    return "gone";
  }
  removeFile(fileSystem, files.unfinished(stamp));
  const { byteLength } = segment.status();

  const isPublished = fileSystem.status(files.archive(stamp)) !== null;
  // Sealing renamed the active file to the segment, but the process may have died before it synced the directory. The
  // directory is synced here, because a power loss could otherwise undo the rename and keep the archive. The lines
  // would then be both in the active file and in the archive.
  if (!isPublished) await log.sync();
  const content = isPublished
    ? await checkArchive(
      archiving,
      stamp,
      await summarize(segmentChunks(segment, byteLength, archiving), archiving),
    )
    : await makeArchive(archiving, stamp, { segment, byteLength, claim });
  // Sync the directory even if the archive existed before, because the process that created it may have died before its
  // own sync.
  await log.sync();
  const archive = basename(files.archive(stamp));
  await archiving.manifest.add({
    archive,
    ...content,
    rollup_sha256: await writeRollup(archiving, stamp, keptRollup(content)),
    rebuilt: false,
  });
  checkLength(segment, { byteLength, path });
  if (log.isAt(path, segment)) await removeSegment(log, stamp, stack);
  claim.release();
  return "archived";
}

/**
 * Decodes an archive and resolves with the summary of its content.
 *
 * @throws {TypeError} If the path is not a regular file with a single hard link, or the archive is damaged.
 * @throws {Deno.errors.NotFound} If the archive does not exist.
 */
export async function summarizeArchive(
  archiving: Archiving,
  stamp: Stamp,
): Promise<ArchiveContent<SegmentContent>> {
  using stack = new DisposableStack();
  return await summaryOf(existingArchive(archiving.log, stamp, stack), archiving);
}

/**
 * Creates the archive of a segment: compresses the segment into a temporary file, compares the content, and gives the
 * file its final name. The archive has the owner and the mode of the segment. Resolves with the summary that the
 * manifest line needs.
 */
async function makeArchive(
  archiving: Archiving,
  stamp: Stamp,
  { segment, byteLength, claim }: { segment: FileHandle; byteLength: number; claim: Claim },
): Promise<ArchiveContent<SegmentContent>> {
  const { log } = archiving;
  const { fileSystem, files } = log;
  const path = files.unfinished(stamp);
  const unfinished = log.create(path, segment.status().ownership);
  // The lock of the claim file keeps other processes from archiving the segment. If another program removes this file,
  // a second process can archive the segment at the same time. The file at the path may then be the incomplete file of
  // the second process, which must not be published. The segment must not be removed either.
  const checkAt = (at: string) => {
    if (claim.isAtPath() && log.isAt(at, unfinished)) return;
    throw new Error(`Cannot archive segment: another process archives it at the same time: ${at}`);
  };
  try {
    const scan = new SegmentScan(archiving.maxLineBytes, archiving.rollupFields);
    const chunks = scanned(segmentChunks(segment, byteLength, archiving), scan);
    await compressInto(appending(unfinished), chunks);
    const summary = await contentIn(scan, archiving.rollupFields);
    await unfinished.syncData();
    const readBack = await digestOf(unfinished, archiving);
    if (summary.raw_bytes !== byteLength || !isSameContent(summary, readBack)) {
      throw new Error(
        `Cannot archive segment: the archive differs from the segment when the archive is read back: ${path}`,
      );
    }
    checkLength(segment, { byteLength, path: files.sealed(stamp) });
    // The finished archive gets its name by a hard link. Unlike a rename, a link does not replace a file that another
    // program has created at the archive path in the meantime.
    checkAt(path);
    log.publish(path, files.archive(stamp));
    checkAt(files.archive(stamp));
    return { ...readBack, ...summary };
  } finally {
    let isOwn = false;
    try {
      isOwn = log.isAt(path, unfinished);
    } finally {
      unfinished.close();
    }
    if (isOwn) removeFile(fileSystem, path);
  }
}

/**
 * Checks that an existing archive is a copy of the whole segment. Syncs the archive, and resolves with the summary that
 * the manifest line needs.
 *
 * @throws {ArchiveConflictError} If the archive is damaged, is not a regular file or differs from the segment.
 */
async function checkArchive(
  archiving: Archiving,
  stamp: Stamp,
  segment: SegmentContent,
): Promise<ArchiveContent<SegmentContent>> {
  let reason = "the content differs";
  try {
    using stack = new DisposableStack();
    const archive = existingArchive(archiving.log, stamp, stack);
    const content = await digestOf(archive, archiving);
    if (isSameContent(segment, content)) {
      const { fileSystem, files } = archiving.log;
      if (!await syncData(fileSystem, files.archive(stamp), archive)) {
        throw new Deno.errors.NotFound(
          `Cannot sync archive: another program moved it: ${files.archive(stamp)}`,
        );
      }
      return { ...content, ...segment };
    }
  } catch (error) {
    // A TypeError means that the archive is damaged or is not a regular file. Any other error comes from the disk and
    // is thrown as it is, because a retry may succeed.
    if (!(error instanceof TypeError)) throw error;
    reason = error.message;
  }
  throw new ArchiveConflictError(
    `Cannot remove segment: the archive is not a copy of the segment (${reason}); ` +
      `compare the two files and move one of them away: ${archiving.log.files.archive(stamp)}`,
  );
}

function existingArchive(log: LogDirectory, stamp: Stamp, stack: DisposableStack): FileHandle {
  const handle = log.openArchive(stamp, stack);
  if (handle !== null) return handle;
  throw new Deno.errors.NotFound(
    `Cannot read archive: the file does not exist: ${log.files.archive(stamp)}`,
  );
}

async function* scanned(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  scan: SegmentScan,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of chunks) {
    scan.add(chunk);
    yield chunk;
  }
}

/**
 * Removes a segment that was archived. If the segment were removed while it is open, the kernel would free its content
 * when the handle is closed, and the close would block the event loop. Therefore the segment is renamed first, then
 * closed, then removed. The new name is that of an unfinished archive: if this process dies before the removal, the
 * next recovery removes the file.
 */
async function removeSegment(
  log: LogDirectory,
  stamp: Stamp,
  handles: DisposableStack,
): Promise<void> {
  const { fileSystem, files } = log;
  fileSystem.rename(files.sealed(stamp), files.unfinished(stamp));
  handles.dispose();
  try {
    await fileSystem.removeAsync(files.unfinished(stamp));
  } catch (error) {
    // The recovery of another process has already removed the file, because it has the name of an unfinished archive.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await log.sync();
}

/**
 * Removes an empty segment. A process that seals the active file first reserves the name of the segment with an empty
 * file, and then renames the active file to this name. If it is killed in between, the empty file stays behind.
 */
async function removeEmpty({ log, underLock }: Archiving, stamp: Stamp): Promise<ArchiveOutcome> {
  const { fileSystem, files } = log;
  // A process that seals the active file holds the append lock from the creation of the empty file to the rename. So if
  // this process holds the lock and the segment is empty, the segment is abandoned.
  const isRemoved = await underLock(() => {
    if (!log.isReserved(stamp)) return false;
    removeFile(fileSystem, files.unfinished(stamp));
    return removeFile(fileSystem, files.sealed(stamp));
  });
  if (!isRemoved) return "gone";
  await log.sync();
  return "empty";
}

function appending(handle: FileHandle): WritableStream<Uint8Array> {
  return new WritableStream({
    write(chunk) {
      const written = handle.appendSync(chunk);
      if (written < chunk.byteLength) {
        // The message has no byte counts, so that it is the same for every segment and the archiver logs it only once.
        throw new Error(
          "Cannot write archive: only a part of the data was written; the disk may be full",
        );
      }
    },
  });
}

/**
 * Checks that the length of the segment has not changed. Writers of this library never append to a segment, but another
 * program may. Lines that another program appended must not be removed, because the archive does not have them.
 *
 * @throws {Error} If the length of the segment has changed.
 */
function checkLength(segment: FileHandle, was: { byteLength: number; path: string }): void {
  if (segment.status().byteLength === was.byteLength) return;
  throw new Error(
    `Cannot archive segment: another program changed its length after it was sealed: ${was.path}`,
  );
}
