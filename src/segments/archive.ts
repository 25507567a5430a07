/**
 * From a sealed segment to its archive, such that a kill or a power cut at any moment leaves the one
 * or the other whole:
 *
 *     own the segment -> sync the directory -> write SEGMENT.gz.tmp -> sync it -> read it back and
 *     compare -> publish it under its name -> sync the directory -> manifest line -> remove the segment
 *     -> sync the directory
 *
 * The owner of a segment is who holds the lock on it. It goes with the process, so whoever gets the
 * lock also knows that an unfinished archive is a dead owner's. What is there already is not done
 * again, so an archiving that was cut short anywhere is finished by the next one.
 *
 * @module
 */
import { basename } from "@std/path";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import { isSameFile, openInto, removeFile } from "../platform/regular_file.ts";
import {
  type ArchiveContent,
  type ContentReading,
  digestOf,
  isSameContent,
  segmentChunks,
  summarize,
  summaryOf,
} from "./archive_content.ts";
import { compressed } from "./gzip.ts";
import type { Manifest, UnderLock } from "./manifest.ts";
import type { LogFiles, Stamp } from "./segment_name.ts";
import { SegmentScan, type SegmentSummary } from "./segment_summary.ts";

/** Where archiving happens. */
export interface ArchiveSite extends ContentReading {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
  readonly manifest: Manifest;
  readonly underLock: UnderLock;
}

/**
 * What became of a segment: "busy" is in the hands of another living owner, "gone" was archived by
 * one, and "empty" held nothing and was removed.
 */
export type ArchiveOutcome = "archived" | "busy" | "gone" | "empty";

/** Thrown for a segment whose archive is there and holds something else; both are kept. */
export class ArchiveConflictError extends Error {
  /** The name of the class. */
  override readonly name = "ArchiveConflictError";
}

/**
 * Archives a sealed segment, unless somebody else does.
 *
 * @throws {ArchiveConflictError} when there is an archive that holds something else.
 * @throws {TypeError} when one of its paths holds anything but a plain file.
 * @throws the system's error; then the segment is kept, and no unfinished archive.
 */
export async function archiveSegment(site: ArchiveSite, stamp: Stamp): Promise<ArchiveOutcome> {
  const { fileSystem, files } = site;
  const path = files.sealed(stamp);
  using stack = new DisposableStack();
  // A handle that is read from keeps its lock until the reading ends, so the lock has its own.
  const owned = openInto(stack, fileSystem, path);
  if (owned === null) return "gone";
  if (!owned.tryLock()) return "busy";
  const segment = openInto(stack, fileSystem, path);
  // Its last owner may have archived and removed it since we opened it.
  if (segment === null || !isSameFile(segment.status(), owned.status())) return "gone";
  removeFile(fileSystem, files.unfinished(stamp));
  const { byteLength } = segment.status();
  if (byteLength === 0) return await removeEmpty(site, path, segment);

  const isPublished = fileSystem.status(files.archive(stamp)) !== null;
  // Who sealed the segment may have died before its name was on the disk. Were the archive's name there
  // first, a power cut could bring the lines back as the active file, beside their archive.
  if (!isPublished) await fileSystem.syncDirectory(files.directory);
  const content = isPublished
    ? await checkArchive(
      site,
      stamp,
      await summarize(segmentChunks(segment, byteLength, site), site),
    )
    : await makeArchive(site, stamp, { segment, byteLength });
  // Who published the archive may have died before its name was on the disk.
  await fileSystem.syncDirectory(files.directory);
  await site.manifest.add({ archive: basename(files.archive(stamp)), ...content, rebuilt: false });
  checkLength(segment, { byteLength, path });
  if (isAt(fileSystem, path, segment)) await removeSegment(site, stamp, stack);
  return "archived";
}

/**
 * Decodes an archive and tells what it holds.
 *
 * @throws {TypeError} when the path holds anything but a plain file with one name, or it is damaged.
 */
export async function summarizeArchive(
  site: ArchiveSite,
  stamp: Stamp,
): Promise<ArchiveContent<SegmentSummary>> {
  using stack = new DisposableStack();
  return await summaryOf(openArchive(site, site.files.archive(stamp), stack), site);
}

