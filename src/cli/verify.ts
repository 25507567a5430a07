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
import { dirname, relative } from "@std/path";
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

/** Faults that are shown; the JSON lists all of them. */
const FAULTS_SHOWN = 20;

/** Names of files that the first line may hold. */
const FILES_SHOWN = 3;
const OUTCOME_STYLES = { ok: "green", "not protected": "yellow", faults: "red" } as const;

interface VerifyCommandOptions extends LogOptions {
  readonly anchor: string | undefined;
  readonly strict: boolean;
}

/** The command. */
export const verifyCommand: Parser<"sync", Run, unknown> = command(
  "verify",
  map(
    merge(
      object({
        anchor: optional(option("--anchor", string({ metavar: "FILE|JSON" }), {
          description:
            message`Check also that everything is still there that was in the log at an earlier time: the output of ${"scout head"}, as a file or as text`,
        })),
        strict: option("--strict", {
          description: message`Exit with 1 if the log is not protected, too`,
        }),
      }),
      logOptions,
    ),
    (options): Run => (output) => runVerify(options, output),
  ),
  {
    brief: message`Detects tampering; exits 1 if it finds any`,
    description:
      message`Checks the digest and the figures of every archive, the chain of the manifest, and the chain of the lines. The first line of the output is one of three.${lineBreak()}OK: every line is in the chain, or came before its first line and is covered by the hash of that line or by the digest of its archive.${lineBreak()}NOT PROTECTED: no fault was found, but some lines are in no chain, so a change of them is not detected; write the log with the option chain: true.${lineBreak()}FAULTS: the number of faults, which follow with file and line.`,
    footer: message`Example: scout verify logs --anchor head.json --strict`,
  },
);

async function runVerify(options: VerifyCommandOptions, output: Output): Promise<number> {
  const { json, strict } = options;
  const anchor = options.anchor === undefined ? {} : { anchor: anchorOf(options.anchor) };
  const { path, report, protection } = await withLog(options, async (reader) => {
    // Taken first, so that it does not claim lines that come after the check.
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

/** Returns the width at which sentences are broken; a pipe gets each of them on one line. */
function width(output: Output): number {
  return output.isTerminal ? columns() : Infinity;
}

/** Reads an anchor from a file, or from its text. */
function anchorOf(given: string): ChainHead {
  const isText = given.trimStart().startsWith("{");
  const text = isText ? given : readSmallFile(given, "anchor");
  try {
    return checkedAnchor(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw new CommandError(
      `Cannot read anchor: it is not what scout head prints, got ${shownValue(given)}`,
      2,
    );
  }
}

const LABEL_WIDTH = "not shown  ".length;

/** Returns the lines of the report, none wider than the columns. */
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
      `and ${counted(faults.length - FAULTS_SHOWN, "more fault")}; --json lists them`,
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
  if (lines === 0) return "NOT PROTECTED: the log has no lines, so that nothing is verified";
  if (chainedLines === 0) {
    const what = unprotected.length === 0
      ? "no chain of lines; only digests protect the archives"
      : `a change of ${listed(unprotected)} is not detected, because no chain protects the lines`;
    return `NOT PROTECTED: ${what}; write the log with the option chain: true`;
  }
  if (unprotected.length > 0) {
    return `NOT PROTECTED: a change of ${
      listed(unprotected)
    } is not detected, because the chain begins later`;
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

/** A progress bar, once it is known how much there is. */
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
