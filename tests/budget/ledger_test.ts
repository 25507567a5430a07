import type { AuditEvent } from "@vivarium/scout";
import { assert, assertEquals } from "@std/assert";
import type { BudgetTerms } from "../../src/budget/account.ts";
import { toAmount } from "../../src/budget/amount.ts";
import {
  BUDGET_LINE,
  holdFields,
  limitFields,
  stateFields,
} from "../../src/budget/budget_lines.ts";
import { BudgetLedger } from "../../src/budget/ledger.ts";

const HOUR_MS = 3_600_000;
const T0 = Date.UTC(2026, 1, 13, 10);
const iso = (ms: number) => new Date(ms).toISOString();
/** Returns the epoch milliseconds of the time `HH:MM` on the day of these tests. */
const at = (text: string) => Date.parse(`2026-02-13T${text}:00.000Z`);

const RUN: BudgetTerms = { name: "run", unit: "usd", hours: 1, sinceMs: null, where: {} };
const usd = (value: number) => toAmount(value, "usd");

/**
 * A ledger, which computes the figures of budgets from the lines of a log, and functions that add lines to the ledger.
 */
class Bench {
  readonly ledger: BudgetLedger = new BudgetLedger({ isWhole: true });
  readonly lines: AuditEvent[] = [];

  add(type: string, ms: number, fields: Record<string, unknown>): void {
    const event = JSON.parse(JSON.stringify({ ts: iso(ms), event: type, ...fields })) as AuditEvent;
    this.lines.push(event);
    this.ledger.add(event);
  }

  declare(terms: BudgetTerms, limit: number, ms = T0): void {
    const line = { terms, limit: toAmount(limit, terms.unit), isDeclared: true, sums: [] };
    this.add(BUDGET_LINE.limit, ms, limitFields(line));
  }

  /** Reserves (holds) an amount if it fits. Returns the kind of the refusal, or "granted". */
  hold(id: string, amount: number, ms: number, { maxSec = 900, budgets = ["run"] } = {}): string {
    const { ledger } = this;
    const { unit } = ledger.account(budgets[0]!)!.terms;
    const amounts = { [unit]: toAmount(amount, unit) };
    const decisionMs = ledger.decisionMs(budgets, ms);
    const refusal = ledger.refusalOf({ id, amounts, budgets }, decisionMs, ms);
    if (refusal !== null) return refusal.kind;
    const untilMs = decisionMs + maxSec * 1000;
    this.add(BUDGET_LINE.hold, decisionMs, holdFields({ id, amounts, untilMs, budgets }));
    return "granted";
  }

  figures(ms: number, name = "run"): [spent: number, held: number, orphaned: number] {
    const { spent, held, orphaned } = this.ledger.figures(name, ms);
    return [spent / 1e9, held / 1e9, orphaned / 1e9];
  }
}

Deno.test("BudgetLedger grants 35 holds of 0.01 USD within a limit of 0.35 USD, and refuses the 36th", () => {
  const bench = new Bench();
  bench.declare(RUN, 0.35);
  for (let n = 0; n < 35; n++) {
    assertEquals(bench.hold(`${n}`, 0.01, T0), "granted");
    bench.add("llm_call", T0, { hold: `${n}`, cost: 0.01 });
  }
  assertEquals(bench.hold("36", 0.01, T0), "spent");
  assertEquals(bench.figures(T0), [0.35, 0, 0]);
});

Deno.test("BudgetLedger counts the cost of a settled hold for one hour after the hold has ended, rounded up to a minute", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  assertEquals(bench.hold("a", 0.9, at("10:00"), { maxSec: 3_600 }), "granted");
  assertEquals(bench.figures(at("10:49")), [0, 0.9, 0]);
  bench.add("llm_call", at("10:50"), { hold: "a", cost: 0.8 });
  assertEquals(bench.figures(at("11:45")), [0.8, 0, 0]);
  assertEquals(bench.figures(at("11:50") - 1), [0.8, 0, 0]);
  assertEquals(bench.figures(at("11:51")), [0, 0, 0]);
});