/** Makes the archive under its name, and tells what is in it. */
async function makeArchive(
  site: ArchiveSite,
  stamp: Stamp,
  { segment, byteLength }: { segment: FileHandle; byteLength: number },
): Promise<ArchiveContent<SegmentSummary>> {
  const { fileSystem, files } = site;
  const path = files.unfinished(stamp);
  const unfinished = fileSystem.open(path, "create");
  try {
    const scan = new SegmentScan(site.maxLineBytes);
    const chunks = scanned(segmentChunks(segment, byteLength, site), scan);
    await compressed(chunks).pipeTo(appending(unfinished));
    const summary = scan.finish();
    await unfinished.syncData();
    const readBack = await digestOf(unfinished, site);
    if (summary.raw_bytes !== byteLength || !isSameContent(summary, readBack)) {
      throw new Error(`Cannot archive segment: what was written reads back differently: ${path}`);
    }
    checkLength(segment, { byteLength, path: files.sealed(stamp) });
    // Unlike a rename, a link replaces nothing that somebody has put there meanwhile.
    fileSystem.link(path, files.archive(stamp));
    return { ...readBack, ...summary };
  } finally {
    unfinished.close();
    removeFile(fileSystem, path);
  }
}

/** Sees that an archive that was there holds the segment, all of it, on the disk; tells what is in it. */
async function checkArchive(
  site: ArchiveSite,
  stamp: Stamp,
  segment: SegmentSummary,
): Promise<ArchiveContent<SegmentSummary>> {
  const path = site.files.archive(stamp);
  let reason = "it holds something else";
  try {
    using stack = new DisposableStack();
    const archive = openArchive(site, path, stack);
    const content = await digestOf(archive, site);
    if (isSameContent(segment, content)) {
      await archive.syncData();
      return { ...content, ...segment };
    }
  } catch (error) {
    // Damaged, or no plain file; other errors are those of the disk, which may pass.
    if (!(error instanceof TypeError)) throw error;
    reason = error.message;
  }
  throw new ArchiveConflictError(
    `Cannot remove segment: its archive is no copy of it: ${reason}: ${path}`,
  );
}

function openArchive(
  { fileSystem }: ArchiveSite,
  path: string,
  stack: DisposableStack,
): FileHandle {
  const handle = openInto(stack, fileSystem, path);
  if (handle === null) throw new Deno.errors.NotFound(`Cannot find archive: ${path}`);
  return handle;
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
 * Removes a segment whose archive is there. Whoever has a file open when its last name goes frees its
 * content in closing it, which holds up the event loop for as long as many events take. So it gets
 * another name first, that of a half-written archive, which anybody may remove; and is closed before.
 */
async function removeSegment(
  { fileSystem, files }: ArchiveSite,
  stamp: Stamp,
  handles: DisposableStack,
): Promise<void> {
  fileSystem.rename(files.sealed(stamp), files.unfinished(stamp));
  handles.dispose();
  try {
    await fileSystem.removeAsync(files.unfinished(stamp));
  } catch (error) {
    // Another process that puts the log in order took it for what its name says.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await fileSystem.syncDirectory(files.directory);
}

/** An empty segment is what a sealer leaves that was killed before its rename. */
async function removeEmpty(
  { fileSystem, files, underLock }: ArchiveSite,
  path: string,
  segment: FileHandle,
): Promise<ArchiveOutcome> {
  // A sealer at work holds the append lock from the making of the empty file to the rename.
  const isRemoved = await underLock(() => {
    return isAt(fileSystem, path, segment) && removeFile(fileSystem, path);
  });
  if (!isRemoved) return "gone";
  await fileSystem.syncDirectory(files.directory);
  return "empty";
}

function appending(handle: FileHandle): WritableStream<Uint8Array> {
  return new WritableStream({
    write(chunk) {
      const written = handle.appendSync(chunk);
      if (written < chunk.byteLength) {
        throw new Error("Only a part of the archive was written (disk full?)");
      }
    },
  });
}

/** Nobody appends to a segment; but for somebody who does, no line may go that is in no archive. */
function checkLength(segment: FileHandle, was: { byteLength: number; path: string }): void {
  if (segment.status().byteLength === was.byteLength) return;
  throw new Error(`Cannot archive segment: it has grown since it was sealed: ${was.path}`);
}

function isAt(fileSystem: FileSystem, path: string, handle: FileHandle): boolean {
  const status = fileSystem.status(path);
  return status !== null && isSameFile(status, handle.status());
}
