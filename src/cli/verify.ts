/**
 * `scout verify`: detects tampering with a log.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { lineBreak, message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { dirname } from "../platform/path.ts";
import { relative } from "@std/path";
import { shown as shownValue } from "../event.ts";
import { checkedAnchor } from "../verify/anchor_check.ts";
import type { ChainHead, VerifyFault, VerifyReport } from "../verify/report.ts";
import { type Run, withLog } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { wrapped } from "./fit.ts";
import { type LogOptions, logOptions } from "./options.ts";
import { outcomeOf, type Protection, protectionOf } from "./protection.ts";
import { readSmallFile } from "./small_file.ts";
import { ProgressBar } from "./progress_bar.ts";
import { counted, shownBytes, shownNumber } from "../shown.ts";
import { columns, type Output, styled } from "./terminal.ts";

/** Maximum number of faults that are shown; `--json` lists all faults. */
const FAULTS_SHOWN = 20;

/** Maximum number of file names in the first line of the output. All other files are only counted. */
const FILES_SHOWN = 3;
const OUTCOME_STYLES = { ok: "green", "not protected": "yellow", faults: "red" } as const;

interface VerifyCommandOptions extends LogOptions {
  readonly anchor: string | undefined;
  readonly strict: boolean;
}

/** The `scout verify` command. */
export const verifyCommand: Parser<"sync", Run, unknown> = command(
  "verify",
  map(
    merge(
      object({
        anchor: optional(option("--anchor", string({ metavar: "FILE|JSON" }), {
          description:
            message`Also check that no event was removed since an earlier ${"scout head"}; the anchor is the output of that command, or a file with the output`,
        })),
        strict: option("--strict", {
          description: message`Also exit with 1 if the log is not protected`,
        }),
      }),
      logOptions,
    ),
    (options): Run => (output) => runVerify(options, output),
  ),
  {
    brief: message`Detects tampering; exits 1 if it finds any`,
    description:
      message`Checks the digest and the figures of every archive, the chain of the manifest, and the chain of the lines. The first line of the output is one of three.${lineBreak()}OK: every line is protected by the chain, by the hash of the first chained line, or by the digest of an archive.${lineBreak()}NOT PROTECTED: no fault was found, but some lines are not in a chain, so changes to them are not detected; write the log with the option chain: true.${lineBreak()}FAULTS: the number of faults; the next lines name the file and the line of each fault.`,
    footer: message`Example: scout verify logs --anchor head.json --strict`,
  },
);

async function runVerify(options: VerifyCommandOptions, output: Output): Promise<number> {
  const { json, strict } = options;
  const anchor = options.anchor === undefined ? {} : { anchor: anchorOf(options.anchor) };
  const { path, report, protection } = await withLog(options, async (reader) => {
    // The program finds out before the check which files the chain or a digest protects. So lines that are written
    // during the check do not count as unprotected.
    const protection = protectionOf(reader.path, await reader.head());
    using progress = new Progress();
    const report = await reader.verify({ onProgress: progress.show, ...anchor });
    return { path: reader.path, report, protection };
  });
  const outcome = outcomeOf(report, protection);
  if (json) output.json({ outcome, ...report, unprotectedFiles: protection.unprotected });
  else {
    const lines = verifyLines(report, protection, {
      directory: dirname(path),
      columns: width(output),
    });
    for (const line of lines) output.line(line);
  }
  await output.flush();
  return outcome === "faults" || strict && outcome === "not protected" ? 1 : 0;
}

/** Returns the width in columns to which sentences are wrapped; Infinity if the output is not a terminal. */
function width(output: Output): number {
  return output.isTerminal ? columns() : Infinity;
}

/**
 * Reads an anchor from the value of `--anchor`, which is JSON or the name of a file with JSON.
 *
 * @throws {CommandError} If the anchor is unreadable or invalid.
 */
function anchorOf(value: string): ChainHead {
  const isText = value.trimStart().startsWith("{");
  const text = isText ? value : readSmallFile(value, "anchor");
  try {
    return checkedAnchor(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new CommandError(
      `Cannot read anchor: the anchor must be the output of scout head, or a file with that output, got ${
        shownValue(value)
      }`,
      2,
    );
  }
}

const LABEL_WIDTH = "not shown  ".length;

/** Returns the report of `scout verify` as lines that are at most `columns` wide. */
export function verifyLines(
  report: VerifyReport,
  protection: Protection,
  { directory, columns }: { readonly directory: string; readonly columns: number },
): string[] {
  const { archives, lines, bytes, faults, notShown } = report;
  const read = `${counted(archives, "archive")}, ${counted(lines, "line")}, ${shownBytes(bytes)}`;
  const outcome = outcomeOf(report, protection);
  const found: [label: string, text: string][] = faults.slice(0, FAULTS_SHOWN)
    .map((fault) => ["fault", shownFault(fault, directory)]);
  if (faults.length > FAULTS_SHOWN) {
    found.push([
      "",
      `and ${counted(faults.length - FAULTS_SHOWN, "more fault")}; add --json to list them`,
    ]);
  }
  return [
    ...wrapped(headline(report, protection), columns)
      .map((line) => styled(OUTCOME_STYLES[outcome], line)),
    ...[
      ...found,
      ["read", read] as const,
      ...notShown.map((sentence, n) => [n === 0 ? "not shown" : "", sentence] as const),
    ].flatMap(([label, text]) => labelled(label, text, columns)),
  ];
}

function headline(
  { lines, faults }: VerifyReport,
  { chainedLines, unprotected }: Protection,
): string {
  if (faults.length > 0) return `FAULTS: ${shownNumber(faults.length)}`;
  if (lines === 0) return "NOT PROTECTED: the log has no lines, so nothing was verified";
  if (chainedLines === 0) {
    const what = unprotected.length === 0
      ? "the lines have no chain; only digests protect the archives"
      : `changes to ${listed(unprotected)} are not detected, because the lines have no chain`;
    return `NOT PROTECTED: ${what}; write the log with the option chain: true`;
  }
  if (unprotected.length > 0) {
    return `NOT PROTECTED: changes to ${
      listed(unprotected)
    } are not detected, because the chain starts after them`;
  }
  return `OK: chain of ${counted(Math.min(chainedLines, lines), "line")} verified`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, FILES_SHOWN).join(", ");
  const more = names.length - FILES_SHOWN;
  return more > 0 ? `${shown} and ${counted(more, "more file")}` : shown;
}

function labelled(label: string, text: string, columns: number): string[] {
  const style = label === "fault" ? "red" : "dim";
  return wrapped(text, columns - LABEL_WIDTH).map((line, n) =>
    styled(style, (n === 0 ? label : "").padEnd(LABEL_WIDTH)) + line
  );
}

function shownFault({ path, line, byteOffset, reason }: VerifyFault, directory: string): string {
  const place = [relative(directory, path)];
  if (line !== undefined) place.push(`line ${shownNumber(line)}`);
  if (byteOffset !== undefined) place.push(`byte ${shownNumber(byteOffset)}`);
  return `${place.join(", ")}: ${reason}`;
}

/** A progress bar that appears when the total number of bytes is known. */
class Progress implements Disposable {
  #bar: ProgressBar | undefined;
  #bytes = 0;

  readonly show = ({ bytes, totalBytes }: { bytes: number; totalBytes: number }): void => {
    this.#bar ??= new ProgressBar("Verifying", totalBytes);
    this.#bar.advance(bytes - this.#bytes);
    this.#bytes = bytes;
  };

  [Symbol.dispose](): void {
    this.#bar?.[Symbol.dispose]();
  }
}
