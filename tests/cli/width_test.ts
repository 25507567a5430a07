import { assert, assertEquals } from "@std/assert";
import stringWidth from "string-width";
import { EventLines, USUAL_WIDTHS } from "../../src/cli/event_line.ts";
import type { LogStatus } from "../../src/cli/log_status.ts";
import { diffLines } from "../../src/cli/diff_table.ts";
import { fleetStatusLines } from "../../src/cli/fleet_status.ts";
import { metricsLines } from "../../src/cli/metrics.ts";
import { spendTable } from "../../src/cli/spend.ts";
import { statsLines } from "../../src/cli/stats.ts";
import { statusLines } from "../../src/cli/status.ts";
import { verifyLines } from "../../src/cli/verify.ts";
import type { AuditEvent } from "../../src/event.ts";
import { stats } from "../../src/stats/stats.ts";
import { compareStats } from "../../src/stats/compare_stats.ts";
import { StatsTally } from "../../src/stats/stats.ts";
import type { VerifyReport } from "../../src/verify/report.ts";
import { UNSAFE } from "./unsafe_text.ts";

const WIDTHS = [50, 80, 120];

/** Texts that can break tables: long or wide texts, terminal commands, and bidirectional controls. */
const TEXTS = [
  "nav",
  "x".repeat(300),
  "模型".repeat(60),
  "\u001b[31mred\u001b[2J\u0007",
  "\u202eevil\u2066\u200f",
  "c1\u009b31m\u0085",
  "\ud800lone",
  "line\nbreak\ttab",
  "👩‍👩‍👧".repeat(50),
  "z".repeat(1_000_000),
];

/** Checks that no line is wider than the columns, and that no line contains an unsafe character. */
function assertFits(lines: readonly string[], columns: number): void {
  assert(lines.length > 0);
  for (const line of lines) {
    assert(stringWidth(line) <= columns, `${stringWidth(line)} > ${columns}: ${line}`);
    assert(!UNSAFE.test(line), JSON.stringify(line));
    assertEquals(line, line.trimEnd());
  }
}

const EVENTS: AuditEvent[] = TEXTS.flatMap((text) => [
  { ts: "2026-02-13T14:00:00.000Z", event: text, cost: 12_345.678, model: text, [text]: text },
  { ts: text, event: "nav", cost: 1e-7, input_t: 123_456, output_t: 7, reason: text },
  { event: "error", session_id: text, error: { message: text }, files: [text] },
]);

const STATUS: LogStatus = {
  path: `/tmp/${"a long/".repeat(20)}audit.jsonl`,
  active: { files: 12_345, bytes: 123_456_789_012, events: 123_456_789 },
  archives: { files: 12_345, bytes: 123_456_789_012, events: 123_456_789 },
  untoldArchives: 12_345,
  prunedUntil: "2026-02-13T14:00:00.000Z",
  shipped: {
    fleets: [0, 12_345].map((files) => ({
      stream: "S".repeat(64),
      fleet: "f".repeat(64),
      log: "l".repeat(64),
      archive: null,
      ts: "2026-02-13T14:00:00.000Z",
      waiting: { files, bytes: 123_456_789_012 },
    })),
    damage: "line 2 is invalid",
  },
  spend: { lastHour: 1e-7, lastDay: 1_234_567.891 },
  costs: { lastHour: 1, lastDay: 12_345 },
  hourly: Array.from({ length: 24 }, (_, n) => n),
  lastEvent: EVENTS[0]!,
  budgets: [{
    budget: "b".repeat(100),
    unit: "tokens",
    limit: 123_456_789_012,
    hours: 0.123_456,
    where: {},
    spent: 123_456_789_012,
    held: 123_456_789_012,
    orphaned: 123_456_789_012,
    left: -246_913_578_024,
    resetsAt: null,
  }],
  leftOut: { untimed: 0, badCosts: 0 },
  damage: {
    archivedLines: 12_345,
    regions: [{ path: "/tmp/audit.jsonl", byteOffset: 1e12, byteLength: 1, reason: "not JSON" }],
  },
};

const REPORT: VerifyReport = {
  ok: false,
  archives: 1_234,
  lines: 1_234_567,
  bytes: 123_456_789,
  faults: TEXTS.map((text) => ({
    path: `/tmp/${text.slice(0, 50)}`,
    line: 123_456,
    byteOffset: 123_456_789,
    reason: text.slice(0, 500),
  })),
  notShown: [
    "a sentence that is longer than the narrow terminals, so that it has to be wrapped to fit",
  ],
};

