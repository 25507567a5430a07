/**
 * A rollup: the sums of the events of one archive, small enough to answer questions about months without decoding any
 * archive. This file gathers a rollup from events. Pure.
 *
 * A rollup has a table for each set of fields by which calls are grouped. A table has three parts, each of which is
 * read only if a question needs it:
 *
 * - totals: the sums of each group;
 * - sketches: the quantiles of the durations of each group;
 * - cells: the costs and tokens of a group in a quarter of an hour. The hours and days of every time zone consist of
 *   whole quarters.
 *
 * The table of sessions has only costs and tokens. Its totals and its cells are separate parts, because an archive can
 * have hundreds of sessions. Next to its tables, a rollup has the reasons of failures, the decisions of the gate, and the holds of
 * budgets.
 *
 * @module
 */
import { type AuditEvent, BUDGET_STATE, groupText } from "../event.ts";
import { QUARTER_MS } from "../time.ts";
import { type CallState, CallTally, isFailure, spendIn } from "./call_tally.ts";
import { type FailureReason, FailureReasons } from "./failure_reasons.ts";
import { type GateState, GateTally } from "./gate_tally.ts";
import { type HoldState, HoldTally } from "./hold_tally.ts";
import { QuantileSketch } from "./quantile_sketch.ts";
import { type SpendFacts, spendFacts, type SpendState, SpendTally } from "./spend_tally.ts";
import { TimeRange, type TimeRangeState } from "./time_range.ts";

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
 * The fields by which every rollup groups events in its first table. Other tables group by the fields in the option
 * `rollupFields`.
 */
const CALLS = ["event", "model"] as const;
/** The field of the table of sessions. */
export const SESSIONS: readonly string[] = ["session_id"];

/**
 * The key of a group of events: the values of the fields by which a table groups events. A value is null for events
 * without the field.
 */
export type RollupKey = readonly (string | null)[];

/**
 * A cell as it is stored: the number of its quarter of an hour, the number of its group of events, and their costs and
 * tokens.
 */
export type StoredCell = readonly [quarter: number | null, group: number, ...state: SpendState];

/** A quarter of an hour as it is stored: its number, and the times of its first and last event. */
export type StoredQuarter = readonly [quarter: number, ...times: TimeRangeState];

/** The groups of events in a table of a rollup. */
export interface RollupGroups {
  readonly keys: readonly RollupKey[];
  /**
   * Whether some values in `keys` are not strings in the events. They are stored as JSON text, so they look like
   * strings. But a filter by type or session must not match them, because it selects only strings.
   */
  readonly hasOtherTypes: boolean;
}

/** A table of a rollup with the total of each group of events. */
export interface RollupTable extends RollupGroups {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  /** The sums of the calls in each group of events, in the order of `keys`. */
  readonly calls: readonly CallState[];
}

/**
 * The cells of each table (the costs and tokens of each group in each quarter of an hour), and the quarters of an hour
 * in which the archive has events.
 */
export interface RollupCells {
  readonly tables: readonly (readonly StoredCell[])[];
  readonly quarters: readonly StoredQuarter[];
}

/** The table of sessions without its cells. Each key is the value of the field `session_id`. */
export interface RollupSessions extends RollupGroups {
  /** The costs and tokens of each session, in the order of the keys. */
  readonly spend: readonly SpendState[];
  /** The times of the first and the last event of each session, in the order of the keys. */
  readonly times: readonly TimeRangeState[];
}

/** The parts of a rollup (the file with the sums of an archive) that are read only if a question needs them. */
export interface RollupParts {
  /**
   * The sketches of each table, in the order of its keys. A sketch estimates the quantiles of the durations of a group.
   */
  readonly sketches: readonly (readonly (readonly number[])[])[];
  readonly cells: RollupCells;
  readonly sessions: RollupSessions;
  /** The cells of the table of sessions: the costs and tokens of each session in each quarter of an hour. */
  readonly sessionCells: readonly StoredCell[];
}

/** The content of a rollup, the file with the sums of an archive. */
export interface RollupContent extends RollupParts {
  readonly tables: readonly RollupTable[];
  /** The failures in the order of their first events; null if there are too many different reasons. */
  readonly failures: readonly FailureReason[] | null;
  readonly gate: GateState;
  readonly holds: HoldState;
  /** Number of lines that state the amounts of all budgets. */
  readonly budgetStates: number;
  /** Length of the longest line of an event in bytes, with its line break. */
  readonly longest: number;
}

/** A tree with a level for each field of a table. The nodes of the last level have the numbers of the groups. */
class GroupNode {
  /** The number of the group; -1 if the node has none. */
  group = -1;
  readonly #children = new Map<string | null, GroupNode>();
  /** The last child that was asked for. The next event mostly has the same value. */
  #last: { readonly text: string | null; readonly child: GroupNode } | undefined;

  /** Returns the node of a value of the next field; null if an event has no value. Creates the node if necessary. */
  child(text: string | null): GroupNode {
    if (this.#last?.text === text) return this.#last.child;
    let child = this.#children.get(text);
    if (child === undefined) this.#children.set(text, child = new GroupNode());
    this.#last = { text, child };
    return child;
  }
}

/** What every table needs of an event, so that it is computed only once. */
interface EventFacts {
  /** The time in epoch milliseconds, and the number of its quarter of an hour; NaN without a readable time. */
  readonly epochMs: number;
  readonly quarter: number;
  readonly spend: SpendFacts;
}

/**
 * Gathers the groups of events of a table, and the costs and tokens of each group in each quarter of an hour (a cell).
 */
class GroupScan {
  readonly by: readonly string[];
  readonly #keys: RollupKey[] = [];
  /** The cells of each group, by the number of the quarter. The quarter of events without a readable time is NaN. */
  readonly #cells: Map<number, SpendTally>[] = [];
  /** The cell of the last event of each group. The next event of the group mostly has the same cell. */
  readonly #lastCells: { readonly quarter: number; readonly cell: SpendTally }[] = [];
  readonly #tree = new GroupNode();
  cellCount = 0;
  keysLength = 0;
  #hasOtherTypes = false;

