import { assertEquals, assertStringIncludes } from "@std/assert";
import { logWith } from "./run_cli.ts";

const at = (minute: number, event: string, more: Record<string, unknown> = {}) => ({
  ts: new Date(Date.UTC(2026, 1, 13, 14, minute)).toISOString(),
  event,
  ...more,
});

const EVENTS = [
  at(0, "nav"),
  at(30, "nav"),
  at(31, "nav"),
  at(32, "nav"),
  at(33, "validation_fail"),
  at(34, "gate_compress", { confidence: 80 }),
  at(35, "gate_escalate", { reason: "low_confidence", confidence: 20 }),
  at(36, "gate_compress", { confidence: 90 }),
];

Deno.test("scout metrics shows accuracy and gate decisions since a time", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout, stderr } = await log.run("metrics", "--since", "2026-02-13T14:30");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout.split("\n"), [
    "Since 2026-02-13 14:30 (UTC)",
    "accuracy   66.67 %  3 navigations, 1 failed",
    "gate        66.7 %  2 passed, 1 escalated, mean confidence 0.85",
    "last      pass, low_confidence, pass",
    "",
  ]);
});

Deno.test("scout metrics --json prints one object", async () => {
  using log = logWith(...EVENTS);
  const { stdout } = await log.run("metrics", "--json", "--since", "2026-02-13", "--last", "1");
  assertEquals(JSON.parse(stdout), {
    since: "2026-02-13T00:00:00Z",
    accuracy: { totalNav: 4, validationFailCount: 1, accuracyPct: 75 },
    gate: {
      passCount: 2,
      escalateCount: 1,
      total: 3,
      passRatePct: 66.7,
      avgConfidence: 0.85,
      escalateRatePct: 33.3,
      lastQueries: [{ outcome: "pass", reason: null }],
    },
  });
});

Deno.test("scout metrics shows a dash if there is nothing to measure", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout } = await log.run("metrics");
  assertEquals(code, 0);
  assertStringIncludes(stdout, "accuracy         -  0 navigations, 0 failed\n");
  assertStringIncludes(stdout, "gate             -  0 passed, 0 escalated, mean confidence -\n");
});

Deno.test("scout metrics rejects an invalid time and names it", async () => {
  using log = logWith();
  const { code, stdout, stderr } = await log.run("metrics", "--since", "soon");
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, 'Cannot read --since: "soon" is not a time');
});
