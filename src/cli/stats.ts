/**
 * `scout stats`: shows how often calls failed, how long they took, and what they cost, by any field.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { counted, shownDuration, shownNumber, shownSince } from "../shown.ts";
import type { CallFigures, QuantileFigure } from "../stats/call_figures.ts";
import type { FailureReason } from "../rollup/failure_reasons.ts";
import { groupLabel } from "../stats/group_key.ts";
import { type Stats, stats } from "../stats/stats.ts";
import { type BarRow, barTable } from "./bar_table.ts";
import { type Run, withLog } from "./command.ts";
import type { Condition } from "./conditions.ts";
import { wrapped } from "./fit.ts";
import {
  alignedUsd,
  byOption,
  OTHERS_LABEL,
  tellMissingFields,
  tellMissingOutcomes,
  TOTAL_LABEL,
} from "./groups.ts";
import { tellLeftOut, tellRemoved, untimedEvents } from "./left_out.ts";
import { tellNothingFound } from "./nothing_found.ts";
import {
  condition,
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  questionOf,
  type ReadingOptions,
  summingOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { columns, type Output, styled } from "./terminal.ts";
import { defaultSince } from "./when.ts";

interface StatsCommandOptions extends ReadingOptions, FieldOptions, TimeOptions {
  readonly by: readonly string[];
  readonly outcome: Condition | undefined;
}

/** Minimum number of calls. With fewer, a rate or a quantile of their durations says too little and is not shown. */
const FEW = 20;

/** The `scout stats` command. */
export const statsCommand: Parser<"sync", Run, unknown> = command(
  "stats",
  map(
    merge(
      object({
        by: withDefault(byOption, ["event"]),
        outcome: optional(option("--outcome", condition, {
          description:
            message`Count the events that meet this condition as outcomes, such as event=done, and show the cost of one`,
        })),
      }),
      fieldOptions,
      timeOptions,
      summingOptions,
    ),
    (options): Run => (output) => runStats(options, output),
  ),
  {
    brief: message`Shows errors, durations, tokens and costs by any field`,
    description:
      message`Sums up the calls of the last 24 hours (with --by day, 30 days), or since --since. A call is an event with a status, a duration, a cost or tokens, or an event validation_fail. A call failed if its status is error, or if it is a validation_fail. Failures are grouped by reason, with <n> for numbers and <id> for IDs. Below ${
        shownNumber(FEW)
      } calls, rates and quantiles say too little and are not shown. Quantiles are within 1 %; with --json they have their 95 % intervals.`,
    footer: message`Example: scout stats logs --by agent,model --outcome event=done --since 2w`,
  },
);

const TOO_FEW = "too few";
const MISSING = "-";
/** Maximum number of failure reasons to show. With `--json`, all reasons are printed. */
const REASONS_SHOWN_MAX = 10;

async function runStats(options: StatsCommandOptions, output: Output): Promise<number> {
  const { by, outcome, timeZone } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const selection = { ...options, since: options.since ?? defaultSince(options.by) };
  const since = selection.since(now);
  await withLog(options, async (reader) => {
    await tellRemoved(reader, { beginning: "the figures leave out", since, timeZone });
    const untimed = await untimedEvents(reader);
    const found = await stats(reader, {
      ...optionsToQuery(selection, now),
      by,
      timeZone,
      ...outcome === undefined ? {} : { outcome: outcome.isMetBy },
    });
    if (options.json) output.json({ since: since.toString(), ...found });
    else {
      const { events, calls } = found.total;
      const head = `${counted(calls, "call")} in ${counted(events, "event")} since ${
        shownSince(since, timeZone)
      }`;
      for (const line of wrapped(head, columns())) output.line(line);
      for (const line of statsLines(found, columns())) output.line(line);
    }
    await output.flush();
    tellLeftOut({ untimed, badCosts: found.badCosts });
    tellMissingFields(by, found.groups);
    tellMissingOutcomes(outcome, [found]);
    if (found.total.events > 0) return;
    await tellNothingFound(reader, { ...questionOf(options, now), since }, now);
  });
  return 0;
}

/** The figures of a group of calls, or of all calls, with the text that names the group. */
interface LabelledFigures {
  readonly label: string;
  readonly figures: CallFigures;
}

/** Returns the statistics as lines that are at most `columns` wide. A dash means that nothing was measured. */
export function statsLines(stats: Stats, columns: number): string[] {
  const groups = labelled(stats);
  const name = stats.by.join(", ");
  const tables = [durationTable, tokenTable, costTable]
    .map((table) => table(name, groups, columns))
    .filter((lines) => lines.length > 0);
  const sections = [...tables, failureLines(stats.failures, columns)];
  return sections.filter((lines) => lines.length > 0).flatMap((lines) => ["", ...lines]);
}

function labelled({ groups, others, total }: Stats): LabelledFigures[] {
  return [
    ...groups.filter(({ calls, outcomes }) => calls > 0 || outcomes > 0)
      .map(({ key, ...figures }) => ({ label: groupLabel(key), figures })),
    ...others === null ? [] : [{ label: OTHERS_LABEL, figures: others }],
    ...groups.length === 1 && others === null ? [] : [{ label: TOTAL_LABEL, figures: total }],
  ].filter(({ figures }) => figures.calls > 0 || figures.outcomes > 0);
}

