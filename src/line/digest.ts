/**
 * SHA-256, in hexadecimal as all files of a log carry it. Pure.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** What a digest looks like. */
export const SHA256: RegExp = /^[0-9a-f]{64}$/;

/** The digest of the bytes. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
