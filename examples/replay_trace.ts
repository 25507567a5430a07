#!/usr/bin/env -S deno run --allow-read --allow-write=.demo
/**
 * Replays a trace of LLM requests: logs one `nav` event for each row, with the row's time and its cost.
 *
 *     examples/replay_trace.ts FILE [--input-price USD] [--output-price USD]
 *
 * The file is CSV with the columns TIMESTAMP (UTC), ContextTokens and GeneratedTokens. Prices are in USD per
 * million tokens.
 *
 * @module
 */
import { emptyDir } from "@std/fs";
import { TextLineStream } from "@std/streams";
import { parseArgs } from "node:util";
import { AuditLog } from "@vivarium/scout";
import type { ModelPrices } from "@vivarium/scout/llm";
import { numberOption, runCommand } from "./command_line.ts";
import { costUsd, PRICES } from "./prices.ts";
import { bar, printTable, usd } from "./table.ts";

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";
const AWAIT_EVERY = 1_000;
const USAGE = "Usage: replay_trace.ts FILE [--input-price USD] [--output-price USD]";

/** Options of {@linkcode replayTrace}. */
export interface ReplayOptions {
  /** Path of the CSV file. */
  tracePath: string;
  /** Directory of the log. Its contents are deleted first. */
  dir: string;
  /** Prices of the model that served the requests. */
  prices: ModelPrices;
}

interface TraceRow {
  epochMs: number;
  inputTokens: number;
  outputTokens: number;
}

/**
 * Logs every request of the trace, then prints the total cost and the cost of each hour.
 *
 * @throws {SyntaxError} If a line is malformed; the message names the line. The rows before that line are logged.
 */
export async function replayTrace({ tracePath, dir, prices }: ReplayOptions): Promise<void> {
  await emptyDir(dir);
  let nowMs = 0;
  await using log = await AuditLog.open({ path: `${dir}/audit.jsonl`, now: () => nowMs });
  let requests = 0;
  let latestMs = 0;
  for await (const { epochMs, inputTokens, outputTokens } of readTrace(tracePath)) {
    nowMs = epochMs;
    latestMs = Math.max(latestMs, epochMs);
    const logged = log.log("nav", {
      model: "traced",
      input_t: inputTokens,
      output_t: outputTokens,
      cost: costUsd(prices, inputTokens, outputTokens),
    });
    // This await slows reading down to the speed of the log. Without it, the file would be read much faster than the
    // log is written, but no event would be lost.
    if (++requests % AWAIT_EVERY === 0) await logged;
  }
  await log.flush();
  nowMs = latestMs;
  await printReport(log);
}

async function* readTrace(path: string): AsyncGenerator<TraceRow> {
  const file = await Deno.open(path);
  const { size } = await file.stat();
  const progress = new ProgressBar(size);
  const lines = file.readable
    .pipeThrough(progress.counter)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  let lineNumber = 0;
  for await (const line of lines) {
    lineNumber++;
    if (lineNumber === 1) checkHeader(line);
    else if (line !== "") yield parseRow(line, lineNumber);
  }
  if (lineNumber === 0) checkHeader("");
  progress.finish();
}

function checkHeader(line: string): void {
  if (line.replace(/^\uFEFF/, "") === HEADER) return;
  throw new SyntaxError(
    `Cannot read trace: line 1 must be "${HEADER}", got ${JSON.stringify(line)}`,
  );
}

function parseRow(line: string, lineNumber: number): TraceRow {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?),(\d+),(\d+)$/.exec(line);
  const epochMs = match === null ? NaN : epochMsOf(match[1]!, match[2]!);
  const inputTokens = Number(match?.[3]);
  const outputTokens = Number(match?.[4]);
  if (
    Number.isNaN(epochMs) || !Number.isSafeInteger(inputTokens) ||
    !Number.isSafeInteger(outputTokens)
  ) {
    throw new SyntaxError(
      `Cannot read trace: line ${lineNumber} is not "time,tokens,tokens", got ${
        JSON.stringify(line)
      }`,
    );
  }
  return { epochMs, inputTokens, outputTokens };
}

