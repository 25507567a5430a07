/**
 * Reads the content of segments and archives in small chunks, with a turn of the event loop between two chunks, so that
 * timers and appends are not delayed.
 *
 * @module
 */
import { startSha256 } from "../line/digest.ts";
import { readChunks, releaseChunk } from "../platform/chunks.ts";
import type { FileHandle } from "../platform/file_system.ts";
import type { Clock } from "../platform/clock.ts";
import { type RollupBytes, rollupBytes } from "../rollup/rollup_text.ts";
import { decompressed } from "./gzip.ts";
import type { GzipFacts } from "./manifest_line.ts";
import { SegmentScan, type SegmentSummary } from "./segment_summary.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Options of a read in small chunks. */
export interface InTurns {
  readonly clock: Clock;
  /** Aborts the read. The read then rejects with the reason of the abort. */
  readonly signal: AbortSignal;
}

/** Options of a read of the lines of a segment. */
export interface ContentReading extends InTurns {
  /** Maximum length of a line in bytes; a longer line counts as malformed. */
  readonly maxLineBytes: number;
  /**
   * The fields by which a rollup groups events, besides type, model and session. A rollup has the sums of an archive.
   * Without this option, no rollup is computed.
   */
  readonly rollupFields?: readonly string[];
}

/**
 * The summary of a segment, and its rollup, which has the sums of the segment. The rollup is null if none was computed,
 * or if the segment has too many groups.
 */
export interface SegmentContent extends SegmentSummary {
  readonly rollup: RollupBytes | null;
}

/** The length and the SHA-256 of the bytes that were read. */
export type ContentDigest = Pick<SegmentSummary, "raw_bytes" | "sha256">;

/** The summary of the content of an archive, and the length and the SHA-256 of its gzip file. */
export type ArchiveContent<Summary> = Summary & GzipFacts;

// Maximum number of bytes to compress or to decompress between two turns of the event loop: about 1 ms of work. With
// half as many bytes, archiving takes a third longer. With twice as many, the delays of the event loop become
// noticeable.
const RAW_CHUNK_BYTES = 32 * 1024;
const GZIP_CHUNK_BYTES = 8 * 1024;

/** Yields the first `byteLength` bytes of a segment in chunks. */
export function segmentChunks(
  segment: FileHandle,
  byteLength: number,
  reading: InTurns,
): AsyncIterable<Bytes> {
  return inTurns(readChunks(segment, byteLength, { chunkBytes: RAW_CHUNK_BYTES }), reading);
}

/**
 * Decodes an archive, and resolves with the full summary of its content.
 *
 * @throws {TypeError} If the archive is damaged.
 */
export function summaryOf(
  archive: FileHandle,
  reading: ContentReading,
): Promise<ArchiveContent<SegmentContent>> {
  return contentOf(archive, reading, (chunks) => summarize(chunks, reading));
}

/**
 * Decodes an archive, and resolves with the length and the digest of its content.
 *
 * @throws {TypeError} If the archive is damaged.
 */
export function digestOf(
  archive: FileHandle,
  reading: ContentReading,
): Promise<ArchiveContent<ContentDigest>> {
  return contentOf(archive, reading, digest);
}

/** Resolves with the length and the digest of the bytes of a file; does not decode the bytes. */
export function fileDigest(file: FileHandle, reading: InTurns): Promise<ContentDigest> {
  return digest(segmentChunks(file, file.status().byteLength, reading));
}

/** Resolves with the summary of the segment whose bytes the chunks contain. Releases each chunk. */
export async function summarize(
  chunks: AsyncIterable<Bytes>,
  { maxLineBytes, rollupFields }: ContentReading,
): Promise<SegmentContent> {
  const scan = new SegmentScan(maxLineBytes, rollupFields);
  for await (const chunk of chunks) {
    scan.add(chunk);
    releaseChunk(chunk);
  }
  return await contentIn(scan, rollupFields);
}

/**
 * Ends a scan of a segment. Resolves with the summary of the segment and its rollup, which has the sums of its events.
 */
export async function contentIn(
  scan: SegmentScan,
  fields: readonly string[] = [],
): Promise<SegmentContent> {
  const summary = scan.finish();
  const content_sha256 = summary.sha256;
  const rollup = scan.rollup === null
    ? null
    : await rollupBytes(scan.rollup, { content_sha256, fields });
  return { ...summary, rollup };
}

/** Checks whether two contents have the same length and digest. */
export function isSameContent(a: ContentDigest, b: ContentDigest): boolean {
  return a.raw_bytes === b.raw_bytes && a.sha256 === b.sha256;
}

/**
 * Decodes an archive and passes the decoded chunks to the function `read`. Resolves with the result of `read`, and the
 * length and the SHA-256 of the gzip file.
 */
async function contentOf<Summary>(
  archive: FileHandle,
  reading: ContentReading,
  read: (chunks: AsyncIterable<Bytes>) => Promise<Summary>,
): Promise<ArchiveContent<Summary>> {
  const gzip = startSha256();
  let gzip_bytes = 0;
  const { byteLength } = archive.status();
  const chunks = readChunks(archive, byteLength, { chunkBytes: GZIP_CHUNK_BYTES });
  async function* hashed(): AsyncGenerator<Bytes> {
    for await (const chunk of inTurns(chunks, reading)) {
      gzip.update(chunk);
      gzip_bytes += chunk.byteLength;
      yield chunk;
    }
  }
  const summary = await read(decompressed(hashed()));
  return { ...summary, gzip_bytes, gzip_sha256: gzip.digest("hex") };
}

async function digest(chunks: AsyncIterable<Bytes>): Promise<ContentDigest> {
  const hash = startSha256();
  let raw_bytes = 0;
  for await (const chunk of chunks) {
    raw_bytes += chunk.byteLength;
    hash.update(chunk);
    releaseChunk(chunk);
  }
  return { raw_bytes, sha256: hash.digest("hex") };
}

/**
 * Yields the chunks, with a turn of the event loop before each chunk. Without these turns, reads that complete
 * immediately would delay timers by 20 ms and more. If the signal is aborted, the generator throws the reason of the
 * abort before the next chunk.
 */
async function* inTurns<T>(
  chunks: AsyncIterable<T>,
  { clock, signal }: InTurns,
): AsyncGenerator<T> {
  for await (const chunk of chunks) {
    await clock.turn();
    signal.throwIfAborted();
    yield chunk;
  }
}
