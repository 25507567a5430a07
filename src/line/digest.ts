/**
 * SHA-256 digests in hexadecimal, the form that all files of a log use. Pure.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** The form of a digest. */
export const SHA256: RegExp = /^[0-9a-f]{64}$/;

/** Returns the digest of the bytes. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
