import { assertEquals } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import { SpanTally } from "../../src/report/span_tally.ts";
import { SpanScan } from "../../src/segments/span_summary.ts";
import { SeededRandom } from "../seeded_random.ts";

const START = Date.UTC(2026, 1, 13, 14);

function begin(span: string, fields: AuditEvent = {}): AuditEvent {
  return { ts: new Date(START).toISOString(), event: "tool_call_begin", span, ...fields };
}

function end(span: string): AuditEvent {
  return { ts: new Date(START + 1).toISOString(), event: "tool_call", span };
}

function tallyOf(events: readonly AuditEvent[]): SpanTally {
  const tally = new SpanTally();
  for (const event of events) tally.add(event);
  return tally;
}

Deno.test("SpanTally returns the calls that have begun and not ended, in the order of the log", () => {
  const first = begin("a", { agent: "scout", model: "large", session_id: "s1" });
  const last = { ...begin("c"), ts: "yesterday" };
  const tally = tallyOf([
    first,
    begin("b"),
    { event: "nav", span: "a" },
    end("b"),
    last,
    end("c2"),
    { event: "tool_call_begin", span: 7 as never },
    { event: "nav" },
  ]);
  const call = { type: "tool_call", agent: undefined, session: undefined };
  assertEquals(tally.figures(), {
    count: 2,
    first: [
      { ...call, span: "a", startMs: START, agent: "scout", session: "s1", event: first },
      { ...call, span: "c", startMs: null, event: last },
    ],
  });
});

Deno.test("SpanTally lists the first 50 open calls, and does not count more than 100,000", () => {
  const many = (count: number) =>
    tallyOf(Array.from({ length: count }, (_, n) => begin(`${n}`))).figures();
  const { count, first } = many(60);
  assertEquals([count, first.length, first[49]!.span], [60, 50, "49"]);
  assertEquals(many(100_000).count, 100_000);
  assertEquals(many(100_001), { count: null, first: [] });
});

Deno.test("SpanTally returns the same calls from the summaries of archives as from their events", () => {
  const encoder = new TextEncoder();
  const random = new SeededRandom(4);
  for (let round = 0; round < 300; round++) {
    const [plain, summed] = [new SpanTally(), new SpanTally()];
    for (let archive = 0; archive < 4; archive++) {
      const scan = new SpanScan();
      const events = Array.from({ length: random.below(30) }, () => {
        const span = `s${random.below(12)}`;
        return random.below(2) === 0 ? begin(span, { agent: `a${random.below(3)}` }) : end(span);
      });
      for (const event of events) {
        plain.add(event);
        scan.add(event, () => encoder.encode(JSON.stringify(event)));
      }
      summed.addArchive(scan.finish()!);
    }
    assertEquals(summed.figures(), plain.figures(), `round ${round}`);
  }
});

Deno.test("SpanTally needs the events of an archive if its summary may lack an end or a field", () => {
  const summary = { ended: [], unlisted: [], begun: [], cut: false, seen: null };
  const tally = tallyOf([begin("a")]);
  assertEquals(tally.isEnough(summary), true);
  assertEquals(tally.isEnough({ ...summary, unlisted: ["nav"] }), true);
  assertEquals(tally.isEnough({ ...summary, unlisted: ["tool_call"] }), false);
  assertEquals(tally.isEnough({ ...summary, cut: true }), false);
  assertEquals([tally.isEnough(null), tally.isEnough(undefined)], [false, false]);
});

Deno.test("SpanTally.addEnd() ends a call whose beginning matches a filter, and begins none", () => {
  const tally = tallyOf([begin("a"), begin("b")]);
  for (const event of [end("a"), end("x"), begin("c"), { event: "nav" }]) tally.addEnd(event);
  assertEquals(tally.figures().first.map(({ span }) => span), ["b"]);
});
