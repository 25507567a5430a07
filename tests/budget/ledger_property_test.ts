import type { AuditEvent } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import type { BudgetTerms } from "../../src/budget/account.ts";
import type { BudgetUnit } from "../../src/budget/amount.ts";
import {
  BUDGET_LINE,
  holdFields,
  limitFields,
  stateFields,
} from "../../src/budget/budget_lines.ts";
import { BudgetLedger } from "../../src/budget/ledger.ts";
import { sampledTest } from "../extent.ts";
import { SeededRandom } from "../seeded_random.ts";
import { type ModelBudget, PlainModel } from "./plain_model.ts";

const T0 = Date.UTC(2026, 1, 13, 10);
const HOUR_MS = 3_600_000;
const AGENTS = ["scout", "critic"];

const BUDGETS: readonly { readonly terms: BudgetTerms; readonly limit: bigint }[] = [
  { terms: budget("run", "usd", 1), limit: 1_000_000_000n },
  { terms: budget("critic", "usd", 24, { agent: "critic" }), limit: 600_000_000n },
  { terms: budget("total", "usd", null), limit: 3_000_000_000n },
  { terms: budget("tokens", "tokens", 0.5), limit: 5_000n },
  { terms: budget("calls", "calls", 2, { agent: "scout" }), limit: 12n },
];

function budget(
  name: string,
  unit: BudgetUnit,
  hours: number | null,
  where: Record<string, unknown> = {},
): BudgetTerms {
  return { name, unit, hours, sinceMs: hours === null ? T0 : null, where };
}

function modelOf({ terms, limit }: typeof BUDGETS[number]): ModelBudget {
  const { name, unit, hours, sinceMs, where } = terms;
  const agent = (where.agent ?? null) as string | null;
  return { name, unit, limit, windowMs: hours === null ? null : hours * HOUR_MS, sinceMs, agent };
}

/**
 * A random history of budget lines. Each line is added to the library's {@linkcode BudgetLedger} and to the plain
 * model, whose answers must agree.
 */
class History {
  readonly #random: SeededRandom;
  readonly model = new PlainModel();
  readonly ledger: BudgetLedger = new BudgetLedger({ isWhole: true });
  readonly #lines: AuditEvent[] = [];
  readonly #ids: string[] = [];
  readonly #waiting: string[] = [];
  readonly #declared = new Set<string>();
  readonly #ended = new Set<string>();
  #nowMs = T0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get names(): string[] {
    return [...this.#declared];
  }

