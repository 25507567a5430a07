/**
 * `scout verify`: whether somebody has changed the log.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { dirname, relative } from "@std/path";
import { checkedAnchor } from "../verify/anchor_check.ts";
import type { ChainHead, VerifyFault, VerifyReport } from "../verify/report.ts";
import { type Run, withLog } from "./command.ts";
import { type LogOptions, logOptions, valueOf } from "./options.ts";
import { ProgressBar } from "./progress_bar.ts";
import { counted, shownBytes } from "../shown.ts";
import { type Output, styled } from "./terminal.ts";

/** Faults that a terminal shows; all of them are in the JSON. */
const FAULTS_SHOWN = 20;

const EMPTY_HEAD: ChainHead = { archives: 0, manifestSha256: null, seq: null, hash: null };

interface VerifyCommandOptions extends LogOptions {
  readonly anchor: ChainHead | undefined;
}

/** The command. */
export const verifyCommand: Parser<"sync", Run, unknown> = command(
  "verify",
  map(
    merge(
      object({
        anchor: optional(option("--anchor", valueOf("JSON", parseAnchor, EMPTY_HEAD), {
          description:
            message`What scout head printed earlier: all that was in the log then has to be in it still`,
        })),
      }),
      logOptions,
    ),
    (options): Run => (output) => runVerify(options, output),
  ),
  {
    brief: message`Whether somebody has changed the log; exit code 1 if so`,
    description:
      message`Checks the digest and the figures of every archive, the chain of the manifest, and that of the lines in a log with the chain option, and names the file and the line of whatever is wrong.`,
    footer: message`Example: scout verify --anchor "$(cat head.json)"`,
  },
);

function parseAnchor(text: string): ChainHead {
  try {
    return checkedAnchor(JSON.parse(text));
  } catch (cause) {
    throw new TypeError("not what scout head prints", { cause });
  }
}

async function runVerify(options: VerifyCommandOptions, output: Output): Promise<number> {
  const { anchor, json } = options;
  const { path, report } = await withLog(options, async (reader) => {
    using progress = new Progress();
    const onProgress = progress.show;
    const anchored = anchor === undefined ? {} : { anchor };
    return { path: reader.path, report: await reader.verify({ onProgress, ...anchored }) };
  });
  if (json) output.line(JSON.stringify(report));
  else for (const line of reportLines(report, dirname(path))) output.line(line);
  await output.flush();
  return report.ok ? 0 : 1;
}

function* reportLines(report: VerifyReport, directory: string): Generator<string> {
  const { ok, archives, lines, bytes, faults, notShown } = report;
  const read = `${counted(archives, "archive")}, ${counted(lines, "line")}, ${shownBytes(bytes)}`;
  yield ok
    ? `${styled("bold", "ok       ")}  nothing was found in ${read}`
    : `${styled("yellow", "not ok   ")}  ${counted(faults.length, "fault")} in ${read}`;
  for (const fault of faults.slice(0, FAULTS_SHOWN)) {
    yield `${styled("yellow", "fault    ")}  ${shownFault(fault, directory)}`;
  }
  if (faults.length > FAULTS_SHOWN) {
    yield `           and ${faults.length - FAULTS_SHOWN} more: --json lists them`;
  }
  for (const sentence of notShown) yield `${styled("dim", "not shown")}  ${sentence}`;
}

function shownFault({ path, line, byteOffset, reason }: VerifyFault, directory: string): string {
  const place = [relative(directory, path)];
  if (line !== undefined) place.push(`line ${line}`);
  if (byteOffset !== undefined) place.push(`byte ${byteOffset}`);
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