/** Returns the statistics of calls with any models and reasons, whose amounts are multiplied by a factor. */
function statsOf(factor: number, models: readonly string[]) {
  const tally = new StatsTally({ by: "model", outcome: ({ event }) => event === "llm_call" });
  for (let n = 0; n < 100 * models.length; n++) {
    tally.add({
      event: "llm_call",
      model: models[n % models.length]!,
      cost: factor * (n % 7),
      duration_ms: factor * (n % 11),
      input_t: Math.round(factor * n),
      output_t: Math.round(factor * n),
      cache_read_t: Math.round(factor * n / 3),
      ...n % 9 > 0 ? {} : { status: "error", error: `${models[n % models.length]} ${factor}` },
    });
  }
  return tally.stats();
}

for (const columns of WIDTHS) {
  Deno.test(`scout diff fits ${columns} columns for any amounts, models and reasons`, () => {
    const factors = [0, 1e-9, 0.123_456, 1, 123_456.789, 1e12, 1e300];
    for (const [n, factor] of factors.entries()) {
      const a = statsOf(factor, TEXTS.slice(0, 7));
      for (
        const [otherFactor, models] of [[factors.at(n - 1)!, TEXTS], [
          factor,
          TEXTS.slice(5),
        ]] as const
      ) {
        const comparison = compareStats(a, statsOf(otherFactor, models));
        const format = { hasOutcomes: true, hasGroups: true, timeZone: "UTC", columns };
        assertFits(diffLines(comparison, format).filter((line) => line !== ""), columns);
      }
    }
  });

  Deno.test(`EventLines fits ${columns} columns for events with any content`, () => {
    const lines = new EventLines({
      timeZone: "America/Argentina/Buenos_Aires",
      columns,
      hasHeader: true,
    });
    lines.measure(EVENTS);
    assertFits([lines.header(), ...EVENTS.map((event) => lines.line(event))], columns);
    const following = new EventLines({ timeZone: "UTC", columns, hasHeader: true }, USUAL_WIDTHS);
    assertFits([following.header(), ...EVENTS.map((event) => following.line(event))], columns);
  });

  Deno.test(`The table of scout spend fits ${columns} columns with any labels`, () => {
    const sums = { calls: 123_456, costs: 123_456, tokens: 1_234_567 };
    const amounts = [1e-7, 0, 0.5, 12_345.678];
    for (const by of [["model"], ["agent", "model"]]) {
      const rows = TEXTS.flatMap((text) =>
        amounts.map((usd) => ({ key: by.map(() => text), usd, ...sums }))
      );
      assertFits(spendTable({ by, rows, total: { usd: 1e4, ...sums } }, columns), columns);
    }
  });

  Deno.test(`The tables of scout stats fit ${columns} columns with any labels and reasons`, async () => {
    const events = TEXTS.flatMap((text) =>
      Array.from({ length: 25 }, (_, n) => ({
        event: "llm_call",
        agent: text,
        model: text,
        cost: 12_345.678 * n,
        duration_ms: 1e7 * n,
        input_t: 1e9 + n,
        output_t: 1e9,
        cache_read_t: 1e8,
        status: "error",
        error: text,
      }))
    );
    const found = await stats(ReadableStream.from(events), {
      by: ["agent", "model"],
      outcome: () => true,
    });
    assertFits(statsLines(found, columns), columns);
  });

  Deno.test(`scout status fits ${columns} columns`, () => {
    assertFits(statusLines(STATUS, "America/Argentina/Buenos_Aires", columns), columns);
    for (const lastEvent of EVENTS) {
      assertFits(statusLines({ ...STATUS, lastEvent }, "UTC", columns), columns);
    }
  });

  Deno.test(`scout verify fits ${columns} columns`, () => {
    const names = ["audit_20260213_143022.jsonl", "audit_20260214_143022.jsonl", "b", "c", "d"];
    for (const faults of [REPORT.faults, []]) {
      for (const lines of [0, 1_234_567]) {
        for (const chainedLines of [0, 1_234_567]) {
          for (const unprotected of [[], names]) {
            const report = { ...REPORT, ok: faults.length === 0, lines, faults };
            const protection = { chainedLines, unprotected };
            assertFits(verifyLines(report, protection, { directory: "/tmp", columns }), columns);
          }
        }
      }
    }
  });

  Deno.test(`scout metrics fits ${columns} columns`, () => {
    const accuracy = { totalNav: 1_234_567, validationFailCount: 123_456, accuracyPct: 100 };
    const gate = {
      passCount: 1_234_567,
      escalateCount: 1_234_567,
      total: 2_469_134,
      passRatePct: 50,
      avgConfidence: 0.75,
      escalateRatePct: 50,
      lastQueries: Array.from(
        { length: 40 },
        (_, n) =>
          n % 2 === 0
            ? { outcome: "pass" as const, reason: null }
            : { outcome: "escalate" as const, reason: "low_confidence" },
      ),
    };
    assertFits(metricsLines(accuracy, gate, columns), columns);
  });
}

