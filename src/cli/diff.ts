/**
 * `scout diff`: compares two logs, or two sessions or time ranges of a log.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { map, multiple, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { AuditReader } from "../audit_reader.ts";
import { compareStats, type StatsComparison } from "../stats/compare_stats.ts";
import { type Stats, stats } from "../stats/stats.ts";
import type { Condition } from "./conditions.ts";
import { type Run, withLog } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { parseRange, type Source, type SourceOptions, sourcesOf } from "./diff_sources.ts";
import { diffLines } from "./diff_table.ts";
import {
  decide,
  decisionMessage,
  type FailCondition,
  FIGURE_WORDS,
  needsOutcome,
  parseFailCondition,
} from "./fail_condition.ts";
import { cutMiddle } from "./fit.ts";
import { tellMissingFields, tellMissingOutcomes } from "./groups.ts";
import { tellLeftOut, tellRemoved, untimedEvents } from "./left_out.ts";
import { tell } from "./messages.ts";
import { nothingFoundIn } from "./nothing_found.ts";
import {
  condition,
  type ReadingOptions,
  summingOptions,
  timeOptions,
  valueOf,
  whereOption,
} from "./options.ts";
import { columns, type Output } from "./terminal.ts";

interface DiffCommandOptions extends ReadingOptions, SourceOptions {
  readonly by: string | undefined;
  readonly outcome: Condition | undefined;
  readonly failIf: readonly FailCondition[];
}

/** The readers of the two sources A and B. If A and B are parts of the same log, both readers are the same object. */
type Readers = readonly [a: AuditReader, b: AuditReader];

const DEFAULT_BY = "model";
const range = valueOf("FROM..TO", parseRange, { since: undefined, until: undefined });
const field = valueOf("FIELD", parseField, DEFAULT_BY);
const failCondition = valueOf("CONDITION", parseFailCondition, parseFailCondition("cost>+10%"));

function parseField(name: string): string {
  if (name === "" || name.includes(",")) {
    throw new RangeError("not the name of one field; use model, agent or day");
  }
  return name;
}

/** The `scout diff` command. */
export const diffCommand: Parser<"sync", Run, unknown> = command(
  "diff",
  map(
    merge(
      summingOptions,
      object("Sources", {
        other: optional(argument(string({ metavar: "OTHER" }), {
          description: message`The second log, B, if LOG is the first log, A`,
        })),
        session: multiple(option("--session", string({ metavar: "ID" }), {
          description: message`Instead of OTHER: a session of LOG; use it twice, for A and for B`,
        })),
        range: multiple(option("--range", range, {
          description:
            message`Instead of OTHER: a time range of LOG, such as yesterday..today or 3h..; use it twice`,
        })),
        where: whereOption,
      }),
      timeOptions,
      object("Comparison", {
        by: optional(option("--by", field, {
          description:
            message`Group by this field, or by session, hour or day, and show a table of the groups; default model, without the table`,
        })),
        outcome: optional(option("--outcome", condition, {
          description:
            message`Count the events that meet this condition as outcomes, such as event=done`,
        })),
        failIf: multiple(option("--fail-if", failCondition, {
          description:
            message`Exit with 1 if the condition holds, or cannot be decided; repeat for more conditions`,
        })),
      }),
    ),
    (options): Run => (output) => runDiff(options, output),
  ),
  {
    brief: message`Compares two logs, sessions or time ranges`,
    description:
      message`Compares A and B: calls, errors, durations, tokens and costs, and the models and failure reasons that are new or gone. A difference whose 95 % interval leaves out 0 is marked; without any real change, about one of twenty is marked by chance. A CONDITION is a figure, > or <, and a number: +10% is the change of B relative to A, +0.5 is the difference, and 0.5 is the value of B. Figures: ${
        text(FIGURE_WORDS.join(", "))
      }. Costs are in USD, durations in ms, and rates in percent. Exits with 1 if a condition of --fail-if holds or cannot be decided, or a log is missing.`,
    footer: message`Example: scout diff logs/before logs/after --fail-if ${"cost>+10%"}`,
  },
);

async function runDiff(options: DiffCommandOptions, output: Output): Promise<number> {
  const { json, timeZone, by = DEFAULT_BY, outcome, failIf } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const sources = sourcesOf(options, now);
  checkOutcome(options);
  return await withReaders(options, async (readers) => {
    const [a, b] = [
      await statsOf(readers[0], sources[0], { by, timeZone, outcome }),
      await statsOf(readers[1], sources[1], { by, timeZone, outcome }),
    ];
    const comparison = compareStats(a, b);
    const decisions = failIf.map((condition) => decide(condition, comparison.figures));
    if (json) {
      output.json({ ...jsonSources(readers, sources), ...comparison, conditions: decisions });
    } else {
      for (const line of textLines(comparison, options, { readers, sources })) output.line(line);
    }
    await flushed(output);
    for (const [n, stats] of [a, b].entries()) {
      await tellGaps({ name: "AB"[n]!, reader: readers[n]!, source: sources[n]!, stats, now });
    }
    tellIncomplete(comparison);
    if (options.by !== undefined) tellMissingFields([by], [...a.groups, ...b.groups]);
    tellMissingOutcomes(outcome, [a, b]);
    for (const decision of decisions.map(decisionMessage)) if (decision !== null) tell(decision);
    return decisions.some(({ holds }) => holds !== false) ? 1 : 0;
  });
}

