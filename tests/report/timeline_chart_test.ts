import { assert, assertEquals } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import { drawingsOf } from "../../src/report/drawing.ts";
import { ReportAggregate } from "../../src/report/aggregate.ts";
import { resolveReportOptions } from "../../src/report/options.ts";
import { timelineChart } from "../../src/report/timeline_chart.ts";

const START = Date.UTC(2026, 1, 13, 14);
const SIZES = ["wide", "middle", "narrow"] as const;

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Draws the timeline of events, and returns for each size the rectangles by their fill, in the order of drawing. */
function rectanglesOf(events: readonly AuditEvent[]): Map<string, Rectangle[]>[] {
  const options = resolveReportOptions({});
  const aggregate = new ReportAggregate(options);
  for (const event of events) aggregate.add(event);
  const chart = timelineChart({ data: aggregate.data(), options, linkTo: null });
  const text = Array.from(drawingsOf(chart), ({ text }) => text).join("");
  return SIZES.map((size) => {
    const [, drawn = ""] = new RegExp(`<div class="${size}"(.*?)</div>`, "s").exec(text) ?? [];
    const paths = [
      ...drawn.matchAll(/<path d="((?:M[\d.]+ [\d.]+h[\d.]+v[\d.]+h-[\d.]+z)+)" fill="([^"]+)"/g),
    ];
    return new Map(paths.map(([, path = "", fill = ""]) => [
      fill,
      [...path.matchAll(/M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)/g)].map(([, ...numbers]) => {
        const [x, y, width, height] = numbers.map(Number) as [number, number, number, number];
        return { x, y, width, height };
      }),
    ]));
  });
}

function at(ms: number, fields: AuditEvent): AuditEvent {
  return { ts: new Date(START + ms).toISOString(), event: "llm_call", ...fields };
}

Deno.test("The timeline draws each call to scale, and cuts off what is before the first bar", () => {
  const [wide, ...others] = rectanglesOf([
    at(0, { agent: "a", duration_ms: 60_000 }),
    at(50_000, { agent: "a", duration_ms: 25_000 }),
    at(75_000, { agent: "b", duration_ms: 25_000, status: "error" }),
    at(99_999, { agent: "b", duration_ms: 0 }),
  ]);
  const [before, call, last] = wide!.get("var(--s0)")!;
  const [failed] = wide!.get("var(--bad)")!;
  const left = before!.x;
  const scale = call!.width / 25_000;
  const near = (actual: number, expected: number) =>
    assert(Math.abs(actual - expected) < 0.5, `${actual} instead of ${expected}`);
  near(call!.x, left + 25_000 * scale);
  near(failed!.x, left + 50_000 * scale);
  near(failed!.width, call!.width);
  assertEquals([before!.width, last!.width], [1.5, 1.5]);
  // The time axis ends at 14:01:40, and no bar is outside of it.
  near(last!.x + last!.width, left + 100_000 * scale);
  assertEquals(failed!.y, last!.y);
  assert(failed!.y > call!.y + call!.height, "the second lane is not below the first");
  for (const other of others) {
    assertEquals([...other.values()].map(({ length }) => length), [3, 1]);
  }
});

Deno.test("The timeline draws calls that have not ended with a pattern, up to the end of the time axis", () => {
  const drawings = rectanglesOf([
    at(0, { agent: "a", duration_ms: 1 }),
    at(30_000, { agent: "a", event: "tool_call_begin", span: "x" }),
    at(59_999, { agent: "a", duration_ms: 1 }),
  ]);
  for (const [n, drawing] of drawings.entries()) {
    const fills = [...drawing.keys()];
    // Each pattern has its own identifier, because the page contains all drawings.
    assertEquals(fills, ["var(--s0)", `url(#timeline-${SIZES[n]}-hatch)`]);
    const [first, last] = drawing.get("var(--s0)")!;
    const [open] = drawing.get(fills[1]!)!;
    const end = last!.x + last!.width;
    assert(
      Math.abs(open!.x + open!.width - end) < 0.2,
      `ends at ${open!.x + open!.width} of ${end}`,
    );
    assert(Math.abs(open!.width - (end - first!.x) / 2) < 0.2, `${open!.width}`);
  }
});

Deno.test("The timeline of a long range draws the number of calls, and the failed ones as the lower part", () => {
  const hour = 3_600_000;
  const calls = (count: number, ms: number, fields: AuditEvent) =>
    Array.from({ length: count }, () => at(ms, { duration_ms: 9, ...fields }));
  const [wide] = rectanglesOf([
    ...calls(100, 0, { agent: "a" }),
    ...calls(25, 24 * hour, { agent: "a" }),
    ...calls(10, 48 * hour, { agent: "b" }),
    ...calls(15, 48 * hour, { agent: "b", status: "error" }),
    ...calls(1, 0, { agent: "c", status: "error" }),
  ]);
  const ok = wide!.get("var(--s0)")!;
  const failed = wide!.get("var(--bad)")!;
  // The heights are 18 pixels times the square root of the share of the most calls, which is 100.
  assertEquals(ok.map(({ height }) => height), [18, 9, 3.6]);
  assertEquals(failed.map(({ height }) => height), [5.4, 2]);
  assertEquals(ok[2]!.y + ok[2]!.height, failed[0]!.y);
  assertEquals(ok[2]!.x, failed[0]!.x);
  assertEquals(ok[0]!.y + ok[0]!.height, ok[1]!.y + ok[1]!.height);
});

Deno.test("The lane of combined agents does not make the bars of the others lower", () => {
  const day = 86_400_000;
  const [wide] = rectanglesOf(
    Array.from({ length: 400 }, (_, n) => {
      // The first 20 agents have ten calls each, and 200 more agents have one call each.
      const agent = n < 200 ? `a${n % 20}` : `b${n}`;
      return at(n % 2 === 0 ? 0 : day, { agent, duration_ms: 1 });
    }),
  );
  const heights = wide!.get("var(--s0)")!.map(({ height }) => height);
  assertEquals([heights.length, new Set(heights)], [22, new Set([18])]);
});