/**
 * Returns epoch milliseconds, or NaN if the text is not a time or the day does not exist. `Date.parse` alone does not
 * detect such a day: it turns 30 February into 2 March.
 */
function epochMsOf(day: string, time: string): number {
  const epochMs = Date.parse(`${day}T${time}Z`);
  if (Number.isNaN(epochMs)) return NaN;
  return new Date(epochMs).toISOString().startsWith(day) ? epochMs : NaN;
}

/** A progress bar on standard error, drawn only on a terminal. */
class ProgressBar {
  /** A stream that passes chunks through and counts their bytes. */
  readonly counter: TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>;
  readonly #isShown = Deno.stderr.isTerminal();

  constructor(totalBytes: number) {
    let bytes = 0;
    this.counter = new TransformStream({
      transform: (chunk, controller) => {
        controller.enqueue(chunk);
        bytes += chunk.byteLength;
        this.#draw(`${bar(bytes, totalBytes)} ${Math.round(100 * bytes / totalBytes)} %`);
      },
    });
  }

  finish(): void {
    this.#draw("\x1b[K");
  }

  #draw(text: string): void {
    if (this.#isShown) Deno.stderr.writeSync(new TextEncoder().encode(`\r${text}`));
  }
}

async function printReport(log: AuditLog): Promise<void> {
  const hours = new Map<string, { requests: number; cost: number }>();
  let requests = 0;
  let inputTokens = 0;
  let outputTokens = 0;
  for await (const { ts = "", input_t, output_t, cost } of log.query({ eventType: "nav" })) {
    requests++;
    inputTokens += input_t ?? 0;
    outputTokens += output_t ?? 0;
    const name = `${ts.slice(0, 13)}:00Z`;
    const hour = hours.get(name) ?? { requests: 0, cost: 0 };
    hours.set(name, { requests: hour.requests + 1, cost: hour.cost + (cost ?? 0) });
  }
  // The log's clock now returns the time of the latest request. So a sum up to now includes every row, even if the rows
  // are not sorted by time.
  const spend = await log.hourlySpend(Infinity);
  const { accuracyPct, totalNav } = await log.accuracyMetrics(0);
  const highest = Math.max(...[...hours.values()].map(({ cost }) => cost));

  printTable("The trace", [
    ["requests", `${requests}`],
    ["input tokens", `${inputTokens}`],
    ["output tokens", `${outputTokens}`],
    ["spend", usd(spend)],
    ["accuracy", `${accuracyPct} % of ${totalNav} navs`],
  ]);
  printTable(
    "Spend by hour",
    [...hours].sort(([a], [b]) => a < b ? -1 : 1).map(([name, { requests, cost }]) => [
      name,
      `${requests} requests`,
      usd(cost),
      bar(cost, highest),
    ]),
  );
  console.log(`\nThe log: ${log.path}`);
}

function parseReplayArgs(args: string[]): ReplayOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      "input-price": {
        type: "string",
        default: `${perMillion(PRICES.large.input_cost_per_token)}`,
      },
      "output-price": {
        type: "string",
        default: `${perMillion(PRICES.large.output_cost_per_token)}`,
      },
    },
  });
  const [tracePath, ...others] = positionals;
  if (tracePath === undefined || others.length > 0) throw new TypeError(USAGE);
  const prices = {
    input_cost_per_token: numberOption("input-price", values["input-price"], 0) / 1e6,
    output_cost_per_token: numberOption("output-price", values["output-price"], 0) / 1e6,
  };
  return { tracePath, dir: ".demo/trace", prices };
}

/** Returns a price per token as a price per million tokens. */
function perMillion(price: number | undefined): number {
  return Number((price! * 1e6).toPrecision(12));
}

if (import.meta.main) Deno.exitCode = await runCommand(parseReplayArgs, replayTrace);
