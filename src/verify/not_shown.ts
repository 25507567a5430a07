/**
 * What a check of a log cannot show, in sentences. Pure.
 *
 * @module
 */

/** What was found on the way. */
export interface Unshown {
  readonly hasAnchor: boolean;
  /** Lines that are in no archive the manifest tells of, and in no chain. */
  readonly unprotectedLines: number;
  /** Archives that were there before their lines in the manifest. */
  readonly rebuiltArchives: number;
  readonly prunedArchives: number;
  /** Names of files that end in what a crash has torn. */
  readonly tornFiles: readonly string[];
  readonly tornManifestBytes: number;
}

/** Says what nobody can tell of the log. */
export function notShown(unshown: Unshown): string[] {
  const { unprotectedLines, rebuiltArchives, prunedArchives, tornFiles, tornManifestBytes } =
    unshown;
  const sentences: [isTrue: boolean, sentence: string][] = [
    [
      !unshown.hasAnchor,
      "whether the newest events, or whole archives with their lines in the manifest, were removed, " +
      "or the whole log was written anew: that takes an anchor, which head() gave earlier and is kept elsewhere",
    ],
    [unshown.hasAnchor, "whether events were removed that came after the anchor"],
    [true, "whether an event was appended by somebody else who may write the log"],
    [
      unprotectedLines > 0,
      `whether ${
        counted(unprotectedLines, "line")
      } that no digest and no chain protects were changed`,
    ],
    [
      rebuiltArchives > 0,
      `what ${counted(rebuiltArchives, "archive")} held before the manifest told of them`,
    ],
    [
      prunedArchives > 0,
      `what ${counted(prunedArchives, "archive")} held that retention has removed`,
    ],
    [
      tornFiles.length > 0,
      `what stood in the last line of ${tornFiles.join(", ")}, which is torn as a crash leaves it`,
    ],
    [
      tornManifestBytes > 0,
      `what the last ${tornManifestBytes} bytes of the manifest were, which are torn as a crash leaves them`,
    ],
  ];
  return sentences.filter(([isTrue]) => isTrue).map(([, sentence]) => sentence);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
