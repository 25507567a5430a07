import type { AuditEvent } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { keyOf, shownRow, SpanRows, spanTypes } from "../../src/cli/span_rows.ts";

const at = (second: number) => `2026-02-13T14:30:0${second}.000Z`;

function begin(span: string, second: number, fields: Record<string, unknown> = {}): AuditEvent {
  return { ts: at(second), event: "tool_call_begin", session_id: "s", span, ...fields };
}

function end(span: string, second: number, fields: Record<string, unknown> = {}): AuditEvent {
  return { ts: at(second), event: "tool_call", session_id: "s", span, ...fields };
}

const ALL_OPEN = new Set(["1", "2", "3", "4"].map((span) => keyOf({ event: "tool_call", span })));

function rowsOf(
  events: readonly AuditEvent[],
  options?: { isNewestFirst: boolean },
  open: ReadonlySet<string> = ALL_OPEN,
): AuditEvent[] {
  const rows = new SpanRows(open, options);
  const complete = events.map((event) => rows.add(event)).filter((row) => row !== null);
  return [...complete, ...rows.unfinished()];
}

function spansOf(events: readonly AuditEvent[], options?: { isNewestFirst: boolean }): string[] {
  return rowsOf(events, options).map(({ span, status }) => `${span} ${status}`);
}

Deno.test("SpanRows.add() joins the two events of a call into one row with the start time and the fields of both", () => {
  const events = [
    begin("1", 0, { tool: "search", agent: "critic" }),
    { ts: at(1), event: "nav", session_id: "s" },
    end("1", 2, { agent: "critic", cost: 0.5, duration_ms: 2_000, status: "ok", tool: "find" }),
  ];
  const row = {
    ts: at(0),
    event: "tool_call",
    session_id: "s",
    end_ts: at(2),
    span: "1",
    tool: "find",
    agent: "critic",
    cost: 0.5,
    duration_ms: 2_000,
    status: "ok",
  };
  assertEquals(rowsOf(events), [row]);
  assertEquals(rowsOf(events.toReversed(), { isNewestFirst: true }), [row]);
});

Deno.test("SpanRows returns calls in the order of their ends and then unfinished calls, or by start time, newest first", () => {
  const events = [
    end("0", 0, { status: "ok" }),
    begin("1", 1),
    begin("2", 2),
    begin("3", 3),
    end("2", 4, { status: "error" }),
    begin("4", 5),
    end("1", 6, { status: "ok" }),
  ];
  assertEquals(spansOf(events), ["2 error", "1 ok", "3 unfinished", "4 unfinished"]);
  assertEquals(
    spansOf(events.toReversed(), { isNewestFirst: true }),
    ["4 unfinished", "3 unfinished", "2 error", "1 ok"],
  );
});

Deno.test("SpanRows prefers the end event that the process of a call logged to an earlier one that the command scout inflight end logged, in either order of the events", () => {
  const byHand = end("1", 2, { status: "aborted", ended_by: "scout inflight end" });
  const events = [begin("1", 0, { tool: "x" }), byHand, end("1", 3, { status: "ok", cost: 0.5 })];
  assertEquals(rowsOf(events).map(({ tool, status, cost }) => [tool, status, cost]), [
    ["x", "aborted", undefined],
    ["x", "ok", 0.5],
  ]);
  assertEquals(spansOf(events.toReversed(), { isNewestFirst: true }), ["1 ok"]);
  assertEquals(spansOf(events.slice(0, 2).toReversed(), { isNewestFirst: true }), ["1 aborted"]);
});

Deno.test("SpanRows pairs the beginnings and ends of calls with repeated IDs in the same way, whether oldest or newest events come first", () => {
  const events = [
    begin("1", 0),
    end("1", 1, { status: "a" }),
    begin("1", 2),
    begin("1", 3),
    end("1", 4, { status: "b" }),
  ];
  const pairs = (rows: AuditEvent[]) => rows.map(({ ts, status }) => `${ts} ${status}`).sort();
  const expected = [`${at(0)} a`, `${at(2)} unfinished`, `${at(3)} b`];
  assertEquals(pairs(rowsOf(events)), expected);
  assertEquals(pairs(rowsOf(events.toReversed(), { isNewestFirst: true })), expected);
});

Deno.test("SpanRows shows the status ended for a call whose end is in the log, but not among the given events", () => {
  for (const isNewestFirst of [false, true]) {
    const [row] = rowsOf([begin("1", 0)], { isNewestFirst }, new Set());
    assertEquals([row?.status, row?.ts], ["ended", at(0)]);
  }
});

Deno.test("spanTypes() returns both event types of a call, given the type of the call or of its beginning", () => {
  const types = ["tool_call", "tool_call_begin"];
  assertEquals(spanTypes(["tool_call"]), types);
  assertEquals(spanTypes(["tool_call_begin"]), types);
});

Deno.test("shownRow() puts duration and status before the other fields, and leaves out the time of the end", () => {
  const [row] = rowsOf([begin("1", 0, { tool: "x" }), end("1", 1, { duration_ms: 1_234.5 })]);
  assertEquals(
    JSON.stringify(shownRow({ ...row, status: "ok" })),
    JSON.stringify({
      ts: at(0),
      event: "tool_call",
      session_id: "s",
      duration: "1.23 s",
      status: "ok",
      span: "1",
      tool: "x",
    }),
  );
  assertEquals(shownRow(JSON.parse('{"event":"a","duration_ms":"long"}')), {
    event: "a",
    duration: "long",
  } as AuditEvent);
});
