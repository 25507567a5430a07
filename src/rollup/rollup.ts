/**
 * A rollup: the sums of the events of one archive, small enough to answer questions about months without decoding any
 * archive. This file gathers a rollup from events. Pure.
 *
 * A rollup has a table for each set of fields by which events are grouped. A table has three parts, each of which is read
 * only if a question needs it:
 *
 * - totals: the sums of each group;
 * - sketches: the quantiles of the durations of each group;
 * - cells: the costs and tokens of a group in a quarter of an hour. The hours and days of every time zone consist of
 *   whole quarters.
 *
 * @module
 */
import { type AuditEvent, groupText } from "../event.ts";
import { type CallState, CallTally, isFailure, spendIn } from "./call_tally.ts";
import { type FailureReason, FailureReasons } from "./failure_reasons.ts";
import { QuantileSketch } from "./quantile_sketch.ts";
import { type SpendState, SpendTally } from "./spend_tally.ts";

/** A quarter of an hour in milliseconds. The offset of every time zone in use today is a multiple of it. */
export const QUARTER_MS = 15 * 60_000;
/** Maximum number of cells. An archive with more has no rollup, so readers decode it. */
const CELLS_MAX = 10_000;
/** Maximum total length of the values of all groups in UTF-16 code units. The same holds as for the cells. */
const KEYS_LENGTH_MAX = 128 * 1024;

/** The fields of the tables that every rollup has. The table of sessions has only costs and tokens. */
const CALLS = ["event", "model"] as const;
const SESSIONS = ["session_id"] as const;

/** The values of the fields of a table in one group; null for events without the field. */
export type RollupKey = readonly (string | null)[];

/** A cell as it is stored: the number of its quarter, the number of its group, and its sums. */
export type StoredCell = readonly [quarter: number | null, group: number, ...state: SpendState];

/** The totals of the groups of a table. */
export interface RollupTable {
  /** The names of the fields by which the events are grouped. */
  readonly by: readonly string[];
  readonly keys: readonly RollupKey[];
  /**
   * Whether some values are not strings. In the keys they are JSON, so they look like strings; but a filter by type or
   * session selects only strings.
   */
  readonly hasOtherTypes: boolean;
  /** The sums of each group in the order of the keys; null in the table of sessions, which has only `spend`. */
  readonly calls: readonly CallState[] | null;
  readonly spend: readonly SpendState[] | null;
}

/** The content of a rollup. */
export interface RollupContent {
  readonly tables: readonly RollupTable[];
  /** The failures in the order of their first events; null if there are too many different reasons. */
  readonly failures: readonly FailureReason[] | null;
  /** Length of the longest line of an event in bytes, with its line break. */
  readonly longest: number;
  /** The sketches of each table with `calls`, in the order of its keys; empty for the table of sessions. */
  readonly sketches: readonly (readonly (readonly number[])[])[];
  /** The cells of each table. */
  readonly cells: readonly (readonly StoredCell[])[];
}

/** A table while a rollup is gathered. */
class TableScan {
  readonly by: readonly string[];
  readonly #hasCalls: boolean;
  readonly #keys: RollupKey[] = [];
  readonly #calls: CallTally[] = [];
  /** The cells of each group, by the number of the quarter. The quarter of events without a readable time is NaN. */
  readonly #cells: Map<number, SpendTally>[] = [];
  readonly #groups = new Map<string, number>();
  /** The group and the quarter of the last event, and its cell. Successive events mostly have the same. */
  #last:
    | { readonly group: number; readonly quarter: number; readonly cell: SpendTally }
    | undefined;
  cellCount = 0;
  keysLength = 0;
  #hasOtherTypes = false;

  constructor(by: readonly string[], hasCalls: boolean) {
    this.by = by;
    this.#hasCalls = hasCalls;
  }

  add(event: AuditEvent, quarter: number): void {
    const group = this.#groupOf(event);
    if (this.#hasCalls) this.#calls[group]!.add(event);
    let last = this.#last;
    if (last?.group !== group || !Object.is(last.quarter, quarter)) {
      last = this.#last = { group, quarter, cell: this.#cellOf(group, quarter) };
    }
    last.cell.add(event);
  }

  #groupOf(event: AuditEvent): number {
    const id = this.#idOf(event);
    let group = this.#groups.get(id);
    if (group === undefined) {
      this.#groups.set(id, group = this.#keys.length);
      this.#keys.push(this.by.map((name) => groupText(event, name)));
      this.keysLength += id.length;
      this.#cells.push(new Map());
      if (this.#hasCalls) this.#calls.push(new CallTally());
    }
    return group;
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

  /** Returns a text that identifies the group of an event. */
  #idOf(event: AuditEvent): string {
    let id = "";
    for (const name of this.by) {
      const value = event[name];
      const text = typeof value === "string" ? value : groupText(event, name);
      if (text !== null && typeof value !== "string") this.#hasOtherTypes = true;
      // The length keeps the values "a" and "bc" apart from "ab" and "c".
      id += text === null ? "-" : `${text.length}:${text}`;
    }
    return id;
  }

  table(): RollupTable {
    const spend = () =>
      this.#cells.map((byQuarter) => {
        const total = new SpendTally();
        for (const cell of byQuarter.values()) total.addAll(cell);
        return total.state();
      });
    return {
      by: this.by,
      keys: this.#keys,
      hasOtherTypes: this.#hasOtherTypes,
      calls: this.#hasCalls ? this.#calls.map((tally) => tally.state()) : null,
      spend: this.#hasCalls ? null : spend(),
    };
  }

  sketches(): number[][] {
    return this.#calls.map(({ sketch }) => sketch.state());
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

/** Gathers the rollup of an archive, one event at a time. */
export class RollupScan {
  /** The tables; null if they have become too large. */
  #tables: readonly TableScan[] | null;
  readonly #failures = new FailureReasons();
  #longest = 0;

  /** Starts without events. `fields` are the declared fields; each gets a table. */
  constructor(fields: readonly string[]) {
    this.#tables = [
      new TableScan(CALLS, true),
      new TableScan(SESSIONS, false),
      ...fields.map((field) => new TableScan([field], true)),
    ];
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
    let cells = 0;
    let keysLength = 0;
    for (const table of this.#tables) {
      table.add(event, quarter);
      cells += table.cellCount;
      keysLength += table.keysLength;
    }
    if (isFailure(event)) this.#failures.add(event);
    if (lineBytes > this.#longest) this.#longest = lineBytes;
    if (cells > CELLS_MAX || keysLength > KEYS_LENGTH_MAX) this.#tables = null;
  }

  /** Returns the content of the rollup, or null if the archive has too many groups or a sum is not finite. */
  finish(): RollupContent | null {
    if (this.#tables === null) return null;
    const content = {
      tables: this.#tables.map((table) => table.table()),
      failures: this.#failures.isCut ? null : this.#failures.inOrder(),
      longest: this.#longest,
      sketches: this.#tables.map((table) => table.sketches()),
      cells: this.#tables.map((table) => table.cells()),
    };
    // JSON has no Infinity, to which a sum of huge numbers can overflow.
    const sums = [content.tables.map(({ calls, spend }) => [calls, spend]), content.cells];
    return isFinite(sums) ? content : null;
  }
}

function isFinite(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  return !Array.isArray(value) || value.every(isFinite);
}

/** Returns the costs and tokens of a group of a table. */
export function spendOf({ calls, spend }: RollupTable, group: number): SpendTally {
  return calls === null
    ? SpendTally.from(spend![group]!)
    : spendIn(CallTally.from(calls[group]!, new QuantileSketch()));
}
