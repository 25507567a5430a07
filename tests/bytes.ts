/**
 * Joins byte arrays, and computes the size and the digest of an archive that its line in the manifest (the list of
 * archives) states.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { GzipFacts } from "../src/segments/manifest_line.ts";

/** Returns the size and the digest of an archive, as a manifest line states them. */
export function gzipFacts(bytes: Uint8Array): GzipFacts {
  const gzip_sha256 = createHash("sha256").update(bytes).digest("hex");
  return { gzip_bytes: bytes.byteLength, gzip_sha256 };
}

/** Concatenates byte arrays. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