Deno.test("BudgetLedger charges the amount of a hold that expired without an end for one window after it expired, or forever if the budget has no window", () => {
  const bench = new Bench();
  const total: BudgetTerms = { ...RUN, name: "total", hours: null, sinceMs: T0 };
  bench.declare(RUN, 1);
  bench.declare(total, 1);
  bench.hold("a", 0.5, at("10:00"), { budgets: ["run", "total"] });
  assertEquals(bench.figures(at("10:14")), [0, 0.5, 0]);
  assertEquals(bench.figures(at("10:15")), [0, 0, 0.5]);
  assertEquals(bench.figures(at("11:15") - 1), [0, 0, 0.5]);
  assertEquals(bench.figures(at("11:15")), [0, 0, 0]);
  assertEquals(bench.figures(T0 + 365 * 24 * HOUR_MS, "total"), [0, 0, 0.5]);
  bench.add(BUDGET_LINE.release, at("12:00"), { hold: "a" });
  assertEquals(bench.figures(T0 + 365 * 24 * HOUR_MS, "total"), [0, 0, 0]);
});

Deno.test("BudgetLedger replaces the charge for an expired hold if the hold is settled later, and counts a second settle as an ordinary cost", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  bench.declare({ ...RUN, name: "critic", where: { agent: "critic" } }, 1);
  bench.hold("a", 0.5, at("10:00"), { budgets: ["critic"] });
  assertEquals(bench.figures(at("10:30"), "critic"), [0, 0, 0.5]);
  bench.add("llm_call", at("10:30"), { hold: "a", cost: 0.25 });
  assertEquals(bench.figures(at("10:30"), "critic"), [0.25, 0, 0]);
  // The event also counts on the budget "run", because that budget has no `where`.
  assertEquals(bench.figures(at("10:30")), [0.25, 0, 0]);
  bench.add("llm_call", at("10:31"), { hold: "a", cost: 0.25 });
  assertEquals(bench.figures(at("10:31"), "critic"), [0.25, 0, 0]);
  assertEquals(bench.figures(at("10:31")), [0.5, 0, 0]);
});

Deno.test("BudgetLedger charges the reserved amount if the event that ends a hold has no cost", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  bench.declare({ ...RUN, name: "tokens", unit: "tokens" }, 1_000);
  bench.hold("a", 0.5, T0);
  bench.add("llm_call", T0, { hold: "a", output_t: 40 });
  assertEquals(bench.figures(T0), [0.5, 0, 0]);
  assertEquals(bench.ledger.figures("tokens", T0).spent, 40);
  bench.hold("b", 0.25, T0);
  bench.add(BUDGET_LINE.charge, T0, { hold: "b" });
  assertEquals(bench.figures(T0), [0.75, 0, 0]);
  bench.hold("c", 0.25, T0);
  bench.add(BUDGET_LINE.release, T0, { hold: "c", reason: "not sent" });
  assertEquals(bench.figures(T0), [0.75, 0, 0]);
});

Deno.test("BudgetLedger names the reason of a refusal: the amount is too large, other holds take the room, or the budget is spent", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  assertEquals(bench.hold("a", 1.000_000_001, T0), "too_large");
  assertEquals(bench.hold("a", 0.6, T0), "granted");
  assertEquals(bench.hold("b", 0.5, T0), "held");
  bench.add("llm_call", T0, { hold: "a", cost: 0.6 });
  assertEquals(bench.hold("b", 0.5, T0), "spent");
  const amounts = { usd: usd(0.5) };
  const refusal = bench.ledger.refusalOf({ id: "x", amounts, budgets: ["run"] }, T0, T0);
  const [limit, requested, charged] = [usd(1), usd(0.5), usd(0.6)];
  assertEquals(refusal, {
    ...{ budget: "run", unit: "usd", kind: "spent", fitsAtMs: T0 + HOUR_MS },
    ...{ limit, requested, charged, claimed: 0 },
  });
});

Deno.test("BudgetLedger.decisionMs() returns no time before the newest hold, or end of a hold, on the budget, even if a clock is behind, until a limit is set by hand", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  // The clock of the first process is two hours ahead.
  assertEquals(bench.hold("a", 1, T0 + 2 * HOUR_MS), "granted");
  bench.add("llm_call", T0 + 2 * HOUR_MS, { hold: "a", cost: 1 });
  assertEquals(bench.ledger.decisionMs(["run"], T0), T0 + 2 * HOUR_MS);
  assertEquals(bench.hold("b", 0.01, T0), "spent");
  // If a user sets a limit by hand, the time of the budget goes back to the time of that line. So a clock that was
  // ahead has no effect any more.
  const line = { terms: RUN, limit: usd(2), isDeclared: false, sums: [] };
  bench.add(BUDGET_LINE.limit, T0, limitFields(line));
  assertEquals(bench.ledger.decisionMs(["run"], T0), T0);
});

