import type { AuditEvent } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { shownRow, type SpanRowOptions, spanRows } from "../../src/cli/span_rows.ts";

const at = (second: number) => `2026-02-13T14:30:0${second}.000Z`;

function begin(span: string, second: number, fields: Record<string, unknown> = {}): AuditEvent {
  return { ts: at(second), event: "tool_call_begin", session_id: "s", span, ...fields };
}

function end(span: string, second: number, fields: Record<string, unknown> = {}): AuditEvent {
  return { ts: at(second), event: "tool_call", session_id: "s", span, ...fields };
}

function rows(events: readonly AuditEvent[], options?: SpanRowOptions): Promise<AuditEvent[]> {
  return Array.fromAsync(spanRows(ReadableStream.from(events), options));
}

async function spansOf(events: readonly AuditEvent[], options?: SpanRowOptions) {
  return (await rows(events, options)).map(({ span, status }) => `${span} ${status}`);
}

Deno.test("spanRows() joins the two events of a call, with the time of the beginning and the fields of both", async () => {
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
  assertEquals(await rows(events), [row]);
  assertEquals(await rows(events.toReversed(), { isNewestFirst: true }), [row]);
});

Deno.test("spanRows() yields calls as they end, and then those without an end; or newest first by their beginnings", async () => {
  const events = [
    end("0", 0, { status: "ok" }),
    begin("1", 1),
    begin("2", 2),
    begin("3", 3),
    end("2", 4, { status: "error" }),
    begin("4", 5),
    end("1", 6, { status: "ok" }),
  ];
  assertEquals(await spansOf(events), ["2 error", "1 ok", "3 unfinished", "4 unfinished"]);
  assertEquals(
    await spansOf(events.toReversed(), { isNewestFirst: true }),
    ["4 unfinished", "3 unfinished", "2 error", "1 ok"],
  );
});

Deno.test("spanRows() shows an end without a beginning only if asked to, with the start that its duration says", async () => {
  const events = [
    end("0", 5, { duration_ms: 1_500 }),
    end("1", 6),
    end("2", 7, { duration_ms: 1e300 }),
  ];
  assertEquals(await rows(events), []);
  const shown = await rows(events, { showsLoneEnds: true });
  assertEquals(shown.map(({ ts, end_ts }) => [ts, end_ts]), [
    ["2026-02-13T14:30:03.500Z", at(5)],
    [undefined, at(6)],
    [undefined, at(7)],
  ]);
});

Deno.test("shownRow() puts duration and status before the other fields, and leaves out the time of the end", async () => {
  const [row] = await rows([begin("1", 0, { tool: "x" }), end("1", 1, { duration_ms: 1_234.5 })]);
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