function checkOutcome({ outcome, failIf }: DiffCommandOptions): void {
  const needing = outcome === undefined ? failIf.find(needsOutcome) : undefined;
  if (needing === undefined) return;
  throw new CommandError(
    `Cannot compare: the figure ${needing.figure} needs --outcome, such as --outcome event=done`,
    2,
  );
}

/** Opens the log or the two logs that are compared, and calls `work` with a reader for A and a reader for B. */
function withReaders<T>(
  options: DiffCommandOptions,
  work: (readers: Readers) => Promise<T>,
): Promise<T> {
  const { other } = options;
  return withLog(
    options,
    (a) =>
      other === undefined
        ? work([a, a])
        : withLog({ ...options, file: other, path: undefined }, (b) => work([a, b])),
  );
}

function statsOf(
  reader: AuditReader,
  { query }: Source,
  { by, timeZone, outcome }: {
    readonly by: string;
    readonly timeZone: string;
    readonly outcome: Condition | undefined;
  },
): Promise<Stats> {
  return stats(reader, {
    ...query,
    by,
    timeZone,
    ...outcome === undefined ? {} : { outcome: outcome.isMetBy },
  });
}

function jsonSources(readers: Readers, sources: readonly Source[]) {
  const [a, b] = sources.map(({ question: { session, since, until } }, n) => ({
    log: readers[n]!.path,
    session: session ?? null,
    since: since?.toString() ?? null,
    until: until?.toString() ?? null,
  }));
  return { a, b };
}

function textLines(
  comparison: StatsComparison,
  { by, outcome, timeZone }: DiffCommandOptions,
  { readers, sources }: { readonly readers: Readers; readonly sources: readonly Source[] },
): string[] {
  const format = {
    hasOutcomes: outcome !== undefined,
    hasGroups: by !== undefined,
    timeZone,
    columns: columns(),
  };
  return [...headLines(readers, sources), ...diffLines(comparison, format)];
}

/**
 * Returns the first two lines of the output, which name A and B. If A and B are two logs, the lines have their paths;
 * if they are parts of one log, only the parts.
 */
function headLines([a, b]: Readers, sources: readonly Source[]): string[] {
  return [a, b].map(({ path }, n) => {
    const { part } = sources[n]!;
    const shown = a === b ? [part ?? "all events"] : [path, part];
    return cutMiddle(`${"AB"[n]}: ${shown.filter((each) => each !== null).join(", ")}`, columns());
  });
}

/** Writes the output, even if no process reads it any more. */
async function flushed(output: Output): Promise<void> {
  try {
    await output.flush();
  } catch (error) {
    // If the process that reads standard output has closed it, as `| head` does, the command continues. The conditions
    // of --fail-if must still be reported, and must still decide the exit code.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Reports on standard error which events the statistics of a source (A or B) do not include. */
async function tellGaps({ name, reader, source, stats, now }: {
  readonly name: string;
  readonly reader: AuditReader;
  readonly source: Source;
  readonly stats: Stats;
  readonly now: Temporal.ZonedDateTime;
}): Promise<void> {
  const { since, until } = source.question;
  const { timeZoneId: timeZone } = now;
  await tellRemoved(reader, { beginning: `${name} leaves out`, since, timeZone });
  const untimed = since === undefined && until === undefined ? 0 : await untimedEvents(reader);
  tellLeftOut({ untimed, badCosts: stats.badCosts, source: name });
  if (stats.total.events > 0) return;
  tell(`${name}: ${await nothingFoundIn(reader, source.question, now)}`);
}

/**
 * Reports on standard error if the lists of new and gone groups or failure reasons may contain too many items, because
 * A or B has more than can be counted.
 */
function tellIncomplete({ areGroupsComplete, areFailuresComplete }: StatsComparison): void {
  const lists = [
    ...areGroupsComplete ? [] : ["groups"],
    ...areFailuresComplete ? [] : ["failure reasons"],
  ];
  if (lists.length === 0) return;
  tell(
    `A or B has too many ${
      lists.join(" and ")
    } to list; some that are shown as new or gone may be in both`,
  );
}
