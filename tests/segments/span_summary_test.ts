import type { AuditEvent } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { SpanLedger, spanOf } from "../../src/segments/span_ledger.ts";
import { SpanScan, type SpanSummary } from "../../src/segments/span_summary.ts";
import { SeededRandom } from "../seeded_random.ts";

const encoder = new TextEncoder();

function summaryOf(events: readonly AuditEvent[]): SpanSummary | null {
  const scan = new SpanScan();
  for (const event of events) scan.add(event, () => encoder.encode(JSON.stringify(event)));
  return scan.finish();
}

function addTo(ledger: SpanLedger<string>, event: AuditEvent): void {
  const span = spanOf(event);
  if (span?.begins) ledger.begin(span.end, JSON.stringify(event));
  else if (span !== null) ledger.end(span.end);
}

const NOTHING: SpanSummary = { ended: [], unlisted: [], begun: [], cut: false, seen: [] };

const begin = (span: string, n = 0): AuditEvent => ({ event: "call_begin", span, n });
const end = (span: string): AuditEvent => ({ event: "call", span });

Deno.test("SpanScan lists the beginnings and ends of spans whose counterparts are not in the segment", () => {
  assertEquals(summaryOf([begin("1"), end("0"), begin("2"), end("1"), { event: "nav" }]), {
    ...NOTHING,
    ended: [["call", "0"]],
    begun: ['{"event":"call_begin","span":"2","n":0}'],
  });
  assertEquals(summaryOf([]), NOTHING);
});

Deno.test("SpanScan returns the time of the last event of each session, and ignores span ends that the command scout inflight end logged", () => {
  const seen = (ts: unknown, session_id: unknown) => ({ ts, session_id }) as AuditEvent;
  const events = [seen("1", "a"), seen("2", "b"), seen("3", "a"), seen(4, "b"), seen("5", 6)];
  assertEquals(summaryOf(events)?.seen, [["a", "3"], ["b", "2"]]);
  const ended = { ...seen("9", "a"), ...end("1"), ended_by: "scout inflight end" };
  assertEquals(summaryOf([...events, ended])?.seen, [["a", "3"], ["b", "2"]]);
});

Deno.test("The span summaries of several segments yield the same open spans as all their events (seeds 1 to 500)", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = new SeededRandom(seed);
    const expected = new SpanLedger<string>();
    const found = new SpanLedger<string>();
    for (let segment = 0; segment < 4; segment++) {
      // Only three IDs are in use, so that beginnings and ends with the same ID repeat.
      const events = Array.from({ length: random.below(10) }, (_, n) => {
        const span = `${random.below(3)}`;
        return random.below(2) === 0 ? begin(span, 10 * segment + n) : end(span);
      });
      for (const event of events) addTo(expected, event);
      const { ended, begun } = summaryOf(events)!;
      for (const each of ended) found.end(each);
      for (const text of begun) addTo(found, JSON.parse(text));
      assertEquals(found.open(), expected.open(), `seed ${seed}`);
    }
  }
});

const ids = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

Deno.test("SpanScan returns null if there are more than 10,000 spans", () => {
  // The segment has a beginning of the type "call". So it lists every end of this type, even if there are more than
  // 100.
  const pair = [begin("x"), end("x")];
  assertEquals(summaryOf([...pair, ...ids(10_000).map(end)])?.ended.length, 10_000);
  assertEquals(summaryOf([...pair, ...ids(10_001).map(end)]), null);
  assertEquals(summaryOf(ids(5_001).flatMap((id) => [begin(id), end(`x${id}`)])), null);
  assertEquals(summaryOf(ids(10_001).map((id) => begin(id))), null);
  // A span that begins and ends in the segment is not counted, so there may be any number of such spans.
  const pairs = ids(20_000).flatMap((id) => [begin(id), end(id)]);
  assertEquals(summaryOf(pairs), NOTHING);
});

Deno.test("SpanScan lists only the type instead of each end if a type of span has more than 100 ends and no beginning", () => {
  const foreign = (type: string, count: number) =>
    ids(count).map((span) => ({ event: type, span }));
  assertEquals(summaryOf(foreign("nav", 100))?.ended.length, 100);
  const events = [...foreign("nav", 100_000), ...foreign("brief", 3), ...foreign("llm", 101)];
  const brief = ids(3).map((id) => ["brief", id] as const);
  assertEquals(summaryOf(events), { ...NOTHING, ended: brief, unlisted: ["nav", "llm"] });
  const many = ids(101).flatMap((type) => foreign(type, 101));
  assertEquals([summaryOf(many)?.unlisted.length, summaryOf(many)?.ended.length], [100, 101]);
});

Deno.test("SpanScan keeps only the fields that identify each span if all beginnings of spans together are longer than 1 MiB", () => {
  const long = "x".repeat(600_000);
  const longBegin = { ...begin("1"), session_id: "s", ts: "2026", parent: "0", long };
  assertEquals(summaryOf([longBegin])?.begun[0]?.length, JSON.stringify(longBegin).length);
  assertEquals(summaryOf([longBegin, longBegin, end("1")])?.cut, false);
  const short = '{"ts":"2026","event":"call_begin","session_id":"s","span":"1","parent":"0"}';
  assertEquals(summaryOf([longBegin, longBegin]), {
    ...NOTHING,
    begun: [short, short],
    cut: true,
    seen: [["s", "2026"]],
  });
  // A control character takes six characters in a manifest line, so these fields are longer than 1 MiB.
  assertEquals(summaryOf([{ ...begin("1"), long: "\u0001".repeat(200_000) }])?.cut, true);
  assertEquals(summaryOf([end(long), end(long)]), null);
});

Deno.test("SpanScan returns no sessions if there are more than 100, or if a session ID is too long", () => {
  const seen = (session_id: string) => ({ ts: "2026", session_id });
  const sessions = (count: number) => Array.from({ length: count }, (_, n) => seen(`${n}`));
  assertEquals(summaryOf(sessions(100))?.seen?.length, 100);
  assertEquals(summaryOf(sessions(101)), { ...NOTHING, seen: null });
  assertEquals(summaryOf([seen("x".repeat(252))])?.seen?.length, 1);
  assertEquals(summaryOf([seen("x".repeat(253))])?.seen, null);
});
