/**
 * Declares budgets. If the log already has the budget, takes over its terms. Otherwise begins a new budget, whose spent
 * amount includes the earlier costs in the log that count on it.
 *
 * @module
 */
import { type AuditEvent, isReservedType } from "../event.ts";
import { Turns } from "../platform/turns.ts";
import { DamageReport } from "../read/damage.ts";
import { mayLineHold } from "../read/filter.ts";
import { eventFilter } from "../read/filter.ts";
import type { LineSource } from "../read/line_source.ts";
import { LineTest } from "../read/line_test.ts";
import { lineOf, linesInTurns } from "../read/manifest_lines.ts";
import { eventsOf } from "../read/read_file.ts";
import { type Snapshot, takeSnapshot } from "../read/snapshot.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { eventEpochMs } from "../time.ts";
import { Account, type BudgetTerms } from "./account.ts";
import { BUDGET_LINE, limitFields } from "./budget_lines.ts";
import type { Declaration } from "./budget_options.ts";
import type { BudgetKeeper, DecidedLine } from "./keeper.ts";
import { isSame } from "./ledger.ts";

const HOUR_MS = 3_600_000;

/**
 * Maximum number of budgets in a log. Each `budget_state` line lists all budgets, so more budgets would make these
 * lines too long.
 */
const BUDGETS_MAX = 1_000;

/**
 * Declares a budget: writes its limit into the log, except if the same limit was declared last. Then resolves with the
 * terms of the budget: its unit, its window or start, and its `where`.
 *
 * @throws {TypeError} If the budget exists with another unit, window or `where`.
 */
export async function declare(
  declaration: Declaration,
  { keeper, source }: { keeper: BudgetKeeper; source: LineSource },
): Promise<BudgetTerms> {
  for (;;) {
    const gathering = new Gathering(declaration, source);
    try {
      const first = await gathering.request(keeper, { mayGather: true });
      if (first !== null) return first;
      await gathering.readHistory();
      const terms = await gathering.request(keeper, { mayGather: false });
      if (terms !== null) return terms;
      // During readHistory(), the keeper has discarded its ledger (the amounts of all budgets) and has read lines
      // again. So `gathering` may have counted some events twice, or not at all. The next iteration gathers all costs
      // again.
    } finally {
      gathering.end();
    }
  }
}

/** Sums the costs in the log that are earlier than a new budget and count on it. */
class Gathering {
  readonly #declaration: Declaration;
  readonly #source: LineSource;
  readonly #account: Account;
  /**
   * The files of the log at the time of the first request, which ran under the append lock. The events that are added
   * to the log later come from the listener of the {@linkcode BudgetKeeper}.
   */
  #snapshot: Snapshot | undefined;
  /** Time at which the snapshot of the log's files was taken, epoch milliseconds. */
  #lookedMs = NaN;
  #unlisten: () => void = () => {};
  /**
   * The generation of the keeper's ledger when the snapshot was taken. If the generation is another one later, the
   * keeper has begun a new ledger and may have repeated or omitted events.
   */
  #generation = NaN;

  constructor(declaration: Declaration, source: LineSource) {
    this.#declaration = declaration;
    this.#source = source;
    const { terms, limit } = declaration;
    const facts = { limit, declaredLimit: limit, clockMs: -Infinity, sums: [] };
    this.#account = new Account(terms, facts);
  }

  /**
   * Looks up the budget under the append lock, and writes its limit if the log does not have it. Resolves with the
   * terms of the budget. Resolves with null if the earlier costs of the budget must be gathered first, or gathered
   * again.
   */
  async request(
    keeper: BudgetKeeper,
    { mayGather }: { mayGather: boolean },
  ): Promise<BudgetTerms | null> {
    let found: BudgetTerms | null = null;
    await keeper.decide((ledger, nowMs) => {
      const existing = ledger.account(this.#declaration.terms.name);
      if (existing !== undefined) {
        found = this.#takenOver(existing);
        const { limit } = this.#declaration;
        return existing.declaredLimit === limit ? null : this.#line(existing.terms, nowMs);
      }
      if (mayGather && !this.#declaration.startsNow) {
        this.#lookedMs = nowMs;
        this.#snapshot = takeSnapshot(this.#source.log);
        this.#unlisten = keeper.listen((event) => this.#add(event));
        this.#generation = keeper.generation;
        return null;
      }
      if (!this.#declaration.startsNow && keeper.generation !== this.#generation) return null;
      if (ledger.accountCount >= BUDGETS_MAX) {
        throw new TypeError(
          `Cannot declare budget: the log has ${BUDGETS_MAX} budgets already; end one with scout budget end NAME`,
        );
      }
      found = this.#declaration.terms;
      return this.#line(found, nowMs);
    });
    return found;
  }

  /**
   * Reads the files of the snapshot, and adds the costs of their events to the account of the new budget. Counts the
   * events in the rolling window or, if the budget is a total, since its start.
   */
  async readHistory(): Promise<void> {
    const { log, clock, logger, maxLineBytes } = this.#source;
    const { sinceMs, hours } = this.#declaration.terms;
    const from = sinceMs ?? this.#lookedMs - hours! * HOUR_MS;
    const filter = eventFilter({ since: from });
    const turns = new Turns(clock);
    const manifest = this.#source.manifest ?? new ManifestReader(log);
    const lines = await linesInTurns(manifest, logger, turns);
    const lineTest = new LineTest({ sinceMs: from });
    const damage = new DamageReport(logger);
    for (const file of this.#snapshot!.files) {
      if (turns.isDue) await turns.take();
      const line = lineOf(file, lines);
      if (line !== undefined && !mayLineHold(line, filter)) continue;
      const options = { log, clock, maxLineBytes, damage, lineTest, signal: undefined };
      for await (const events of eventsOf(file, { ...options, order: "asc" })) {
        for (const event of events) this.#add(event);
      }
    }
  }

  /** Closes the files of the snapshot, and stops receiving new events from the {@linkcode BudgetKeeper}. */
  end(): void {
    this.#unlisten();
    this.#snapshot?.[Symbol.dispose]();
  }

  #add(event: AuditEvent): void {
    const dateMs = eventEpochMs(event.ts);
    if (Number.isNaN(dateMs) || isReservedType(event.event)) return;
    if (this.#account.matches(event, dateMs)) this.#account.addEvent(event, dateMs);
  }

  /**
   * Checks that the budget in the log has the terms of the declaration, and returns its terms. Terms cannot change,
   * because all processes share the budget.
   */
  #takenOver({ terms }: Account): BudgetTerms {
    const { terms: declared, startsNow } = this.#declaration;
    const sinceMs = startsNow ? terms.sinceMs : declared.sinceMs;
    if (isSame(terms, { ...declared, sinceMs })) return terms;
    throw new TypeError(
      `Cannot declare budget: "${terms.name}" exists with other terms, which cannot be changed: ${
        JSON.stringify(shownTerms(terms))
      }, got ${JSON.stringify(shownTerms(declared))}; use another name`,
    );
  }

  #line(terms: BudgetTerms, nowMs: number): DecidedLine {
    this.#account.clockMs = nowMs;
    this.#account.compact();
    const { limit } = this.#declaration;
    const fields = limitFields({ terms, limit, isDeclared: true, sums: this.#account.sums });
    return { type: BUDGET_LINE.limit, fields, ms: nowMs };
  }
}

function shownTerms({ unit, hours, sinceMs, where }: BudgetTerms) {
  const since = sinceMs === null ? undefined : new Date(sinceMs).toISOString();
  return { unit, hours: hours ?? undefined, since, where };
}
