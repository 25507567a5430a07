/**
 * What segments and archives hold, read in small pieces, so that the event loop turns in between.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readChunks } from "../platform/chunks.ts";
import type { FileHandle } from "../platform/file_system.ts";
import type { Clock } from "../platform/clock.ts";
import { decompressed } from "./gzip.ts";
import type { GzipFacts } from "./manifest_line.ts";
import { SegmentScan, type SegmentSummary } from "./segment_summary.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How to read little by little. */
export interface InTurns {
  readonly clock: Clock;
  /** Ends it with the reason of the abort. */
  readonly signal: AbortSignal;
}

/** How to read what is made of lines. */
export interface ContentReading extends InTurns {
  readonly maxLineBytes: number;
}

/** Length and SHA-256 of a content. */
export type ContentDigest = Pick<SegmentSummary, "raw_bytes" | "sha256">;

/** What an archive holds, and the file that holds it. */
export type ArchiveContent<Summary> = Summary & GzipFacts;

// What is compressed or inflated between two turns of the event loop: a millisecond's work. With half
// as much, archiving takes a third longer, and with twice as much it shows in the delays of the loop.
const RAW_CHUNK_BYTES = 32 * 1024;
const GZIP_CHUNK_BYTES = 8 * 1024;

/** The first bytes of a segment. */
export function segmentChunks(
  segment: FileHandle,
  byteLength: number,
  reading: InTurns,
): AsyncIterable<Bytes> {
  return inTurns(readChunks(segment, byteLength, { chunkBytes: RAW_CHUNK_BYTES }), reading);
}

/**
 * Decodes an archive and tells what it holds, in full.
 *
 * @throws {TypeError} when it is damaged.
 */
export function summaryOf(
  archive: FileHandle,
  reading: ContentReading,
): Promise<ArchiveContent<SegmentSummary>> {
  return contentOf(archive, reading, (chunks) => summarize(chunks, reading));
}

/**
 * As {@linkcode summaryOf}, but only how much it holds and its digest.
 *
 * @throws {TypeError} when it is damaged.
 */
export function digestOf(
  archive: FileHandle,
  reading: ContentReading,
): Promise<ArchiveContent<ContentDigest>> {
  return contentOf(archive, reading, digest);
}

/** The length and the digest of a file as it is, whatever is in it. */
export function fileDigest(file: FileHandle, reading: InTurns): Promise<ContentDigest> {
  return digest(segmentChunks(file, file.status().byteLength, reading));
}

/** Tells what the chunks of a segment hold. */
export async function summarize(
  chunks: AsyncIterable<Bytes>,
  { maxLineBytes }: ContentReading,
): Promise<SegmentSummary> {
  const scan = new SegmentScan(maxLineBytes);
  for await (const chunk of chunks) scan.add(chunk);
  return scan.finish();
}

/** Whether both are the same content. */
export function isSameContent(a: ContentDigest, b: ContentDigest): boolean {
  return a.raw_bytes === b.raw_bytes && a.sha256 === b.sha256;
}

/** Gives what a function finds out from the decoded chunks, and the digest of what was decoded. */
async function contentOf<Summary>(
  archive: FileHandle,
  reading: ContentReading,
  read: (chunks: AsyncIterable<Bytes>) => Promise<Summary>,
): Promise<ArchiveContent<Summary>> {
  const gzip = createHash("sha256");
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

async function digest(chunks: AsyncIterable<Uint8Array>): Promise<ContentDigest> {
  const hash = createHash("sha256");
  let raw_bytes = 0;
  for await (const chunk of chunks) {
    raw_bytes += chunk.byteLength;
    hash.update(chunk);
  }
  return { raw_bytes, sha256: hash.digest("hex") };
}

/**
 * Lets the event loop turn between two chunks: reads that end at once would keep timers waiting, for
 * twenty milliseconds and more. Ends there with the reason of an abort, and so does whoever reads them.
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
