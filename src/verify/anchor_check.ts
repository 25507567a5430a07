/**
 * Whether a log still holds what it held when an anchor was made.
 *
 * @module
 */
import type { ChainLink } from "../line/chain.ts";
import { SHA256 } from "../line/digest.ts";
import type { ManifestCheck } from "./manifest_check.ts";
import type { ChainHead, Faults } from "./report.ts";

/** Looks for an anchor in the manifest and in the chain. */
export class AnchorCheck {
  readonly #anchor: ChainHead | undefined;
  #isMet = false;
  #firstSeq: number | undefined;

  /** Without an anchor there is nothing to look for. */
  constructor(anchor: ChainHead | undefined) {
    this.#anchor = anchor === undefined ? undefined : checkedAnchor(anchor);
  }

  /** A line of the chain was read. */
  met(link: ChainLink, where: { path: string; line: number; faults: Faults }): void {
    this.#firstSeq ??= link.seq;
    if (link.seq !== this.#anchor?.seq) return;
    this.#isMet = true;
    if (link.hash === this.#anchor.hash) return;
    const { path, line, faults } = where;
    faults.add({ path, line, reason: "its hash is not that of the anchor: it was written anew" });
  }

  /** All was read. */
  end(
    { faults, manifest, manifestPath, logPath, last }: {
      readonly faults: Faults;
      readonly manifest: ManifestCheck;
      readonly manifestPath: string;
      readonly logPath: string;
      readonly last: ChainLink | undefined;
    },
  ): void {
    if (this.#anchor === undefined) return;
    const { manifestSha256, archives, seq } = this.#anchor;
    if (manifestSha256 !== null && manifest.archivesBySha256.get(manifestSha256) !== archives) {
      faults.add({
        path: manifestPath,
        reason: `the line of the anchor, which saw ${archives} archives, is not in it: ` +
          "lines were removed, or it was written anew",
      });
    }
    if (seq === null || this.#isMet) return;
    // What was pruned is behind the beginning of what is there.
    if (manifest.pruned.size > 0 && this.#firstSeq !== undefined && seq < this.#firstSeq) return;
    const lastSeq = last === undefined || last.seq < 0 ? "none" : `${last.seq}`;
    faults.add({
      path: logPath,
      reason: `events were removed: the anchor saw seq ${seq}, and the last one is ${lastSeq}`,
    });
  }
}

/**
 * Gives the anchor, if it is one.
 *
 * @throws {TypeError} for what is no head.
 */
export function checkedAnchor(anchor: ChainHead): ChainHead {
  const { archives, manifestSha256, seq, hash } = Object(anchor) as ChainHead;
  const isDigest = (value: unknown) => typeof value === "string" && SHA256.test(value);
  const isHead = Number.isSafeInteger(archives) && archives >= 0 &&
    (manifestSha256 === null || isDigest(manifestSha256)) &&
    (seq === null ? hash === null : Number.isSafeInteger(seq) && seq >= 0 && isDigest(hash));
  if (isHead) return anchor;
  throw new TypeError(
    `Cannot verify audit log: anchor must be a chain head, as head() returns it, got ${
      JSON.stringify(anchor)
    }`,
  );
}
