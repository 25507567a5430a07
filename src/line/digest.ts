/**
 * SHA-256 digests. All files of a log have them in hexadecimal. Pure.
 *
 * @module
 */
import type { Hash } from "node:crypto";

/** Matches a SHA-256 digest in lower-case hexadecimal. */
export const SHA256: RegExp = /^[0-9a-f]{64}$/;

let loaded: typeof import("node:crypto") | undefined;

function nodeCrypto(): typeof import("node:crypto") {
  // The module is loaded at the first digest, because loading it takes as long as starting an empty program. It is not
  // imported with `import()`, because digests are also made under the append lock, where nothing can be awaited.
  return loaded ??= process.getBuiltinModule("node:crypto");
}

/** Starts the SHA-256 digest of bytes that are added in pieces. */
export function startSha256(): Hash {
  return nodeCrypto().createHash("sha256");
}

/** Returns the SHA-256 digest of bytes, in lower-case hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return nodeCrypto().hash("sha256", bytes, "hex");
}