Deno.test("BudgetLedger ignores a second declaration with another window or `where`, but takes the limit of one that has the same", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  bench.declare({ ...RUN, hours: 2 }, 9);
  bench.declare({ ...RUN, where: { agent: "x" } }, 9);
  assertEquals(bench.ledger.figures("run", T0).limit, usd(1));
  bench.declare(RUN, 3);
  assertEquals(bench.ledger.figures("run", T0).limit, usd(3));
});

Deno.test("BudgetLedger counts an event on every budget whose `where` matches, comparing fields by their JSON", () => {
  const bench = new Bench();
  bench.declare(RUN, 10);
  bench.declare({ ...RUN, name: "x", where: { agent: "x", tags: ["a", 1] } }, 10);
  bench.declare({ ...RUN, name: "calls", unit: "calls" }, 10);
  bench.add("llm_call", T0, { agent: "x", tags: ["a", 1], cost: 0.5 });
  bench.add("llm_call", T0, { agent: "x", tags: ["a"], cost: 0.5, input_t: 1 });
  bench.add("nav", T0, { agent: "x", tags: ["a", 1] });
  bench.add("llm_call", T0, { cost: -3 });
  assertEquals([bench.figures(T0)[0], bench.figures(T0, "x")[0]], [1, 0.5]);
  assertEquals(bench.ledger.figures("calls", T0).spent, 3);
});

Deno.test("BudgetLedger has the same state whether it starts at a budget_state line, which states all figures, or at the first line of the log", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  bench.declare({ ...RUN, name: "total", unit: "tokens", hours: null, sinceMs: T0 - 7 }, 500);
  bench.hold("a", 0.25, T0);
  bench.add("llm_call", T0 + 5, { cost: 0.125, input_t: 20 });
  bench.ledger.compact(T0);
  const state = { ts: iso(T0), event: BUDGET_LINE.state, ...stateFields(bench.ledger.state()) };
  const resumed = new BudgetLedger({ isWhole: false });
  resumed.add({ event: "llm_call", cost: 9, ts: iso(T0) });
  assertEquals(resumed.isWhole, false);
  resumed.add(JSON.parse(JSON.stringify(state)));
  assert(resumed.isWhole);
  assertEquals(resumed.state(), bench.ledger.state());
});

Deno.test("BudgetLedger removes a budget that ends, and ignores its old holds if it is declared again", () => {
  const bench = new Bench();
  const other = { ...RUN, name: "other" };
  bench.declare(RUN, 1);
  bench.declare(other, 1);
  bench.hold("alone", 0.5, T0);
  bench.hold("both", 0.25, T0, { budgets: ["run", "other"] });
  bench.add(BUDGET_LINE.end, T0, { budget: "run" });
  assertEquals([...bench.ledger.names], ["other"]);
  assertEquals(bench.ledger.openHolds.map(({ id }) => id).toArray(), ["both"]);
  bench.declare(RUN, 1);
  assertEquals([bench.figures(T0), bench.figures(T0, "other")], [[0, 0, 0], [0, 0.25, 0]]);
  bench.add("llm_call", T0, { hold: "both", cost: 0.125 });
  assertEquals([bench.figures(T0), bench.figures(T0, "other")], [[0.125, 0, 0], [0.125, 0, 0]]);
});

Deno.test("BudgetLedger ignores a budget_state line, which states the figures of all budgets, if the line contradicts the lines before it", () => {
  const bench = new Bench();
  bench.declare(RUN, 1);
  bench.hold("a", 0.5, T0);
  const forged = new Bench();
  forged.declare(RUN, 9);
  bench.add(BUDGET_LINE.state, T0, stateFields(forged.ledger.state()));
  assertEquals(bench.figures(T0), [0, 0.5, 0]);
  assertEquals(bench.hold("b", 0.6, T0), "held");
});
