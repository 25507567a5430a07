#!/usr/bin/env -S deno run --allow-read
/**
 * Prints a report on a log that the Python class `vivarium.scout.audit.AuditLog` wrote.
 *
 *     examples/python_report.ts DIR
 *
 * Such a log has archives without a manifest, and its costs may be `NaN`. The log is read in place: nothing is
 * converted or written.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";
import { runCommand } from "./command_line.ts";
import { bar, printTable, usd } from "./table.ts";

/** The number and total cost, in USD, of a group of events. */
interface Sum {
  events: number;
  cost: number;
}

async function report(dir: string): Promise<void> {
  await using reader = await AuditReader.open(`${dir}/audit.jsonl`);
  const total: Sum = { events: 0, cost: 0 };
  const byType = new Map<string, Sum>();
  const byHour = new Map<string, Sum>();
  let withoutNumber = 0;
  const query = reader.query();
  for await (const { event = "?", ts = "", cost } of query) {
    // Python's NaN and Infinity are read as null: the event had a cost, but the amount is unknown.
    if (cost === null) withoutNumber++;
    for (const sum of [total, sumOf(byType, event), sumOf(byHour, `${ts.slice(0, 13)}:00Z`)]) {
      sum.events++;
      sum.cost += cost ?? 0;
    }
  }
  if (total.events === 0) throw new Deno.errors.NotFound(`Cannot report: no events in ${dir}`);
  const accuracy = await reader.accuracyMetrics(0);
  const gate = await reader.gateMetrics();

  printTable("The log", [
    ["events", `${total.events}`],
    ["spend", usd(total.cost)],
    ["costs that are not numbers", `${withoutNumber}`],
    ["damaged regions", `${query.damage.length}`],
    ["accuracy", `${accuracy.accuracyPct} % of ${accuracy.totalNav} navs`],
    ["gate", `${gate.passRatePct} % of ${gate.total} passed`],
  ]);
  printTable("By type", rows([...byType].sort(([, a], [, b]) => b.events - a.events)));
  printTable("By hour", rows([...byHour].sort(([a], [b]) => a < b ? -1 : 1)));
}

function sumOf(sums: Map<string, Sum>, key: string): Sum {
  const sum = sums.get(key) ?? { events: 0, cost: 0 };
  sums.set(key, sum);
  return sum;
}

function rows(sums: readonly [string, Sum][]): string[][] {
  const highest = Math.max(...sums.map(([, { cost }]) => cost));
  return sums.map(([key, { events, cost }]) => [
    key,
    `${events} events`,
    usd(cost),
    bar(cost, highest),
  ]);
}

function parseReportArgs([dir, ...others]: string[]): string {
  if (dir === undefined || others.length > 0) throw new TypeError("Usage: python_report.ts DIR");
  return dir;
}

Deno.exitCode = await runCommand(parseReportArgs, report);
