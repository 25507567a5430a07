/**
 * Gathers groups of events for a rollup, the file with the sums of an archive: which groups there are, and the costs
 * and tokens of each group in each quarter of an hour. Pure.
 *
 * @module
 */
import { type AuditEvent, groupText } from "../event.ts";
import type { RollupKey } from "./rollup.ts";
import type { CallFacts } from "./call_tally.ts";
import { SpendTally } from "./spend_tally.ts";

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
export interface EventFacts extends CallFacts {
  /** The time in epoch milliseconds, and the number of its quarter of an hour; NaN without a readable time. */
  readonly epochMs: number;
  readonly quarter: number;
}

/** The costs and tokens of a group of events in a quarter of an hour, and the number of its calls. */
export class Cell extends SpendTally {
  /** Number of calls, and of calls that failed. */
  calls = 0;
  errors = 0;

  /** Adds an event. */
  addEvent({ spend, isCall, hasFailed }: CallFacts): void {
    this.addFacts(spend);
    if (isCall) this.calls++;
    if (hasFailed) this.errors++;
  }

  /** Adds the events of another cell. */
  override addAll(other: Cell): void {
    super.addAll(other);
    this.calls += other.calls;
    this.errors += other.errors;
  }
}

/**
 * Gathers the groups of events of a table, and the costs and tokens of each group in each quarter of an hour (a cell).
 */
export class GroupScan {
  readonly by: readonly string[];
  readonly #keys: RollupKey[] = [];
  /** The cells of each group, by the number of the quarter. The quarter of events without a readable time is NaN. */
  readonly #cells: Map<number, Cell>[] = [];
  /** The cell of the last event of each group. The next event of the group mostly has the same cell. */
  readonly #lastCells: { readonly quarter: number; readonly cell: Cell }[] = [];
  readonly #tree = new GroupNode();
  cellCount = 0;
  keysLength = 0;
  readonly #otherTypes: Set<string>;

  /** Starts without groups. `otherTypes` are fields that are known to have values that are not strings. */
  constructor(by: readonly string[], otherTypes: ReadonlySet<string> = new Set()) {
    this.by = by;
    this.#otherTypes = new Set(otherTypes);
  }

  /** Adds an event to the cell of its group, and returns the number of the group. */
  add(event: AuditEvent, facts: EventFacts): number {
    const { quarter } = facts;
    const group = this.#groupOf(event);
    let last = this.#lastCells[group];
    if (last === undefined || !Object.is(last.quarter, quarter)) {
      last = this.#lastCells[group] = { quarter, cell: this.#cellOf(group, quarter) };
    }
    last.cell.addEvent(facts);
    return group;
  }

  /** Adds the cells of a group with these values, and returns the number of its group here. */
  addCells(key: RollupKey, cells: ReadonlyMap<number, Cell>): number {
    const group = this.#groupAt(
      key.reduce((node, text) => node.child(text), this.#tree),
      () => key,
    );
    for (const [quarter, cell] of cells) this.#cellOf(group, quarter).addAll(cell);
    return group;
  }

  #groupOf(event: AuditEvent): number {
    let node = this.#tree;
    for (const name of this.by) node = node.child(this.#textOf(event, name));
    return this.#groupAt(node, () => this.by.map((name) => groupText(event, name)));
  }

  #groupAt(node: GroupNode, keyOf: () => RollupKey): number {
    if (node.group >= 0) return node.group;
    const key = keyOf();
    this.keysLength += key.reduce((sum, text) => sum + (text?.length ?? 0), 0);
    this.#cells.push(new Map());
    node.group = this.#keys.push(key) - 1;
    return node.group;
  }

  #cellOf(group: number, quarter: number): Cell {
    const cells = this.#cells[group]!;
    let cell = cells.get(quarter);
    if (cell === undefined) {
      cells.set(quarter, cell = new Cell());
      this.cellCount++;
    }
    return cell;
  }

  #textOf(event: AuditEvent, name: string): string | null {
    const value = event[name];
    if (typeof value === "string") return value;
    // Most events lack the field `agent`, so this case is checked before the slower look-up by a path.
    if (value === undefined && !name.includes(".")) return null;
    const text = groupText(event, name);
    if (text !== null) this.#otherTypes.add(name);
    return text;
  }

  /** Number of groups. */
  get size(): number {
    return this.#keys.length;
  }

  /** The fields in which some events have values that are not strings. */
  get otherTypes(): ReadonlySet<string> {
    return this.#otherTypes;
  }

  /** Whether some of the fields have values that are not strings. */
  get hasOtherTypes(): boolean {
    return this.by.some((field) => this.#otherTypes.has(field));
  }

  /** The groups in the order of their first events: their values, and their cells by the number of the quarter. */
  entries(): [
    group: number,
    { readonly key: RollupKey; readonly cells: Map<number, Cell> },
  ][] {
    return this.#keys.map((key, group) => [group, { key, cells: this.#cells[group]! }]);
  }
}