function durationTable(
  name: string,
  groups: readonly LabelledFigures[],
  columns: number,
): string[] {
  return tableOf(groups, {
    header: [name, "calls", "errors", "timed", "p50", "p95", "p99"],
    columns,
    isShown: () => true,
    valueOf: () => 0,
    cellsOf: ({ calls, errorPct, duration }) => [
      shownNumber(calls),
      rate(errorPct, calls),
      duration === null ? MISSING : shownNumber(duration.n),
      ...([duration?.p50, duration?.p95, duration?.p99].map((quantile) =>
        quantileText(quantile, duration?.n ?? 0)
      )),
    ],
  });
}

function tokenTable(name: string, groups: readonly LabelledFigures[], columns: number): string[] {
  return tableOf(groups, {
    header: [name, "calls with tokens", "in", "out", "out/s", "cache hits"],
    columns,
    isShown: ({ inputCalls, outputTokens }) => inputCalls > 0 || outputTokens > 0,
    valueOf: () => 0,
    cellsOf: ({ inputCalls, inputTokens, outputTokens, tokensPerSecond, cacheHitPct }) => [
      shownNumber(inputCalls),
      shownNumber(inputTokens),
      shownNumber(outputTokens),
      tokensPerSecond === null ? MISSING : shownNumber(Number(tokensPerSecond.toPrecision(3))),
      rate(cacheHitPct, inputCalls),
    ],
  });
}

function costTable(name: string, groups: readonly LabelledFigures[], columns: number): string[] {
  const isShown = ({ cost, outcomes }: CallFigures) => cost !== null || outcomes > 0;
  const all = groups.map(({ figures }) => figures).filter(isShown);
  const hasOutcomes = all.some(({ outcomes }) => outcomes > 0);
  const usd = usdCells(all.map(({ cost, usd }) => cost === null ? null : usd));
  const perCall = usdCells(all.map(({ cost }) => cost?.mean ?? null));
  const perOutcome = usdCells(all.map(({ usdPerOutcome }) => usdPerOutcome));
  return tableOf(groups, {
    header: [
      name,
      "calls with a cost",
      "USD",
      "USD/call",
      ...hasOutcomes ? ["outcomes", "USD/outcome"] : [],
    ],
    columns,
    isShown,
    valueOf: ({ usd }) => usd,
    cellsOf: ({ cost, outcomes }, n) => [
      shownNumber(cost?.n ?? 0),
      usd[n]!,
      perCall[n]!,
      ...hasOutcomes ? [shownNumber(outcomes), cost === null ? MISSING : perOutcome[n]!] : [],
    ],
  });
}

/** Returns the cells of a column of amounts in USD, with a dash where an amount is missing. */
function usdCells(amounts: readonly (number | null)[]): string[] {
  const shown = alignedUsd(amounts.filter((amount) => amount !== null));
  return amounts.map((amount) => amount === null ? MISSING : shown.shift()!);
}

/**
 * Returns a table with a row for each group that has the figures of the table. Returns no lines if no group has these
 * figures.
 */
function tableOf(
  groups: readonly LabelledFigures[],
  { header, columns, isShown, valueOf, cellsOf }: {
    readonly header: readonly string[];
    readonly columns: number;
    readonly isShown: (figures: CallFigures) => boolean;
    readonly valueOf: (figures: CallFigures) => number;
    readonly cellsOf: (figures: CallFigures, n: number) => string[];
  },
): string[] {
  const shown = groups.filter(({ figures }) => isShown(figures));
  const rows = shown.map(({ label, figures }, n): BarRow => ({
    label,
    // The row of the total gets no bar, because its bar would make all other bars too short to compare.
    value: label === TOTAL_LABEL ? 0 : valueOf(figures),
    cells: cellsOf(figures, n),
  }));
  return barTable(rows, { header, columns });
}

function rate(pct: number | null, n: number): string {
  if (pct === null) return MISSING;
  return n < FEW ? TOO_FEW : `${pct.toFixed(1)} %`;
}

function quantileText(quantile: QuantileFigure | undefined, n: number): string {
  if (quantile === undefined) return MISSING;
  return n < FEW ? TOO_FEW : shownDuration(quantile.value);
}

function failureLines(failures: readonly FailureReason[], columns: number): string[] {
  if (failures.length === 0) return [];
  const total = failures.reduce((sum, { count }) => sum + count, 0);
  const width = Math.max(...failures.map(({ count }) => shownNumber(count).length));
  const indent = width + GAP.length;
  const shown = failures.slice(0, REASONS_SHOWN_MAX).flatMap(({ reason, count, example }) => {
    const texts = [
      ...wrapped(reason, columns - indent),
      ...example.text === reason
        ? []
        : wrapped(`such as: ${example.text}`, columns - indent).map((line) => styled("dim", line)),
    ];
    return texts.map((line, n) =>
      `${(n === 0 ? shownNumber(count) : "").padStart(width)}${GAP}${line}`
    );
  });
  const left = failures.length - REASONS_SHOWN_MAX;
  return [
    styled("bold", `${counted(total, "failure")} by reason`),
    ...shown,
    ...left > 0 ? [`and ${counted(left, "more reason")}; all with --json`] : [],
  ];
}

const GAP = "  ";
