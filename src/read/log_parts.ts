/**
 * The parts of a log at one moment: the files of a snapshot, and the archives that were removed but whose manifest
 * lines still list their spans. A span is a call of which the beginning and the end are logged.
 *
 * Invariant: no event is in two parts. The active file of the snapshot may be archived, and the archive removed, before
 * the manifest is read. Its events would then be in two parts: the file and the removed archive. So an archive counts
 * as removed only if the manifest had its line before the snapshot was taken, and if no file of the snapshot can be
 * that archive under another name.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import type { Turns } from "../platform/turns.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ManifestLines } from "../segments/manifest_lines.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import type { Stamp } from "../segments/segment_name.ts";
import type { SpanSummary } from "../segments/span_summary.ts";
import type { LineSource } from "./line_source.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import { type Snapshot, type SnapshotFile, takeSnapshotInTurns } from "./snapshot.ts";

/**
 * A part of a log: a file of a snapshot, or an archive that was removed but whose spans (logged calls) the manifest
 * still lists.
 */
export interface LogPart {
  /** The file; null if it was removed. */
  readonly file: SnapshotFile | null;
  /** The manifest line of the file; undefined if the file has none, or was removed. */
  readonly line: ArchiveLine | undefined;
  /**
   * The spans (calls) that began or ended in the part; null if the manifest does not list them. If the file was
   * removed, `spans` is never null.
   */
  readonly spans: SpanSummary | null;
}

/** The parts of a log, oldest first. Disposing of this object closes the open files. */
export interface LogParts extends Disposable {
  readonly parts: readonly LogPart[];
}

/**
 * Maximum number of attempts to take a snapshot and read the manifest. An attempt fails only if an archive is created
 * and removed during the attempt.
 */
const ATTEMPTS = 16;

/**
 * Takes a snapshot of the log and reads the manifest. Resolves with the parts of the log.
 *
 * @throws {TypeError} If the active file is not a regular file.
 * @throws {Error} If the active file is replaced, or an archive is created and removed, during every attempt.
 */
export async function takeParts(source: LineSource, turns: Turns): Promise<LogParts> {
  const { log, logger } = source;
  const manifest = source.manifest ?? new ManifestReader(log);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const known = await archivesIn(await linesInTurns(manifest, logger, turns), turns);
    using stack = new DisposableStack();
    const snapshot = stack.use(await takeSnapshotInTurns(log, turns));
    const lines = await linesInTurns(manifest, logger, turns);
    const parts = await removedParts(lines, { known, snapshot, log, turns });
    if (parts === null) continue;
    for (const file of snapshot.files) {
      if (turns.isDue) await turns.take();
      parts.push(filePart(file, lines));
    }
    const ordered = await inOrder(parts, log, turns);
    const kept = stack.move();
    return {
      parts: ordered,
      [Symbol.dispose]: () => kept.dispose(),
    };
  }
  throw new Error(
    `Cannot read audit log: during each of ${ATTEMPTS} attempts, an archive was created and removed; try again: ` +
      log.files.active,
  );
}

/** A part of a log, and the name of its file. */
type NamedPart = LogPart & { readonly name: string };

function filePart(file: SnapshotFile, lines: ManifestLines): NamedPart {
  const name = basename(file.path);
  const line = lineOf(file, lines);
  const spans = line === undefined ? removedSpans(file, lines) : line.spans;
  return { name, file, line, spans: spans ?? null };
}

/**
 * Returns the spans of an archive that is about to be removed, or that was removed after the snapshot was taken.
 * Returns undefined for all other files.
 */
function removedSpans(
  file: SnapshotFile,
  { byArchive, prunedSpans }: ManifestLines,
): ArchiveLine["spans"] {
  if (!file.isArchive) return undefined;
  const name = basename(file.path);
  if (file.byteLength === 0) return (byArchive.get(name) ?? prunedSpans.get(name))?.spans;
  const pruned = prunedSpans.get(name);
  return pruned?.gzip_bytes === file.byteLength ? pruned.spans : undefined;
}

/**
 * Returns the archives that were removed. Returns null if an archive was created and removed during the attempt,
 * because its events may also be in the active file of the snapshot.
 */
async function removedParts(
  lines: ManifestLines,
  { known, snapshot, log, turns }: {
    known: ReadonlySet<string>;
    snapshot: Snapshot;
    log: LogDirectory;
    turns: Turns;
  },
): Promise<NamedPart[] | null> {
  const present = new Set<string>();
  // An archive that was renamed by hand must not count as removed. The manifest has no line for its new name, so the
  // archive is recognized by its length.
  const unlisted = new Set<number>();
  for (const file of snapshot.files) {
    if (turns.isDue) await turns.take();
    present.add(archiveNameOf(file.path, log));
    if (file.isArchive && !lines.byArchive.has(basename(file.path))) unlisted.add(file.byteLength);
  }
  const removed: NamedPart[] = [];
  for (const [name, { spans }] of lines.prunedSpans) {
    if (turns.isDue) await turns.take();
    if (present.has(name)) continue;
    if (!known.has(name)) return null;
    removed.push({ name, file: null, line: undefined, spans });
  }
  const listed = new Set<string>();
  for (const [name, { gzip_sha256 }] of lines.byArchive) {
    if (turns.isDue) await turns.take();
    if (present.has(name)) listed.add(gzip_sha256);
  }
  for (const [name, { spans, gzip_bytes, gzip_sha256 }] of lines.byArchive) {
    if (turns.isDue) await turns.take();
    if (present.has(name) || !known.has(name) || !spans) continue;
    if (unlisted.has(gzip_bytes) || listed.has(gzip_sha256)) continue;
    removed.push({ name, file: null, line: undefined, spans });
  }
  return removed;
}

async function archivesIn(
  { byArchive, prunedSpans }: ManifestLines,
  turns: Turns,
): Promise<Set<string>> {
  const names = new Set<string>();
  for (const archives of [byArchive, prunedSpans]) {
    for (const name of archives.keys()) {
      if (turns.isDue) await turns.take();
      names.add(name);
    }
  }
  return names;
}

/**
 * Returns the name of a segment's archive, even if the segment is not archived yet. For the active file, returns the
 * name of this file.
 */
function archiveNameOf(path: string, { files }: LogDirectory): string {
  const stamp = files.parse(basename(path))?.stamp;
  return basename(stamp === undefined ? path : files.archive(stamp));
}

/**
 * Sorts the parts by their stamps, which are the times in their file names. The part with the oldest content is the
 * first; the active file, which has no stamp, is the last.
 */
async function inOrder(
  parts: readonly NamedPart[],
  { files }: LogDirectory,
  turns: Turns,
): Promise<LogPart[]> {
  const stamped: { part: LogPart; stamp: Stamp }[] = [];
  for (const part of parts) {
    if (turns.isDue) await turns.take();
    stamped.push({ part, stamp: files.parse(part.name)?.stamp ?? "~" });
  }
  // The removed parts and the files are in order each, so the sort only merges them.
  stamped.sort((a, b) => a.stamp < b.stamp ? -1 : a.stamp > b.stamp ? 1 : 0);
  return stamped.map(({ part }) => part);
}
