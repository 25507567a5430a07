/**
 * SHA-256 digests in hexadecimal, the form that all files of a log use. Pure.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** Matches a SHA-256 digest in lower-case hexadecimal. */
export const SHA256: RegExp = /^[0-9a-f]{64}$/;

/** Returns the SHA-256 digest of bytes, in lower-case hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
