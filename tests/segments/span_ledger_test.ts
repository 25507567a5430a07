import type { AuditEvent } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { SpanLedger, spanOf } from "../../src/segments/span_ledger.ts";

/**
 * Returns a ledger after events such as "a1+" (the span "1" of type "a" begins) and "a1-" (it ends). The stored line of
 * a beginning is the number of the event.
 */
function after(text: string): SpanLedger<string> {
  const ledger = new SpanLedger<string>();
  for (const [n, word] of text.split(" ").entries()) {
    const [type, span, sign] = word as unknown as [string, string, string];
    if (sign === "+") ledger.begin([type, span], `${n}`);
    else ledger.end([type, span]);
  }
  return ledger;
}

Deno.test("SpanLedger pairs the beginning of a span with the end of the same type and ID", () => {
  assertEquals(after("a1+ b1+ a1-").open(), ["1"]);
  assertEquals(after("a1+ a2- b1-").open(), ["0"]);
  assertEquals(after("b2+ a1+ b1+").open(), ["0", "1", "2"]);
});

Deno.test("SpanLedger ignores ends of spans without a beginning", () => {
  assertEquals(after("a1- a1+").open(), ["1"]);
  assertEquals(after("a1+ a1- a1- a1+").open(), ["3"]);
});

Deno.test("SpanLedger pairs the end of a span with the last beginning of the same type and ID that has no end yet", () => {
  assertEquals(after("a1+ b1+ a1+ a1-").open(), ["0", "1"]);
  assertEquals(after("a1+ a1+ a1- a1-").open(), []);
  const ledger = after("a1+ a1+");
  assertEquals([ledger.end(["a", "1"]), ledger.size], ["1", 1]);
  assertEquals([ledger.end(["a", "1"]), ledger.size], ["0", 0]);
  assertEquals([ledger.end(["a", "1"]), ledger.size], [undefined, 0]);
});

Deno.test("SpanLedger.awaitedTypes contains the types of the open spans", () => {
  const types = (text: string) => [...after(text).awaitedTypes].sort();
  assertEquals(types("a1+ a2+ b1+"), ["a", "b"]);
  assertEquals(types("a1+ a2+ b1+ a1- b1-"), ["a"]);
  assertEquals(types("a1+ a1-"), []);
});

Deno.test("spanOf() returns the same type and ID for a beginning and its end", () => {
  const of = (event: unknown, span: unknown) => spanOf({ event, span } as AuditEvent);
  assertEquals(of("a_begin", "1"), { end: ["a", "1"], begins: true });
  assertEquals(of("a", "1"), { end: ["a", "1"], begins: false });
  assertEquals(of("_begin", "1"), { end: ["_begin", "1"], begins: false });
  // If "a_begin_begin" began a span, that span would end with an event "a_begin", which begins another span.
  assertEquals(of("a_begin_begin", ""), { end: ["a_begin_begin", ""], begins: false });
  for (const span of [1, null, undefined, {}]) assertEquals(of("a_begin", span), null);
  assertEquals([of(undefined, "1"), of(7, "1")], [null, null]);
});
