/**
 * A rollup: the sums of the events of one archive, small enough to answer questions about months without decoding any
 * archive. Pure.
 *
 * A rollup has a table for each set of fields by which calls are grouped. A table has three parts, each of which is
 * read only if a question needs it:
 *
 * - totals: the sums of each group;
 * - sketches: the quantiles of the durations of each group;
 * - cells: the costs and tokens of a group in a quarter of an hour. The hours and days of every time zone consist of
 *   whole quarters.
 *
 * For the timeline of a report, a rollup also has the activity: the calls of each agent and the durations of all calls
 * in each quarter of an hour.
 *
 * The first table groups by type and model, the second by agent. The table of sessions has only costs and tokens. Its
 * totals and its cells are separate parts, because an archive can have hundreds of sessions. Next to its tables, a
 * rollup has the reasons of failures, the decisions of the gate, and the holds of budgets.
 *
 * @module
 */
import { type CallState, CallTally, spendIn } from "./call_tally.ts";
import type { FailureReason } from "./failure_reasons.ts";
import type { GateState } from "./gate_tally.ts";
import type { HoldState } from "./hold_tally.ts";
import { QuantileSketch } from "./quantile_sketch.ts";
import type { SpendState, SpendTally } from "./spend_tally.ts";
import type { TimeRangeState } from "./time_range.ts";

/** The fields by which every rollup groups events in its first table. */
export const CALLS: readonly string[] = ["event", "model"];
/**
 * The field of the table of agents. The table has no groups if no event of the archive has an agent. A rollup lacks the
 * table if there are too many agents. Further tables group by the fields in the option `rollupFields`.
 */
export const AGENTS: readonly string[] = ["agent"];
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
 * The failed validations with one reason in a quarter of an hour as they are stored: the number of the quarter, the
 * place of the reason in the list of failures, and the number of failed validations.
 */
export type StoredValidations = readonly [quarter: number, reason: number, count: number];

/**
 * The cells of each table (the costs and tokens of each group in each quarter of an hour), and the quarters of an hour
 * in which the archive has events.
 */
export interface RollupCells {
  readonly tables: readonly (readonly StoredCell[])[];
  /** The number of failed validations with each reason in each quarter of an hour. */
  readonly validations: readonly StoredValidations[];
  readonly quarters: readonly StoredQuarter[];
}

/** The table of sessions without its cells. Each key is the value of the field `session_id`. */
export interface RollupSessions extends RollupGroups {
  /** The costs and tokens of each session, in the order of the keys. */
  readonly spend: readonly SpendState[];
  /** The times of the first and the last event of each session, in the order of the keys. */
  readonly times: readonly TimeRangeState[];
}

/**
 * The calls of an agent in a quarter of an hour as they are stored: the number of the quarter, the place of the agent in
 * the table by agent, the number of calls, and the number of calls that failed.
 */
export type StoredCalls = readonly [quarter: number, agent: number, calls: number, errors: number];

/** The durations in a quarter of an hour as they are stored: the number of the quarter, and the values of the sketch. */
export type StoredDurations = readonly [quarter: number, ...sketch: readonly number[]];

/** The calls in each quarter of an hour. */
export interface RollupActivity {
  /** The calls of each agent. If the table by agent has no groups, or is missing, all calls belong to agent 0. */
  readonly calls: readonly StoredCalls[];
  /** The durations of the calls with a duration; null if they would be too long. */
  readonly durations: readonly StoredDurations[] | null;
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
  readonly activity: RollupActivity;
}

/** The content of a rollup, the file with the sums of an archive. */
export interface RollupContent extends RollupParts {
  readonly tables: readonly RollupTable[];
  /** The failures in the order of their first events; null if there are too many different reasons. */
  readonly failures: readonly FailureReason[] | null;
  /** The number of failed validations with each reason: the place of the reason in `failures`, and the number. */
  readonly validations: readonly (readonly [reason: number, count: number])[];
  readonly gate: GateState;
  readonly holds: HoldState;
  /** Number of lines that state the amounts of all budgets. */
  readonly budgetStates: number;
  /** Length of the longest line of an event in bytes, with its line break. */
  readonly longest: number;
}

/** A table of a rollup, and its place among the tables, at which the other parts of the rollup have its sums. */
export interface PlacedTable extends RollupTable {
  readonly place: number;
}

/**
 * Returns the first table that groups by all of the fields; undefined without such a table. If no event of the
 * archive has an agent, returns for the field `agent` the first table, with null as the agent of each group.
 */
export function tableBy(
  fields: readonly string[],
  tables: readonly RollupTable[],
): PlacedTable | undefined {
  const place = tables.findIndex(({ by }) => fields.every((field) => by.includes(field)));
  const table = tables[place];
  if (table === undefined) return undefined;
  if (table.keys.length > 0) return { ...table, place };
  const [calls] = tables;
  return { ...calls!, by: table.by, keys: calls!.keys.map(() => [null]), place: 0 };
}

/** Returns the agents to which the calls in {@linkcode RollupActivity} belong. */
export function agentsOf(tables: readonly RollupTable[]): readonly RollupKey[] {
  const keys = tables.find(({ by }) => by.length === 1 && AGENTS.includes(by[0]!))?.keys ?? [];
  return keys.length === 0 ? [[null]] : keys;
}

/** Returns the costs and tokens of a group of events in a table of a rollup. */
export function spendOf({ calls }: RollupTable, group: number): SpendTally {
  return spendIn(CallTally.from(calls[group]!, new QuantileSketch()));
}
