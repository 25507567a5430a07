import type { AuditEvent } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { SpanLedger } from "../../src/read/span_ledger.ts";

function openAfter(...events: AuditEvent[]): string[] {
  const ledger = new SpanLedger();
  for (const event of events) ledger.add(event);
  return ledger.open().map(({ event, span }) => `${event} ${span}`);
}

const begun = (event: string, span: unknown) => ({ event: `${event}_begin`, span } as AuditEvent);
const ended = (event: string, span: unknown) => ({ event, span } as AuditEvent);

Deno.test("SpanLedger pairs a beginning with the end of the same type and ID", () => {
  assertEquals(openAfter(begun("a", "1"), begun("b", "1"), ended("a", "1")), ["b 1"]);
  assertEquals(openAfter(begun("a", "1"), ended("a", "2"), ended("b", "1")), ["a 1"]);
  assertEquals(openAfter(begun("b", "2"), begun("a", "1"), begun("b", "1")), ["b 2", "a 1", "b 1"]);
});

Deno.test("SpanLedger ignores ends without a beginning, repeated beginnings, and other events", () => {
  assertEquals(openAfter(ended("a", "1"), begun("a", "1")), ["a 1"]);
  assertEquals(openAfter(begun("a", "1"), begun("a", "1"), ended("a", "1")), []);
  assertEquals(openAfter(ended("_begin", "1"), begun("a", 1), begun("a", null), {}), []);
  assertEquals(openAfter({ event: "a_begin" }, { span: "1" }), []);
});

Deno.test("SpanLedger.awaitedTypes are those of the open spans", () => {
  const ledger = new SpanLedger();
  const types = () => [...ledger.awaitedTypes].sort();
  for (const span of ["1", "2"]) ledger.add(begun("a", span));
  ledger.add(begun("b", "1"));
  assertEquals(types(), ["a", "b"]);
  ledger.add(ended("a", "1"));
  ledger.add(ended("b", "1"));
  assertEquals(types(), ["a"]);
  ledger.add(ended("a", "2"));
  assertEquals(types(), []);
});

Deno.test("SpanLedger returns the fields of a beginning apart from those that name the span", () => {
  const ledger = new SpanLedger();
  const ts = "2026-02-13T14:30:22.123Z";
  ledger.add({ ts, session_id: "s", ...begun("a", "1"), parent: "0", tool: "search", n: null });
  ledger.add({ ...begun("a", "2"), parent: 7 });
  assertEquals(ledger.open(), [
    {
      span: "1",
      parent: "0",
      event: "a",
      ts,
      session_id: "s",
      fields: { tool: "search", n: null },
    },
    { span: "2", event: "a", fields: { parent: 7 } },
  ]);
});
