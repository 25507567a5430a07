/**
 * `scout metrics`: shows the accuracy of navigation and the decisions of the gate.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import type { AccuracyMetrics } from "../metrics/accuracy.ts";
import type { GateMetrics } from "../metrics/gate.ts";
import { type Run, withLog } from "./command.ts";
import { wrapped } from "./fit.ts";
import { tellLeftOut, untimedEvents } from "./left_out.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { countOf, type ReadingOptions, sinceOption, summingOptions } from "./options.ts";
import { counted, shownNumber, shownSince } from "../shown.ts";
import { columns, type Output, styled } from "./terminal.ts";
import { DAY_AGO, type When } from "./when.ts";

interface MetricsCommandOptions extends ReadingOptions {
  readonly since: When | undefined;
  readonly lastN: number;
}

/** The `scout metrics` command. */
export const metricsCommand: Parser<"sync", Run, unknown> = command(
  "metrics",
  map(
    merge(
      object({
        since: sinceOption,
        lastN: withDefault(
          option("--last", countOf("N", { min: 0 }), {
            description: message`List the last N decisions of the gate; default 10`,
          }),
          10,
        ),
      }),
      summingOptions,
    ),
    (options): Run => (output) => runMetrics(options, output),
  ),
  {
    brief: message`Shows the accuracy of navigation and the decisions of the gate`,
    description: message`Counts the events of the last 24 hours, or since --since.`,
    footer: message`Example: scout metrics logs --since yesterday`,
  },
);

async function runMetrics(options: MetricsCommandOptions, output: Output): Promise<number> {
  const { lastN, json, timeZone } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const since = (options.since ?? DAY_AGO)(now);
  await withLog(options, async (reader) => {
    const accuracy = await reader.accuracyMetrics(since);
    const gate = await reader.gateMetrics({ since, lastN });
    if (json) output.json({ since: since.toString(), accuracy, gate });
    else {
      output.line(`Since ${shownSince(since, timeZone)}`);
      for (const line of metricsLines(accuracy, gate, columns())) output.line(line);
    }
    await output.flush();
    tellLeftOut({ untimed: await untimedEvents(reader) });
    if (accuracy.totalNav + accuracy.validationFailCount + gate.total > 0) return;
    await tellNothingFound(reader, { kind: "events of navigation or the gate", since }, now);
  });
  return 0;
}

const LABEL_WIDTH = "accuracy  ".length;
const FIGURE_WIDTH = "100.00 %".length;
const GAP = "  ";

/** Returns the metrics as lines that are at most `columns` wide. A dash means that nothing was measured. */
export function metricsLines(
  { accuracyPct, totalNav, validationFailCount }: AccuracyMetrics,
  { passRatePct, total, passCount, escalateCount, avgConfidence, lastQueries }: GateMetrics,
  columns: number,
): string[] {
  const confidence = passCount === 0 ? "-" : avgConfidence.toFixed(2);
  const decisions = lastQueries.map(({ outcome, reason }) =>
    outcome === "pass" ? "pass" : reason ?? "escalate"
  );
  return [
    ...row("accuracy", totalNav === 0 ? "-" : `${accuracyPct.toFixed(2)} %`, [
      counted(totalNav, "navigation"),
      `${shownNumber(validationFailCount)} failed`,
    ], columns),
    ...row("gate", total === 0 ? "-" : `${passRatePct.toFixed(1)} %`, [
      `${shownNumber(passCount)} passed`,
      `${shownNumber(escalateCount)} escalated`,
      `mean confidence ${confidence}`,
    ], columns),
    ...decisions.length === 0 ? [] : listed("last", decisions, columns),
  ];
}

/** Returns the lines of one metric: its label, its figure, and its counts, which are wrapped to the columns. */
function row(
  label: string,
  figure: string,
  counts: readonly string[],
  columns: number,
): string[] {
  const indent = LABEL_WIDTH + FIGURE_WIDTH + GAP.length;
  const [first = "", ...others] = wrapped(counts.join(", "), columns - indent);
  const start = label.padEnd(LABEL_WIDTH) + styled("bold", figure.padStart(FIGURE_WIDTH));
  return [`${start}${GAP}${first}`, ...others.map((line) => " ".repeat(indent) + line)];
}

function listed(label: string, decisions: readonly string[], columns: number): string[] {
  return wrapped(decisions.join(", "), columns - LABEL_WIDTH).map((line, n) => {
    const shown = line.replaceAll(
      /[^\s,]+/g,
      (word) => word === "pass" ? word : styled("yellow", word),
    );
    return (n === 0 ? label : "").padEnd(LABEL_WIDTH) + shown;
  });
}
