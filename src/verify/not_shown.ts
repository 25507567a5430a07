/**
 * The kinds of tampering that a check of a log cannot detect, as text. Pure.
 *
 * @module
 */
import { counted } from "../shown.ts";

/** The facts about a check from which {@linkcode notShown} selects its sentences. */
export interface Unshown {
  /**
   * The kind of the anchor: "none" if the caller passed no anchor; "with a chain" if the anchor has the hash of a line
   * of the log; "without a chain" if the log had no line with a hash.
   */
  readonly anchor: "none" | "without a chain" | "with a chain";
  /**
   * Number of lines that the check cannot protect: they have no hash, and they are in no archive that the manifest
   * lists with a digest.
   */
  readonly unprotectedLines: number;
  /**
   * Number of archives whose manifest lines recovery has rebuilt from the archives. Such a line does not show whether
   * the archive was modified before.
   */
  readonly rebuiltArchives: number;
  readonly prunedArchives: number;
  /** Names of the files that end in a torn line, which a crash has left incomplete. */
  readonly tornFiles: readonly string[];
  readonly tornManifestBytes: number;
}

/** Returns a sentence for each kind of change that the check cannot detect. */
export function notShown(unshown: Unshown): string[] {
  const {
    anchor,
    unprotectedLines,
    rebuiltArchives,
    prunedArchives,
    tornFiles,
    tornManifestBytes,
  } = unshown;
  const sentences: [isTrue: boolean, sentence: string][] = [
    [
      anchor === "none",
      "removal of the newest events or of whole archives, and a rewrite of the whole log: " +
      "verify with an anchor that head() returned earlier and that is stored elsewhere",
    ],
    [anchor !== "none", "removal of events that were appended after head() returned the anchor"],
    [
      anchor === "without a chain",
      "removal of unchained lines that were in no archive when head() returned the anchor",
    ],
    [true, "events that another process with permission to write the log has appended"],
    [
      unprotectedLines > 0,
      `changes to ${counted(unprotectedLines, "line")} that neither a digest nor a chain protects`,
    ],
    [
      rebuiltArchives > 0,
      `changes to ${counted(rebuiltArchives, "archive")} before the manifest recorded them`,
    ],
    [
      prunedArchives > 0,
      `changes to the events of ${counted(prunedArchives, "archive")} that retention has removed`,
    ],
    [tornFiles.length > 0, `changes to the torn line at the end of ${tornFiles.join(", ")}`],
    [
      tornManifestBytes > 0,
      `changes to the torn line at the end of the manifest (${counted(tornManifestBytes, "byte")})`,
    ],
  ];
  return sentences.filter(([isTrue]) => isTrue).map(([, sentence]) => sentence);
}
