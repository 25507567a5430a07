/**
 * `scout metrics`: how accurate the navigation was, and what the gate let pass.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import type { AccuracyMetrics } from "../metrics/accuracy.ts";
import type { GateMetrics } from "../metrics/gate.ts";
import { type Run, withLog } from "./command.ts";
import { type ReadingOptions, readingOptions, sinceOption } from "./options.ts";
import { shownSince } from "../shown.ts";
import { type Output, styled } from "./terminal.ts";
import { DAY_AGO, type When } from "./when.ts";

interface MetricsCommandOptions extends ReadingOptions {
  readonly since: When | undefined;
  readonly lastN: number;
}

/** The command. */
export const metricsCommand: Parser<"sync", Run, unknown> = command(
  "metrics",
  map(
    merge(
      object({
        since: sinceOption,
        lastN: withDefault(
          option("--last", integer({ min: 0, metavar: "N" }), {
            description: message`How many of the gate's last decisions to list; default 10`,
          }),
          10,
        ),
      }),
      readingOptions,
    ),
    (options): Run => (output) => runMetrics(options, output),
  ),
  {
    brief: message`How accurate the navigation was, and what the gate let pass`,
    description: message`Counts the events of the last 24 hours, unless --since says otherwise.`,
    footer: message`Example: scout metrics --since yesterday`,
  },
);

async function runMetrics(options: MetricsCommandOptions, output: Output): Promise<number> {
  const { lastN, json, timeZone } = options;
  const since = (options.since ?? DAY_AGO)(Temporal.Now.zonedDateTimeISO(timeZone));
  const [accuracy, gate] = await withLog(options, async (reader) => {
    return [await reader.accuracyMetrics(since), await reader.gateMetrics({ since, lastN })];
  });
  if (json) output.line(JSON.stringify({ since: since.toString(), accuracy, gate }));
  else {
    output.line(`Since ${shownSince(since, timeZone)}`);
    for (const line of [accuracyLine(accuracy), ...gateLines(gate)]) output.line(line);
  }
  await output.flush();
  return 0;
}

function accuracyLine({ accuracyPct, totalNav, validationFailCount }: AccuracyMetrics): string {
  const figure = styled("bold", percent(accuracyPct, 2));
  return `accuracy  ${figure}  ${totalNav} navigations, ${validationFailCount} failed validations`;
}

function* gateLines(gate: GateMetrics): Generator<string> {
  const { passRatePct, passCount, escalateCount, avgConfidence, lastQueries } = gate;
  const figure = styled("bold", percent(passRatePct, 1));
  const confidence = `mean confidence ${avgConfidence.toFixed(2)}`;
  yield `gate      ${figure}  ${passCount} passed, ${escalateCount} escalated, ${confidence}`;
  if (lastQueries.length === 0) return;
  const shown = lastQueries.map(({ outcome, reason }) =>
    outcome === "pass" ? "pass" : styled("yellow", reason ?? "escalate")
  );
  yield `last      ${shown.join(", ")}`;
}

function percent(value: number, digits: number): string {
  return `${value.toFixed(digits)} %`.padStart("100.00 %".length);
}
