/**
 * Gathers the rollup of an archive, the file with its sums, one event at a time. Pure.
 *
 * Events are grouped by type, model and agent at once, because that takes less time than a table for each. At the end,
 * the groups are merged into the table by type and model, and the table by agent.
 *
 * @module
 */
import { type AuditEvent, BUDGET_STATE } from "../event.ts";
import { QUARTER_MS } from "../time.ts";
import { callFacts, CallTally, isFailure } from "./call_tally.ts";
import { DurationScan } from "./duration_scan.ts";
import { FailureReasons } from "./failure_reasons.ts";
import { GateTally } from "./gate_tally.ts";
import { type Cell, type EventFacts, GroupScan } from "./group_scan.ts";
import { HoldTally } from "./hold_tally.ts";
import {
  AGENTS,
  CALLS,
  type RollupContent,
  type RollupSessions,
  type RollupTable,
  SESSIONS,
  type StoredCalls,
  type StoredCell,
  type StoredQuarter,
  type StoredValidations,
} from "./rollup.ts";
import { SpendTally } from "./spend_tally.ts";
import { TimeRange } from "./time_range.ts";

/**
 * Maximum number of cells in a rollup. A cell has the costs of a group of events in a quarter of an hour. If an archive
 * has more cells, it has no rollup, and readers decode the archive.
 */
const CELLS_MAX = 10_000;
/**
 * Maximum total length of the values by which a rollup groups events, in UTF-16 code units. If the values of an archive
 * are longer, it has no rollup, and readers decode the archive.
 */
const KEYS_LENGTH_MAX = 128 * 1024;
/**
 * Maximum numbers of groups and cells by type, model and agent while a rollup is gathered. Above one of them, the
 * agents are forgotten, so that neither the memory nor the time for merging the groups grows with the number of agents.
 */
const AGENT_CELLS_MAX = 40_000;
const AGENT_GROUPS_MAX = 4_000;

/** A table of a rollup with its sketches and its cells. */
interface TableSums {
  readonly table: RollupTable;
  readonly sketches: readonly (readonly number[])[];
  readonly cells: readonly StoredCell[];
}

/** Gathers the figures of the calls in each group of events. */
class TableScan {
  readonly groups: GroupScan;
  readonly #calls: CallTally[] = [];

  constructor(by: readonly string[], otherTypes?: ReadonlySet<string>) {
    this.groups = new GroupScan(by, otherTypes);
  }

