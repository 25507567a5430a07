/**
 * The changes that a check of a log cannot show, as text. Pure.
 *
 * @module
 */
import { counted } from "../shown.ts";

/** The facts from which the sentences follow. */
export interface Unshown {
  readonly hasAnchor: boolean;
  /** Lines that are neither in the chain nor in an archive that the manifest lists. */
  readonly unprotectedLines: number;
  /** Archives that existed before their lines in the manifest. */
  readonly rebuiltArchives: number;
  readonly prunedArchives: number;
  /** Names of files whose last line a crash has torn. */
  readonly tornFiles: readonly string[];
  readonly tornManifestBytes: number;
}

/** Returns the sentences. */
export function notShown(unshown: Unshown): string[] {
  const { unprotectedLines, rebuiltArchives, prunedArchives, tornFiles, tornManifestBytes } =
    unshown;
  const sentences: [isTrue: boolean, sentence: string][] = [
    [
      !unshown.hasAnchor,
      "removal of the newest events or of whole archives, and a rewrite of the whole log: " +
      "that takes an anchor, which head() returned earlier and which is stored elsewhere",
    ],
    [unshown.hasAnchor, "removal of events that were appended after the anchor"],
    [true, "events that another process with permission to write the log has appended"],
    [
      unprotectedLines > 0,
      `changes of ${counted(unprotectedLines, "line")} that neither a digest nor a chain protects`,
    ],
    [
      rebuiltArchives > 0,
      `changes of ${counted(rebuiltArchives, "archive")} before the manifest recorded them`,
    ],
    [
      prunedArchives > 0,
      `the events that ${counted(prunedArchives, "archive")} held that retention has removed`,
    ],
    [tornFiles.length > 0, `the last line of ${tornFiles.join(", ")}, which a crash has torn`],
    [
      tornManifestBytes > 0,
      `the last ${counted(tornManifestBytes, "byte")} of the manifest, which a crash has torn`,
    ],
  ];
  return sentences.filter(([isTrue]) => isTrue).map(([, sentence]) => sentence);
}
