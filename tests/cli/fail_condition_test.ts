import { assertEquals, assertThrows } from "@std/assert";
import {
  decide,
  decisionMessage,
  FIGURE_WORDS,
  needsOutcome,
  parseFailCondition,
} from "../../src/cli/fail_condition.ts";
import type { AuditEvent } from "../../src/event.ts";
import { compareStats } from "../../src/stats/compare_stats.ts";
import { StatsTally } from "../../src/stats/stats.ts";

/** Returns the figures of two lists of events. */
function figuresOf(a: readonly AuditEvent[], b: readonly AuditEvent[]) {
  const [statsA, statsB] = [a, b].map((events) => {
    const tally = new StatsTally({ outcome: ({ event }) => event === "done" });
    for (const event of events) tally.add(event);
    return tally.stats();
  });
  return compareStats(statsA!, statsB!).figures;
}

function holds(condition: string, a: readonly AuditEvent[], b: readonly AuditEvent[]) {
  return decide(parseFailCondition(condition), figuresOf(a, b)).holds;
}

function costing(...costs: readonly number[]): AuditEvent[] {
  return costs.map((cost) => ({ event: "llm_call", cost }));
}

/** Calls of which the first `failed` have the status "error". */
function failing(count: number, failed: number): AuditEvent[] {
  return Array.from(
    { length: count },
    (_, n) => ({ event: "llm_call", status: n < failed ? "error" : "ok" }),
  );
}

const INVALID: [condition: string, reason: string][] = [
  [
    "",
    "not a condition; use cost>+10%, error-rate>+0.5 or p95>2000, in quotes because of the shell",
  ],
  ["cost", "not a condition; use"],
  ["cost>", "not a condition; use"],
  ["cost>=5", "not a condition; use"],
  ["cost>ten", "not a condition; use"],
  ["cost>+-5", "not a condition; use"],
  ["cost>5.", "not a condition; use"],
  ["cost>5%%", "not a condition; use"],
  ["cost>1e3", "not a condition; use"],
  ["cost>5>6", "not a condition; use"],
  ["cots>5", "because cots is not a figure; did you mean cost?"],
  ["Cost>5", "because Cost is not a figure; did you mean cost?"],
  ["errorrate>5%", "because errorrate is not a figure; did you mean error-rate?"],
  ["p90>5", "because p90 is not a figure; did you mean p50?"],
  ["xyzzy>5", "because xyzzy is not a figure; use cost, calls, errors, error-rate,"],
  ["cost>5%", "cost is not a percentage; use a sign for a change: cost>+5%"],
  ["p95<20%", "p95 is not a percentage; use a sign for a change: p95<+20%"],
];
for (const [condition, reason] of INVALID) {
  Deno.test(`parseFailCondition() rejects "${condition}"`, () => {
    assertThrows(() => parseFailCondition(condition), RangeError, reason);
  });
}

Deno.test("parseFailCondition() parses each figure, sign and kind of number", () => {
  for (const figure of FIGURE_WORDS) {
    for (const sign of [">", "<"]) {
      const parsed = [`+10%`, `-2.5`, `.5`].map((number) =>
        parseFailCondition(`${figure} ${sign} ${number}`)
      );
      assertEquals(
        parsed.map(({ figure, quantity, isAbove, limit }) => [figure, quantity, isAbove, limit]),
        [
          [figure, "change", sign === ">", { numerator: 10n, denominator: 1n }],
          [figure, "difference", sign === ">", { numerator: -25n, denominator: 10n }],
          [figure, "value", sign === ">", { numerator: 5n, denominator: 10n }],
        ],
      );
    }
  }
});

Deno.test("decide() compares the change from A to B, in percent of A, with the limit without rounding", () => {
  const [a, b] = [costing(1), costing(1.1)];
  assertEquals(holds("cost>+10%", a, b), false);
  assertEquals(holds("cost<+10%", a, b), false);
  assertEquals(holds("cost>+9.999999999999999%", a, b), true);
  assertEquals(holds("cost<+10.00000000000001%", a, b), true);
  assertEquals(holds("cost<-9%", b, a), true);
  assertEquals(holds("cost<-10%", b, a), false);
  assertEquals(holds("cost>-5%", a, b), true);
  // An increase counts as positive, even if the value of A is negative.
  assertEquals(holds("cost>+49%", costing(-2), costing(-1)), true);
  assertEquals(holds("cost>+50%", costing(-2), costing(-1)), false);
});

Deno.test("decide() compares the difference of A and B with the limit without rounding", () => {
  assertEquals(holds("cost>+0.2", costing(0.1), costing(0.3)), false);
  assertEquals(holds("cost>+0.1999999999999999", costing(0.1), costing(0.3)), true);
  assertEquals(holds("cost<-0.2", costing(0.3), costing(0.1)), false);
  assertEquals(holds("calls>+1", costing(1), costing(1, 1, 1)), true);
});

Deno.test("decide() compares the value of B with a limit without a sign, also if A is empty", () => {
  assertEquals(holds("cost>0.3", [], costing(0.3)), false);
  assertEquals(holds("cost>0.29", [], costing(0.3)), true);
  assertEquals(holds("calls<2", [], costing(1)), true);
});