  add(event: AuditEvent, facts: EventFacts): void {
    const group = this.groups.add(event, facts);
    (this.#calls[group] ??= new CallTally()).add(event, facts);
  }

  /** Returns the same sums grouped by `by`, which are some of the fields of this table. */
  mergedBy(by: readonly string[]): TableScan {
    const merged = new TableScan(by, this.groups.otherTypes);
    const places = by.map((name) => this.groups.by.indexOf(name));
    for (const [group, { key, cells }] of this.groups.entries()) {
      const into = merged.groups.addCells(places.map((place) => key[place]!), cells);
      (merged.#calls[into] ??= new CallTally()).addAll(this.#calls[group]!);
    }
    return merged;
  }

  /** Returns the content of the table. */
  sums(): TableSums {
    const groups = this.groups.entries();
    return {
      table: {
        by: this.groups.by,
        keys: groups.map(([, { key }]) => key),
        hasOtherTypes: this.groups.hasOtherTypes,
        calls: this.#calls.map((tally) => tally.state()),
      },
      sketches: this.#calls.map(({ sketch }) => sketch.state()),
      cells: groups.flatMap(([group, { cells }]) => storedCells(cells, group)),
    };
  }
}

/** Returns the calls grouped by agent, without groups if no event has an agent. */
function byAgent(calls: TableScan): TableScan {
  const agents = calls.mergedBy(AGENTS);
  const isNobody = agents.groups.entries().every(([, { key: [agent] }]) => agent === null);
  return isNobody ? new TableScan(AGENTS) : agents;
}

/** Gathers the table of sessions of a rollup: the costs, tokens and times of each session. */
class SessionScan {
  readonly groups: GroupScan = new GroupScan(SESSIONS);
  readonly #times: TimeRange[] = [];

  add(event: AuditEvent, facts: EventFacts): void {
    const group = this.groups.add(event, facts);
    (this.#times[group] ??= new TimeRange()).add(facts.epochMs);
  }

  sessions(): RollupSessions {
    const groups = this.groups.entries();
    return {
      keys: groups.map(([, { key }]) => key),
      hasOtherTypes: this.groups.hasOtherTypes,
      spend: groups.map(([, { cells }]) => {
        const total = new SpendTally();
        for (const cell of cells.values()) total.addAll(cell);
        return total.state();
      }),
      times: this.#times.map((range) => range.state()),
    };
  }

  cells(): StoredCell[] {
    return this.groups.entries().flatMap(([group, { cells }]) => storedCells(cells, group));
  }
}

function storedCells(cells: ReadonlyMap<number, Cell>, group: number): StoredCell[] {
  return Array.from(cells, ([quarter, cell]): StoredCell => [
    Number.isNaN(quarter) ? null : quarter,
    group,
    ...cell.state(),
  ]);
}

/** Returns the calls of each group in each quarter of an hour, without events that have no readable time. */
function storedCalls({ groups }: TableScan): StoredCalls[] {
  return groups.entries().flatMap(([group, { cells }]) =>
    [...cells].filter(([quarter, { calls }]) => calls > 0 && !Number.isNaN(quarter))
      .map(([quarter, { calls, errors }]): StoredCalls => [quarter, group, calls, errors])
  );
}

/** The tables of a rollup while it is gathered. */
interface Tables {
  /** The groups by type, model and agent; only by type and model if there are too many agents. */
  calls: TableScan;
  /** The groups by each field in the option `rollupFields`. */
  readonly fields: readonly TableScan[];
  readonly sessions: SessionScan;
}

function hasAgents({ by }: GroupScan): boolean {
  return by.length > CALLS.length;
}

/** Merges the groups of all agents if there are too many. Returns the groups of the calls. */
function forgetAgents(tables: Tables): GroupScan {
  const { groups } = tables.calls;
  const areTooMany = groups.cellCount > AGENT_CELLS_MAX || groups.size > AGENT_GROUPS_MAX ||
    groups.keysLength > KEYS_LENGTH_MAX;
  if (areTooMany && hasAgents(groups)) tables.calls = tables.calls.mergedBy(CALLS);
  return tables.calls.groups;
}

/** Gathers the rollup of an archive, the file with its sums, one event at a time. */
export class RollupScan {
  /** The tables; null if they have become too large. */
  #tables: Tables | null;
  readonly #failures = new FailureReasons();
  /** The number of failed validations in each quarter of an hour, by the name of their reason. */
  readonly #validations = new Map<number, Map<string, number>>();
  readonly #durations = new DurationScan();
  readonly #gate = new GateTally();
  readonly #holds = new HoldTally();
  #budgetStates = 0;
  /** The times of the events in each quarter of an hour, by the number of the quarter. */
  readonly #quarters = new Map<number, TimeRange>();
  #lastQuarter: { readonly number: number; readonly range: TimeRange } | undefined;
  #longest = 0;

  /**
   * Starts without events. For each name in `fields` (the option `rollupFields` of the log), a table groups the events
   * by that field.
   */
  constructor(fields: readonly string[]) {
    this.#tables = {
      calls: new TableScan([...CALLS, ...AGENTS]),
      fields: fields.filter((field) => !AGENTS.includes(field))
        .map((field) => new TableScan([field])),
      sessions: new SessionScan(),
    };
  }

  /**
   * Adds the next event.
   *
   * @param epochMs The time of the event in epoch milliseconds; NaN if the event has no readable time.
   * @param lineBytes Length of the line in bytes, with its line break.
   */
  add(event: AuditEvent, epochMs: number, lineBytes: number): void {
    if (this.#tables === null) return;
    const quarter = Math.floor(epochMs / QUARTER_MS);
    // The object is not spread, because that takes longer for each event.
    const { spend, isCall, hasFailed, durationMs } = callFacts(event);
    const facts: EventFacts = { epochMs, quarter, spend, isCall, hasFailed, durationMs };
    const { calls, fields, sessions } = this.#tables;
    sessions.add(event, facts);
    calls.add(event, facts);
    const groups = forgetAgents(this.#tables);
    // The groups with agents are merged at the end, so only then their number is known.
    let [cellCount, keysLength] = hasAgents(groups)
      ? [0, 0]
      : [groups.cellCount, groups.keysLength];
    cellCount += sessions.groups.cellCount;
    keysLength += sessions.groups.keysLength;
    for (const table of fields) {
      table.add(event, facts);
      cellCount += table.groups.cellCount;
      keysLength += table.groups.keysLength;
    }
    if (durationMs !== null && !Number.isNaN(quarter)) this.#durations.add(quarter, durationMs);
    if (isFailure(event)) this.#addFailure(event, epochMs, quarter);
    this.#gate.add(event);
    this.#holds.add(event);
    if (isBudgetState(event)) this.#budgetStates++;
    if (!Number.isNaN(epochMs)) this.#rangeOf(quarter).add(epochMs);
    if (lineBytes > this.#longest) this.#longest = lineBytes;
    keysLength += this.#holds.namesLength;
    if (cellCount > CELLS_MAX || keysLength > KEYS_LENGTH_MAX) this.#tables = null;
  }

  /** Returns the content of the rollup, or null if the archive has too many groups or a sum is not finite. */
  finish(): RollupContent | null {
    if (this.#tables === null) return null;
    const { calls, fields, sessions } = this.#tables;
    const first = calls.mergedBy(CALLS);
    const agents = hasAgents(calls.groups) ? [byAgent(calls)] : [];
    const validations = this.#validationCounts();
    const areTooMany = (tables: readonly { readonly groups: GroupScan }[]) => {
      const groups = [sessions, ...tables].map(({ groups }) => groups);
      const cellCount = groups.reduce(
        (sum, each) => sum + each.cellCount,
        validations.cells.length,
      );
      const keysLength = groups.reduce(
        (sum, each) => sum + each.keysLength,
        this.#holds.namesLength,
      );
      return cellCount > CELLS_MAX || keysLength > KEYS_LENGTH_MAX;
    };
    const all = [first, ...agents, ...fields];
    // Without the table of agents, the rollup still answers spend() and stats() by other fields.
    const kept = areTooMany(all) ? [first, ...fields] : all;
    if (areTooMany(kept)) return null;
    const sums = kept.map((scan) => scan.sums());
    const [byAgents] = kept === all ? agents : [];
    const areNamed = byAgents !== undefined && byAgents.groups.size > 0;
    const content = {
      tables: sums.map(({ table }) => table),
      failures: this.#failures.isCut ? null : this.#failures.inOrder(),
      validations: validations.totals,
      gate: this.#gate.state(),
      holds: this.#holds.state(),
      budgetStates: this.#budgetStates,
      longest: this.#longest,
      sketches: sums.map(({ sketches }) => sketches),
      cells: {
        tables: sums.map(({ cells }) => cells),
        quarters: Array.from(
          this.#quarters,
          ([quarter, range]): StoredQuarter => [quarter, ...range.state()],
        ),
        validations: validations.cells,
      },
      sessions: sessions.sessions(),
      sessionCells: sessions.cells(),
      activity: {
        calls: storedCalls(areNamed ? byAgents : calls.mergedBy([])),
        durations: this.#durations.stored(),
      },
    };
    const { tables, gate, holds, cells, sessions: { spend } } = content;
    // A sum of huge numbers can overflow to Infinity, which JSON cannot store. The archive then has no rollup.
    const figures = [tables.map(({ calls }) => calls), gate, holds, cells.tables, spend];
    return isFinite(figures) ? content : null;
  }

  #addFailure(event: AuditEvent, epochMs: number, quarter: number): void {
    const reason = this.#failures.add(event, epochMs);
    if (event.event !== "validation_fail" || Number.isNaN(quarter)) return;
    let counts = this.#validations.get(quarter);
    if (counts === undefined) this.#validations.set(quarter, counts = new Map());
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }

  /** Returns the failed validations by quarter of an hour and reason, and in total by reason. */
  #validationCounts(): { cells: StoredValidations[]; totals: [reason: number, count: number][] } {
    const places = new Map(this.#failures.inOrder().map(({ reason }, place) => [reason, place]));
    const cells: StoredValidations[] = [];
    const totals = new Map<number, number>();
    for (const [quarter, counts] of this.#validations) {
      for (const [reason, count] of counts) {
        const place = places.get(reason)!;
        cells.push([quarter, place, count]);
        totals.set(place, (totals.get(place) ?? 0) + count);
      }
    }
    return { cells, totals: [...totals] };
  }

  #rangeOf(quarter: number): TimeRange {
    if (this.#lastQuarter?.number === quarter) return this.#lastQuarter.range;
    let range = this.#quarters.get(quarter);
    if (range === undefined) this.#quarters.set(quarter, range = new TimeRange());
    this.#lastQuarter = { number: quarter, range };
    return range;
  }
}

/**
 * Checks whether an event has the form of a `budget_state` line. Another program may have written an event of that type
 * without the members of such a line.
 */
function isBudgetState({ event, accounts, holds }: AuditEvent): boolean {
  return event === BUDGET_STATE && Array.isArray(accounts) && Array.isArray(holds);
}

function isFinite(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  return !Array.isArray(value) || value.every(isFinite);
}