  /**
   * Returns a ledger that starts to read at the newest `budget_state` line, which states the figures of all budgets;
   * null if there is no such line.
   */
  resumed(): BudgetLedger | null {
    const from = this.#lines.findLastIndex(({ event }) => event === BUDGET_LINE.state);
    if (from < 0) return null;
    const ledger = new BudgetLedger({ isWhole: false });
    for (const line of this.#lines.slice(from)) ledger.add(line);
    return ledger;
  }

  step(): void {
    // Some steps go back in time, because clocks may be set back, and the clocks of processes differ.
    this.#nowMs += this.#random.below(10) === 0
      ? -this.#random.below(600_000)
      : this.#random.below(this.#random.below(3) === 0 ? 180_000 : 2_000);
    const action = this.#random.below(23);
    if (this.#declared.size === 0 || action === 0) this.#declare();
    else if (action === 1) this.#limit();
    else if (action < 9) this.#hold();
    else if (action < 14) this.#cost(this.#anId());
    else if (action < 17) this.#cost(undefined);
    else if (action === 17) this.#end("release");
    else if (action === 18) this.#end("charge");
    else if (action === 19 && this.#random.below(6) === 0) this.#endBudget();
    else if (action < 22) this.#wait();
    else {
      this.ledger.compact(this.#nowMs);
      this.#add(BUDGET_LINE.state, this.#nowMs, stateFields(this.ledger.state()));
      this.model.add({ kind: "state", ms: this.#nowMs });
    }
  }

  #declare(): void {
    const each = this.#one(BUDGETS);
    const { terms, limit } = each;
    if (this.#declared.has(terms.name) || this.#ended.has(terms.name)) return;
    this.#declared.add(terms.name);
    const line = { terms, limit: Number(limit), isDeclared: true, sums: [] };
    this.#add(BUDGET_LINE.limit, this.#nowMs, limitFields(line));
    this.model.add({ kind: "declare", ms: this.#nowMs, budget: modelOf(each) });
  }

  #limit(): void {
    const { terms } = this.ledger.account(this.#one(this.names))!;
    const { limit: first } = BUDGETS.find(({ terms: { name } }) => name === terms.name)!;
    const limit = first * BigInt(1 + this.#random.below(4)) / 2n;
    const byHand = this.#random.below(2) === 0;
    const line = { terms, limit: Number(limit), isDeclared: !byHand, sums: [] };
    this.#add(BUDGET_LINE.limit, this.#nowMs, limitFields(line));
    this.model.add({ kind: "limit", ms: this.#nowMs, name: terms.name, limit, byHand });
  }

  #endBudget(): void {
    const name = this.#one(this.names);
    this.#declared.delete(name);
    this.#ended.add(name);
    this.#add(BUDGET_LINE.end, this.#nowMs, { budget: name });
    this.model.add({ kind: "end", ms: this.#nowMs, name });
  }

  #hold(): void {
    const asked = this.#ask();
    if (asked === null) return;
    const { budgets, amounts, held } = asked;
    // Some holds have waited for room. Their process has written a `budget_wait` line, which keeps room for them for a
    // limited time and may have expired.
    const waited = this.#random.below(3) === 0 ? this.#waiting.pop() : undefined;
    const id = waited ?? `${this.#ids.length}`;
    const ms = this.ledger.decisionMs(budgets, this.#nowMs);
    assertEquals(ms, Math.max(this.#nowMs, ...budgets.map((name) => this.model.clockMs(name))));
    const refusal = this.ledger.refusalOf({ id, amounts, budgets }, ms, this.#nowMs);
    const isOver = budgets.some((name) => {
      const { spent, held: inUse, orphaned } = this.model.figures(name, ms);
      const claimed = this.model.claimBefore(id, name, this.#nowMs);
      return spent + inUse + orphaned + claimed + held.get(name)! > this.model.limit(name);
    });
    assertEquals(refusal !== null, isOver, JSON.stringify(refusal));
    const resumed = this.resumed();
    if (resumed !== null) {
      assertEquals(resumed.decisionMs(budgets, this.#nowMs), ms);
      assertEquals(resumed.refusalOf({ id, amounts, budgets }, ms, this.#nowMs), refusal);
    }
    if (refusal !== null) return;
    this.#ids.push(id);
    const untilMs = ms + 1_000 * (1 + this.#random.below(1_800));
    this.#add(BUDGET_LINE.hold, ms, holdFields({ id, amounts, untilMs, budgets }));
    this.model.add({ kind: "hold", ms, id, untilMs, amounts: held });
  }

  /** Adds a `budget_wait` line, which keeps room for a hold that waits, or renews such a line. */
  #wait(): void {
    const asked = this.#ask();
    if (asked === null) return;
    const { budgets, amounts, held } = asked;
    const isRenewed = this.#waiting.length > 0 && this.#random.below(2) === 0;
    const id = isRenewed ? this.#one(this.#waiting) : `wait ${this.#lines.length}`;
    if (!isRenewed) this.#waiting.push(id);
    const ms = this.#nowMs;
    // A `budget_wait` line keeps room for a waiting hold for 10 s at most. If the clock of its process is ahead, the
    // line is valid for longer.
    const untilMs = ms + 4_000 + this.#random.below(8_000);
    this.#add(BUDGET_LINE.wait, ms, holdFields({ id, amounts, untilMs, budgets }));
    this.model.add({ kind: "wait", ms, id, untilMs, amounts: held });
  }

  /**
   * Returns random budgets, the amount to reserve in each unit, and the amount to reserve on each budget by its name;
   * null if no budget was drawn.
   */
  #ask() {
    const budgets = this.names.filter(() => this.#random.below(2) === 0);
    if (budgets.length === 0) return null;
    const amounts: Partial<Record<BudgetUnit, number>> = {
      usd: this.#random.below(400_000_000),
      tokens: this.#random.below(2_000),
      calls: 1,
    };
    const unitOf = (name: string) => this.ledger.account(name)!.terms.unit;
    const units = new Set(budgets.map(unitOf));
    for (const unit of ["usd", "tokens", "calls"] as const) {
      if (!units.has(unit)) delete amounts[unit];
    }
    const held = new Map(budgets.map((name) => [name, BigInt(amounts[unitOf(name)]!)]));
    return { budgets, amounts, held };
  }

  #cost(id: string | undefined): void {
    // Some events are dated up to 30 hours before or after now, like imported events and those of processes with other
    // clocks.
    const ms = this.#nowMs + (this.#random.below(8) === 0 ? this.#far() : 0);
    const agent = this.#one(AGENTS);
    const parts = BigInt(this.#random.below(300_000_000));
    const tokens = this.#random.below(1_500);
    const says = this.#random.below(4);
    const fields = {
      ...id === undefined ? {} : { hold: id },
      agent,
      ...says < 2 ? { cost: Number(parts) / 1e9 } : {},
      ...says % 2 === 0 ? { input_t: tokens, output_t: 7 } : {},
    };
    const stated = new Map<string, bigint>([
      ...says < 2 ? [["usd", parts] as const] : [],
      ...says % 2 === 0 ? [["tokens", BigInt(tokens + 7)] as const] : [],
      ...says === 3 ? [] : [["calls", 1n] as const],
    ]);
    this.#add("llm_call", ms, fields);
    this.model.add({ kind: "cost", ms, ...id === undefined ? {} : { id }, agent, stated });
  }

  #end(kind: "release" | "charge"): void {
    const waits = kind === "release" && this.#random.below(3) === 0;
    const id = waits ? this.#waiting.pop() : this.#anId();
    if (id === undefined) return;
    this.#add(BUDGET_LINE[kind], this.#nowMs, { hold: id });
    this.model.add({ kind, ms: this.#nowMs, id });
  }

  #far(): number {
    return (this.#random.below(2) === 0 ? 1 : -1) * this.#random.below(30 * HOUR_MS);
  }

  /** Returns the ID of a recent hold (reserved amount), which may have ended. */
  #anId(): string | undefined {
    return this.#ids.at(-1 - this.#random.below(6));
  }

  #one<T>(choices: readonly T[]): T {
    return choices[this.#random.below(choices.length)]!;
  }

  #add(type: string, ms: number, fields: Record<string, unknown>): void {
    const ts = new Date(ms).toISOString();
    const event = JSON.parse(JSON.stringify({ ts, event: type, ...fields })) as AuditEvent;
    this.#lines.push(event);
    this.ledger.add(event);
  }
}

await sampledTest(
  "BudgetLedger agrees with a plain model, even if it starts at the newest budget_state line, which states the figures of all budgets",
  1 / 10,
  (extent) => {
    for (const seed of extent.seeds(300)) {
      const random = new SeededRandom(`${seed}`);
      const history = new History(random);
      for (let steps = 0; steps < 90; steps++) {
        history.step();
        if (steps % 10 > 0) continue;
        const resumed = history.resumed();
        for (const name of history.names) {
          const clockMs = Math.max(history.nowMs, history.model.clockMs(name));
          const ms = clockMs + (random.below(2) === 0 ? 0 : random.below(3 * HOUR_MS));
          const { spent, held, orphaned } = history.model.figures(name, ms);
          const limit = history.model.limit(name);
          const expected = [spent, held, orphaned, limit].map(Number);
          for (const ledger of [history.ledger, resumed]) {
            if (ledger?.account(name) === undefined) continue;
            const found = ledger.figures(name, ms);
            const figures = [found.spent, found.held, found.orphaned, found.limit];
            assertEquals(figures, expected, `seed ${seed}, ${steps} steps, ${name}`);
          }
        }
      }
    }
  },
);
