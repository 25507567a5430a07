/**
 * Checks whether a log still holds everything that it held when an anchor was taken.
 *
 * @module
 */
import type { ChainLink } from "../line/chain.ts";
import { SHA256 } from "../line/digest.ts";
import type { LogFiles } from "../segments/segment_name.ts";
import { counted } from "../shown.ts";
import type { ManifestCheck } from "./manifest_check.ts";
import type { ChainHead, Faults } from "./report.ts";

/** The search for an anchor in the manifest and in the chain. */
export class AnchorCheck {
  readonly #anchor: ChainHead | undefined;
  #isMet = false;
  #firstSeq: number | undefined;

  /**
   * Starts the search. Without an anchor, no fault is found.
   *
   * @throws {TypeError} If the anchor is not a chain head.
   */
  constructor(anchor: ChainHead | undefined) {
    this.#anchor = anchor === undefined ? undefined : checkedAnchor(anchor);
  }

  /** Compares the next line of the chain with the anchor. */
  met(link: ChainLink, where: { path: string; line: number; faults: Faults }): void {
    this.#firstSeq ??= link.seq;
    if (link.seq !== this.#anchor?.seq) return;
    this.#isMet = true;
    if (link.hash === this.#anchor.hash) return;
    const { path, line, faults } = where;
    faults.add({ path, line, reason: "its hash differs from the anchor's: the log was rewritten" });
  }

  /** Ends the search after the whole log was read. `last` is the last line of the chain. */
  end(
    { faults, manifest, files, last }: {
      readonly faults: Faults;
      readonly manifest: ManifestCheck;
      readonly files: LogFiles;
      readonly last: ChainLink | undefined;
    },
  ): void {
    if (this.#anchor === undefined) return;
    const { manifestSha256, archives, seq } = this.#anchor;
    if (manifestSha256 !== null && manifest.archivesBySha256.get(manifestSha256) !== archives) {
      faults.add({
        path: files.manifest,
        reason: `the anchor's line, after ${counted(archives, "archive")}, is not in it: ` +
          "lines were removed, or the manifest was rewritten",
      });
    }
    if (seq === null || this.#isMet) return;
    // If the anchor is older than the first line, its line may have been pruned.
    if (manifest.pruned.size > 0 && this.#firstSeq !== undefined && seq < this.#firstSeq) return;
    const lastSeq = last === undefined || last.seq < 0 ? "none" : `${last.seq}`;
    faults.add({
      path: files.active,
      reason: `events were removed: the anchor has seq ${seq}, but the last seq is ${lastSeq}`,
    });
  }
}

/**
 * Returns the anchor if it is valid.
 *
 * @throws {TypeError} If it is not a chain head.
 */
export function checkedAnchor(anchor: ChainHead): ChainHead {
  const { archives, manifestSha256, seq, hash } = Object(anchor) as ChainHead;
  const isDigest = (value: unknown) => typeof value === "string" && SHA256.test(value);
  const isHead = Number.isSafeInteger(archives) && archives >= 0 &&
    (manifestSha256 === null || isDigest(manifestSha256)) &&
    (seq === null ? hash === null : Number.isSafeInteger(seq) && seq >= 0 && isDigest(hash));
  if (isHead) return anchor;
  throw new TypeError(
    `Cannot verify audit log: anchor must be a chain head that head() returned, got ${
      JSON.stringify(anchor)
    }`,
  );
}
