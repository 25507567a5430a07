/**
 * SHA-256 digests. All files of a log have them in hexadecimal. Pure.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import type { Turns } from "../platform/turns.ts";

/** Matches a SHA-256 digest in lower-case hexadecimal. */
export const SHA256: RegExp = /^[0-9a-f]{64}$/;

let loaded: typeof import("node:crypto") | undefined;

function nodeCrypto(): typeof import("node:crypto") {
  // The module is loaded at the first digest, unless loadSha256() has loaded it, because loading it takes as long as
  // starting an empty program. Digests are also made under the append lock, where nothing can be awaited.
  return loaded ??= process.getBuiltinModule("node:crypto");
}

/**
 * Loads node:crypto in steps, before the first digest. Otherwise the first digest would load it at once, which blocks
 * the event loop for up to 40 ms.
 */
export async function loadSha256(turns: Turns): Promise<void> {
  if (loaded !== undefined) return;
  // These modules load nearly everything that node:crypto and the global `process` need.
  const parts = [
    () => import("node:events"),
    () => import("node:util"),
    () => import("node:stream"),
  ];
  for (const part of parts) {
    await part();
    await turns.take();
  }
  nodeCrypto();
}

/** Starts the SHA-256 digest of bytes that are added in pieces. */
export function startSha256(): Hash {
  return nodeCrypto().createHash("sha256");
}

/** Returns the SHA-256 digest of bytes, in lower-case hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return nodeCrypto().hash("sha256", bytes, "hex");
}