Deno.test("EventLines does not cut fields if the width is Infinity", () => {
  const text = "z".repeat(100_000);
  const lines = new EventLines({ timeZone: "UTC", columns: Infinity, hasHeader: false });
  assert(
    lines.line({ event: "nav", reason: text, files: ["a b"] }).endsWith(
      `nav  reason=${text}  files=["a b"]`,
    ),
  );
  // The width of the type column is limited, so one event with a long type does not widen the lines of other events.
  lines.line({ event: text });
  assert(lines.line({ event: "nav", n: 1 }).length < 80);
});

Deno.test("EventLines shows costs and tokens in named columns", () => {
  const lines = new EventLines({ timeZone: "Asia/Kolkata", columns: 120, hasHeader: true });
  const events = [
    {
      ts: "2026-02-13T14:00:00.000Z",
      event: "nav",
      cost: 0.5,
      model: "m",
      input_t: 200,
      output_t: 56,
    },
    { ts: "2026-02-13T14:00:00.123Z", event: "brief", input_t: 12_345, depth: 3 },
    { ts: "2026-02-13T14:00:01.000Z", event: "skip", output_t: 9, cost: null },
  ];
  lines.measure(events);
  assertEquals([lines.header(), ...events.map((event) => lines.line(event))], [
    "time (Asia/Kolkata)      type   cost   model  tokens",
    "2026-02-13 19:30:00.000  nav    $0.50  m      200 in, 56 out",
    "2026-02-13 19:30:00.123  brief                12,345 in       depth=3",
    "2026-02-13 19:30:01.000  skip                 9 out",
  ]);
});

Deno.test("EventLines shows the fields error and reason before all other fields", () => {
  const lines = new EventLines({ timeZone: "UTC", columns: 80, hasHeader: false });
  assertEquals(
    lines.line({
      ts: "2026-02-13T14:00:00.000Z",
      event: "llm_call",
      n: 1,
      reason: "r",
      error: "e",
    }),
    "2026-02-13 14:00:00  llm_call  error=e  reason=r  n=1",
  );
});

Deno.test("EventLines shows the reason of an event directly after the type if the line is too wide", () => {
  const lines = new EventLines({ timeZone: "UTC", columns: 50, hasHeader: true }, USUAL_WIDTHS);
  assertEquals(
    lines.line({
      ts: "2026-02-13T14:00:00.000Z",
      event: "validation_fail",
      reason: "src/module_24.ts is not there",
    }),
    "02-13 14:00  validation_fail  reason=src/module_2…",
  );
});

Deno.test("fleetStatusLines() yields a table, or a block of lines per log if the table is too wide", () => {
  // The test shortens each text to 64 characters, the maximum length of the name of a log.
  const logs = TEXTS.map((text) => ({
    log: text.slice(0, 64),
    blocks: 12_345,
    position: 123_456_789_012,
    lagBytes: 123_456_789,
    lagSec: 123_456,
    lastTs: "2026-02-13T14:00:00.000Z",
    storedTs: "2026-02-13T14:00:00.000Z",
    gaps: [{ from: 0, to: 123_456_789_012 }],
  }));
  for (const columns of WIDTHS) assertFits([...fleetStatusLines(logs, "UTC", columns)], columns);
  const short = logs.map((status) => ({ ...status, log: "a" }));
  assert([...fleetStatusLines(short, "UTC", 120)][0]!.startsWith("log  shipped"));
  assertEquals([...fleetStatusLines(short, "UTC", 50)].slice(0, 2), [
    "log          a",
    "shipped      123.5 GB",
  ]);
});