Deno.test("decide() counts a rate in percent, and its difference in percentage points", () => {
  // A floating-point number rounds the rates 1/3 and 2/3, but a fraction does not, so the comparison with the limit is
  // exact.
  const [a, b] = [failing(3, 1), failing(3, 2)];
  assertEquals(holds("error-rate>+100%", a, b), false);
  assertEquals(holds("error-rate<+100%", a, b), false);
  assertEquals(holds("error-rate>+33.3", a, b), true);
  assertEquals(holds("error-rate>+33.4", a, b), false);
  for (const limit of ["66", "66%"]) assertEquals(holds(`error-rate>${limit}`, a, b), true);
  assertEquals(holds("error-rate>67%", a, b), false);
});

Deno.test("decide() compares the cost per call and the cost per outcome", () => {
  const [thirds, sixths] = [costing(0.5, 0.25, 0.25), costing(0.5, 0.5, 0.25, 0.25, 0.25, 0.25)];
  assertEquals(holds("cost-per-call>+0%", thirds, sixths), false);
  assertEquals(holds("cost-per-call<+0", thirds, sixths), false);
  assertEquals(holds("cost-per-call>+199%", costing(0.5, 0.25, 0.25), costing(1)), true);
  const outcomes = (count: number): AuditEvent[] =>
    Array.from({ length: count }, () => ({ event: "done" }));
  const [a, b] = [[...costing(1), ...outcomes(3)], [...costing(2), ...outcomes(6)]];
  assertEquals(holds("cost-per-outcome>+0", a, b), false);
  assertEquals(holds("cost-per-outcome<+0", a, b), false);
  assertEquals(holds("outcomes>+99%", a, b), true);
});

Deno.test("decide() accepts every figure that a condition can name", () => {
  const call = {
    event: "llm_call",
    status: "error",
    cost: 2,
    duration_ms: 1_000,
    input_t: 100,
    output_t: 50,
    cache_read_t: 40,
  };
  const done = { event: "done" };
  const b = [call, { ...call, status: "ok" }, done];
  const expected: Readonly<Record<typeof FIGURE_WORDS[number], number>> = {
    "cost": 4,
    "calls": 2,
    "errors": 1,
    "error-rate": 50,
    "cost-per-call": 2,
    "cost-per-outcome": 4,
    "p50": 1_000,
    "p95": 1_000,
    "p99": 1_000,
    "duration": 1_000,
    "tokens-in": 200,
    "tokens-out": 100,
    "tokens-per-second": 50,
    "cache-hit": 40,
    "outcomes": 1,
  };
  for (const [figure, value] of Object.entries(expected)) {
    assertEquals(holds(`${figure}>${value - 0.01}`, [], b), true, figure);
    assertEquals(holds(`${figure}>${value}`, [], b), false, figure);
    assertEquals(holds(`${figure}<${value}`, [], b), false, figure);
  }
  assertEquals(FIGURE_WORDS.length, Object.keys(expected).length);
});

const UNDECIDABLE: [condition: string, a: AuditEvent[], b: AuditEvent[], remark: string][] = [
  ["cost>+10%", [], costing(1), "cost was not measured in A"],
  ["cost>+1", costing(1), [{ event: "nav" }], "cost was not measured in B"],
  ["errors>5", failing(9, 9), [{ event: "nav" }], "errors was not measured in B"],
  ["calls>5", failing(9, 9), [], "calls was not measured in B"],
  ["cost>+10%", costing(0), costing(1), "cost is 0 in A, so its relative change is undefined"],
  ["cost<+10%", costing(0), costing(1), "cost is 0 in A, so its relative change is undefined"],
  ["cost>1", costing(1), costing(1.7e308, 1.7e308), "cost is too large in B"],
  ["cost-per-call>1", costing(1), costing(1.7e308, 1.6e308), "cost-per-call is too large in B"],
  ["cost<-1", costing(1.7e308, 1.7e308), costing(1), "cost is too large in A"],
  ["tokens-out>5", [], costing(1), "tokens-out was not measured in B"],
  ["cache-hit>5", [], costing(1), "cache-hit was not measured in B"],
];
for (const [condition, a, b, remark] of UNDECIDABLE) {
  Deno.test(`decide() cannot decide ${condition} if ${remark}`, () => {
    const decision = decide(parseFailCondition(condition), figuresOf(a, b));
    assertEquals([decision.holds, decision.remark], [null, remark]);
    const text = decisionMessage(decision)!;
    assertEquals(text.startsWith(`cannot decide ${condition}, which counts as a failure`), true);
  });
}

Deno.test("decide() counts a figure that is 0 in A and B as a change of 0 %, and says so", () => {
  const decisionOf = (condition: string) =>
    decide(parseFailCondition(condition), figuresOf(failing(3, 0), failing(5, 0)));
  assertEquals(
    decisionMessage(decisionOf("errors>+10%")),
    "errors>+10% does not hold: A 0, B 0; errors is 0 in A and B, which counts as a change of 0 %",
  );
  assertEquals(
    decisionMessage(decisionOf("errors<+10%")),
    "errors<+10% holds: A 0, B 0; errors is 0 in A and B, which counts as a change of 0 %",
  );
});

Deno.test("decisionMessage() states both values with all digits, and nothing for a condition that does not hold", () => {
  const messageOf = (condition: string) =>
    decisionMessage(
      decide(parseFailCondition(condition), figuresOf(costing(1), costing(1.1000001))),
    );
  assertEquals(messageOf("cost>+10%"), "cost>+10% holds: A 1 USD, B 1.1000001 USD");
  assertEquals(messageOf("cost>+11%"), null);
});

Deno.test("needsOutcome() is true for the figures that count outcomes", () => {
  const needing = FIGURE_WORDS.filter((word) => needsOutcome(parseFailCondition(`${word}>1`)));
  assertEquals(needing, ["cost-per-outcome", "outcomes"]);
});
