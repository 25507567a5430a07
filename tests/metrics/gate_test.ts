import { assertEquals, assertRejects } from "@std/assert";
import { type AuditEvent, gateMetrics } from "@vivarium/scout";

const EVENTS: AuditEvent[] = [
  { event: "gate_compress", confidence: 90 },
  { event: "gate_compress", confidence: 75, reason: "ok" },
  { event: "gate_compress", confidence: 10, reason: "parse_fail" },
  { event: "gate_compress", confidence: 10, reason: "api_error" },
  { event: "gate_compress", confidence: 80, reason: "stale_cascade" },
  { event: "gate_compress", reason: "ok" },
  { event: "gate_compress", confidence: null },
  { event: "gate_compress", confidence: Infinity },
  { event: "gate_escalate", confidence: 30 },
  { event: "nav", confidence: 99 },
];

Deno.test("gateMetrics() counts the decisions to pass a shortened text on or to ask a larger model, and ignores other events", async () => {
  assertEquals(await gateMetrics(ReadableStream.from(EVENTS)), {
    passCount: 2,
    escalateCount: 2,
    total: 4,
    passRatePct: 50,
    avgConfidence: 0.83,
    escalateRatePct: 50,
    lastQueries: [
      { outcome: "pass", reason: null },
      { outcome: "pass", reason: null },
      { outcome: "escalate", reason: "stale_cache" },
      { outcome: "escalate", reason: "low_confidence" },
    ],
  });
});

Deno.test("gateMetrics() rounds percentages to one decimal", async () => {
  const { passRatePct, escalateRatePct } = await gateMetrics(ReadableStream.from(EVENTS.slice(1)));
  assertEquals([passRatePct, escalateRatePct], [33.3, 66.7]);
});

Deno.test("gateMetrics() lists the last gate decisions, as many as lastN states, and 10 by default", async () => {
  const last = async (lastN?: number) =>
    (await gateMetrics(ReadableStream.from(EVENTS), lastN === undefined ? {} : { lastN }))
      .lastQueries.map(({ reason }) => reason);
  assertEquals(await last(1), ["low_confidence"]);
  assertEquals(await last(0), []);
  const many = Array.from({ length: 30 }, () => EVENTS[0]!);
  assertEquals((await gateMetrics(ReadableStream.from(many))).lastQueries.length, 10);
  await assertRejects(() => last(-1), RangeError, "lastN must be an integer >= 0, got -1");
});

Deno.test("gateMetrics() returns zeros without events", async () => {
  const { total, passRatePct, avgConfidence } = await gateMetrics(ReadableStream.from([]));
  assertEquals([total, passRatePct, avgConfidence], [0, 0, 0]);
});
