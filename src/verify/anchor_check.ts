/**
 * Checks whether a log still contains everything that it contained when `head()` returned an anchor. An anchor has the
 * hashes of the last lines of the log and of its manifest at that time. The user stores it outside the log.
 *
 * @module
 */
import type { ChainLink } from "../line/chain.ts";
import { SHA256 } from "../line/digest.ts";
import type { LogFiles } from "../segments/segment_name.ts";
import { counted } from "../shown.ts";
import type { ManifestCheck } from "./manifest_check.ts";
import type { ChainHead, Faults } from "./report.ts";

/**
 * The search for the two lines that an anchor names: the line that was the last of the manifest, and the line that was
 * the last of the log, when `head()` returned the anchor.
 */
export class AnchorCheck {
  readonly #anchor: ChainHead | undefined;
  #isMet = false;
  #firstSeq: number | undefined;

  /**
   * Starts the search for the lines that the anchor names. If `anchor` is undefined, the search reports no fault.
   *
   * @throws {TypeError} If the anchor is not a chain head.
   */
  constructor(anchor: ChainHead | undefined) {
    this.#anchor = anchor === undefined ? undefined : checkedAnchor(anchor);
  }

  /**
   * Compares the next chained line (a line with a number and a hash) with the anchor. If both have the same number and
   * different hashes, reports a fault, because the log was rewritten after the anchor was stored.
   */
  met(link: ChainLink, where: { path: string; line: number; faults: Faults }): void {
    this.#firstSeq ??= link.seq;
    if (link.seq !== this.#anchor?.seq) return;
    this.#isMet = true;
    if (link.hash === this.#anchor.hash) return;
    const { path, line, faults } = where;
    const reason =
      "the hash of this line differs from the hash in the anchor: the log was rewritten";
    faults.add({ path, line, reason });
  }

  /**
   * Reports a fault for each of the anchor's two lines that was not found. Must be called after the whole log was read.
   * `last` has the number and the hash of the last chained line.
   */
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
        reason:
          `the manifest line that the anchor names, the last one when the manifest listed ${
            counted(archives, "archive")
          }, is missing: ` +
          "lines were removed, or the manifest was rewritten",
      });
    }
    if (seq === null || this.#isMet) return;
    // If the line of the anchor came before the first line that still exists, retention may have deleted its archive.
    // Such a deletion is not a fault.
    if (manifest.pruned.size > 0 && this.#firstSeq !== undefined && seq < this.#firstSeq) return;
    const lastSeq = last === undefined || last.seq < 0 ? "none" : `${last.seq}`;
    faults.add({
      path: files.active,
      reason: `events were removed: the anchor has seq ${seq}, but the last seq is ${lastSeq}`,
    });
  }
}

/**
 * Checks that a value has the form of an anchor, which is a chain head that `head()` returned, and returns the value.
 *
 * @throws {TypeError} If the value is not a chain head.
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