  constructor(by: readonly string[]) {
    this.by = by;
  }

  /** Adds an event to the cell of its group, and returns the number of the group. */
  add(event: AuditEvent, { spend, quarter }: EventFacts): number {
    const group = this.#groupOf(event);
    let last = this.#lastCells[group];
    if (last === undefined || !Object.is(last.quarter, quarter)) {
      last = this.#lastCells[group] = { quarter, cell: this.#cellOf(group, quarter) };
    }
    last.cell.addFacts(spend);
    return group;
  }

  #groupOf(event: AuditEvent): number {
    let node = this.#tree;
    for (const name of this.by) node = node.child(this.#textOf(event, name));
    if (node.group >= 0) return node.group;
    const key = this.by.map((name) => groupText(event, name));
    this.keysLength += key.reduce((sum, text) => sum + (text?.length ?? 0), 0);
    this.#cells.push(new Map());
    node.group = this.#keys.push(key) - 1;
    return node.group;
  }

  #cellOf(group: number, quarter: number): SpendTally {
    const cells = this.#cells[group]!;
    let cell = cells.get(quarter);
    if (cell === undefined) {
      cells.set(quarter, cell = new SpendTally());
      this.cellCount++;
    }
    return cell;
  }

  #textOf(event: AuditEvent, name: string): string | null {
    const value = event[name];
    if (typeof value === "string") return value;
    const text = groupText(event, name);
    if (text !== null) this.#hasOtherTypes = true;
    return text;
  }

  groups(): RollupGroups {
    return { keys: this.#keys, hasOtherTypes: this.#hasOtherTypes };
  }

  /** Returns the costs and tokens of each group. */
  spend(): SpendState[] {
    return this.#cells.map((byQuarter) => {
      const total = new SpendTally();
      for (const cell of byQuarter.values()) total.addAll(cell);
      return total.state();
    });
  }

  cells(): StoredCell[] {
    return this.#cells.flatMap((byQuarter, group) =>
      Array.from(byQuarter, ([quarter, cell]): StoredCell => [
        Number.isNaN(quarter) ? null : quarter,
        group,
        ...cell.state(),
      ])
    );
  }
}

/** Gathers a table of a rollup: the figures of the calls in each group of events. */
class TableScan {
  readonly groups: GroupScan;
  readonly #calls: CallTally[] = [];

  constructor(by: readonly string[]) {
    this.groups = new GroupScan(by);
  }

  add(event: AuditEvent, facts: EventFacts): void {
    const group = this.groups.add(event, facts);
    (this.#calls[group] ??= new CallTally()).add(event, facts.spend);
  }

  table(): RollupTable {
    const calls = this.#calls.map((tally) => tally.state());
    return { by: this.groups.by, ...this.groups.groups(), calls };
  }

  sketches(): number[][] {
    return this.#calls.map(({ sketch }) => sketch.state());
  }
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
    return {
      ...this.groups.groups(),
      spend: this.groups.spend(),
      times: this.#times.map((range) => range.state()),
    };
  }
}

/** The tables of a rollup while it is gathered. */
interface Tables {
  readonly calls: readonly TableScan[];
  readonly sessions: SessionScan;
}

/** Gathers the rollup of an archive, the file with its sums, one event at a time. */
export class RollupScan {
  /** The tables; null if they have become too large. */
  #tables: Tables | null;
  readonly #failures = new FailureReasons();
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
      calls: [CALLS, ...fields.map((field) => [field])].map((by) => new TableScan(by)),
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
    const facts: EventFacts = { epochMs, quarter, spend: spendFacts(event) };
    const { calls, sessions } = this.#tables;
    sessions.add(event, facts);
    let { cellCount, keysLength } = sessions.groups;
    for (const table of calls) {
      table.add(event, facts);
      cellCount += table.groups.cellCount;
      keysLength += table.groups.keysLength;
    }
    if (isFailure(event)) this.#failures.add(event, epochMs);
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
    const { calls, sessions } = this.#tables;
    const content = {
      tables: calls.map((table) => table.table()),
      failures: this.#failures.isCut ? null : this.#failures.inOrder(),
      gate: this.#gate.state(),
      holds: this.#holds.state(),
      budgetStates: this.#budgetStates,
      longest: this.#longest,
      sketches: calls.map((table) => table.sketches()),
      cells: {
        tables: calls.map(({ groups }) => groups.cells()),
        quarters: Array.from(
          this.#quarters,
          ([quarter, range]): StoredQuarter => [quarter, ...range.state()],
        ),
      },
      sessions: sessions.sessions(),
      sessionCells: sessions.groups.cells(),
    };
    const { tables, gate, holds, cells, sessions: { spend } } = content;
    // A sum of huge numbers can overflow to Infinity, which JSON cannot store. The archive then has no rollup.
    const sums = [tables.map(({ calls }) => calls), gate, holds, cells.tables, spend];
    return isFinite(sums) ? content : null;
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

/** Returns the costs and tokens of a group of events in a table of a rollup. */
export function spendOf({ calls }: RollupTable, group: number): SpendTally {
  return spendIn(CallTally.from(calls[group]!, new QuantileSketch()));
}
