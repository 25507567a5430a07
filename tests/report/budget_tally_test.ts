import { type AuditEvent, AuditLog, AuditReader, BudgetError } from "@vivarium/scout";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { renderReport } from "@vivarium/scout/report";
import { BudgetTally } from "../../src/report/budget_tally.ts";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

const START = Date.UTC(2026, 1, 13, 14);
const MINUTE_MS = 60_000;

/** Returns the texts in the cells of the budgets table of a page, row by row. */
function budgetRows(page: string): string[][] {
  const [, section = ""] = /<div class="scroll" id="budgets"[^>]*>(.*?)<\/div>/s.exec(page) ?? [];
  return section.split("<tr>").slice(2).map((row) =>
    row.split(/<\/t[hd]>/).slice(0, -1).map((cell) => cell.replaceAll(/<[^>]*>/g, "").trim())
  );
}

Deno.test("renderReport() shows the budgets at the end of its time range, and counts the holds and refusals within the range", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  let nowMs = START;
  {
    await using log = await AuditLog.open({ path, now: () => nowMs, logger: silent });
    const run = await log.budget({ name: "run", limit: { usd: 1 }, hours: 1 });
    const calls = await log.budget({ name: "calls", limit: { calls: 5 } });
    await (await run.hold({ usd: 0.25, and: [calls] })).settle("llm_call", { cost: 0.125 });
    nowMs += 30 * MINUTE_MS;
    await log.rotate();
    await run.hold({ usd: 0.5 });
    await assertRejects(() => run.hold({ usd: 0.75 }), BudgetError);
    nowMs += 10 * MINUTE_MS;
    await (await run.hold({ usd: 0.25 })).settle("llm_call", { cost: 1 });
  }
  await using reader = await AuditReader.open(path);
  const calls = ["calls", "since 2026-02-13 14:00", "5 calls", "2 calls", "0 calls", "0 calls"];
  const rows = [
    [...calls, "3 calls", "1", "0"],
    ["run", "1 h", "$1.00", "$1.13", "$0.50", "$0.00", "over by $0.625", "3", "1"],
  ];
  assertEquals(budgetRows(await renderReport(reader)), rows);
  assertEquals(budgetRows(await renderReport(reader.query())), rows);
  const later = [
    [...calls, "3 calls", "0", "0"],
    ["run", "1 h", "$1.00", "$1.13", "$0.50", "$0.00", "over by $0.625", "1", "0"],
  ];
  const since = START + 35 * MINUTE_MS;
  assertEquals(budgetRows(await renderReport(reader, { since })), later);
  assertEquals(budgetRows(await renderReport(reader.query(), { since })), later);
  const earlier = await renderReport(reader, { until: START + 20 * MINUTE_MS });
  assertEquals(budgetRows(earlier)[1], [
    ...["run", "1 h", "$1.00", "$0.125", "$0.00", "$0.00", "$0.875", "1", "0"],
  ]);
  const empty = await renderReport(ReadableStream.from<AuditEvent>([]));
  assertStringIncludes(empty, "No shared budgets: the log has none");
});

Deno.test("BudgetTally distinguishes budgets with the same name in events of different logs", async () => {
  using dir = tempDir();
  const tally = new BudgetTally();
  for (const name of ["b", "a"]) {
    await using log = await AuditLog.open({ path: dir.path(`${name}.jsonl`), logger: silent });
    const run = await log.budget({ name: "run", limit: { usd: 1 }, hours: 1 });
    await run.hold({ usd: name === "a" ? 0.25 : 0.75 });
    for await (const event of log.query()) tally.add({ ...event, scout_log: name }, true);
  }
  const figures = tally.figures(Date.now()).map(({ log, held, granted }) => [log, held, granted]);
  assertEquals(figures, [["a", 0.25, 1], ["b", 0.75, 1]]);
});

Deno.test("renderReport() shows the state of the budgets even if the time range of the report begins after the last event", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, now: () => START, logger: silent });
  const run = await log.budget({ name: "run", limit: { usd: 1 }, hours: 1 });
  const hold = await run.hold({ usd: 0.25 });
  await hold.settle("llm_call", { cost: 0.125, ...{ scout_log: "of the user" } });
  const spent = async (options: { since?: number } = {}) =>
    budgetRows(await renderReport(log, options))[0]!.slice(3, 5);
  assertEquals(await spent(), ["$0.125", "$0.00"]);
  assertEquals(await spent({ since: START + 30 * MINUTE_MS }), ["$0.125", "$0.00"]);
  assertEquals(await spent({ since: START + 90 * MINUTE_MS }), ["$0.00", "$0.00"]);
});
