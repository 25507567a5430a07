/**
 * Collects the calls of a report for its timeline, which has a lane for each agent. Pure.
 *
 * In a short range, each call is a bar from its beginning to its end. In a longer range, or above a maximum number of
 * calls, the lanes show how many calls ended in each time bucket, because single bars would be too thin to see. Calls
 * that have not ended are always bars.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { CallFacts } from "../rollup/call_tally.ts";
import { QUARTER_MS } from "../time.ts";
import type { CallCounts, Content } from "./bucket_content.ts";
import type { Group, Grouping } from "./groups.ts";
import { keptName } from "./name_tally.ts";
import type { UnfinishedCall } from "./span_tally.ts";
import type { Bucket } from "./time_buckets.ts";

/** Maximum number of calls that are drawn as bars. */
const CALLS_MAX = 2_000;
/** Maximum number of lanes. The calls of further agents are combined in one more lane. */
const LANES_MAX = 20;
/** Maximum number of rows in a lane. Calls that run at the same time are drawn in different rows. */
const ROWS_MAX = 3;

/** A call as a bar of the timeline. */
export interface CallBar {
  /** The place of the lane in {@linkcode TimelineFigures.lanes}, and the row in the lane. */
  readonly lane: number;
  readonly row: number;
  readonly startMs: number;
  /** The end of the call; Infinity if it has not ended. */
  readonly endMs: number;
  readonly status: "ok" | "error" | "aborted" | "unfinished";
}

/** A lane of the timeline: the calls of an agent or of a session. */
export interface Lane extends CallCounts {
  /** The agent or the session; null for calls without one. */
  readonly name: string | null;
  /** Number of agents or sessions that are combined in this lane: mostly 1; Infinity for an unknown number. */
  readonly combined: number;
  /** Number of calls that have not ended. */
  readonly unfinished: number;
  /** Number of rows into which the bars of the lane are divided. */
  readonly rows: number;
  /** The calls that ended in each time bucket of the report. */
  readonly cells: readonly CallCounts[];
}

/** The data of the timeline: its lanes, and the calls that are drawn as bars. */
export interface TimelineFigures {
  /** The kind of the lanes; null if one lane contains all calls. */
  readonly by: "agent" | "session" | null;
  /** The lanes, those with the most calls first. */
  readonly lanes: readonly Lane[];
  /** The calls as bars: all calls, or only the unfinished calls if `areCounted` is true. */
  readonly bars: readonly CallBar[];
  /** Whether the lanes show the number of calls in each time bucket, in place of a bar for each call. */
  readonly areCounted: boolean;
}

/** An agent (as a group of events) or a session, or null: what the calls of a lane have in common. */
type LaneKey = Group | string | null;

/** A call that may be drawn as a bar. */
interface Call {
  readonly agent: Group;
  readonly session: string | null;
  readonly startMs: number;
  readonly endMs: number;
  readonly status: CallBar["status"];
}

/** Collects the calls of a report. */
export class TimelineTally {
  /** The calls; null if there are too many to draw each as a bar. */
  #calls: Call[] | null = [];

  /** Adds an event with a readable time if it is a call. `agent` is its group among the groups by agent. */
  add(
    event: AuditEvent,
    { epochMs, agent, isCall, hasFailed, durationMs }: CallFacts & {
      readonly epochMs: number;
      readonly agent: Group;
    },
  ): void {
    if (!isCall || this.#calls === null) return;
    if (this.#calls.length === CALLS_MAX) {
      this.#calls = null;
      return;
    }
    this.#calls.push({
      agent,
      session: sessionOf(event.session_id),
      startMs: epochMs - (durationMs ?? 0),
      endMs: epochMs,
      status: hasFailed ? "error" : event.status === "aborted" ? "aborted" : "ok",
    });
  }

  /** Returns the calls over time. `bucketMs` is the width of a bucket in milliseconds. */
  figures(
    { buckets, bucketMs, agents, unfinished }: {
      readonly buckets: readonly Bucket<Content>[];
      readonly bucketMs: number;
      readonly agents: Grouping;
      readonly unfinished: readonly UnfinishedCall[];
    },
  ): TimelineFigures {
    // Stored sums of archives do not contain individual calls. They are used only if a bucket is at least a quarter of
    // an hour wide. From that width on, every report shows counts, so that the page is the same with and without sums.
    const calls = bucketMs < QUARTER_MS ? this.#calls : null;
    const open = openCalls(unfinished, agents);
    const { by, keyOf, counts } = lanesBy(buckets, { calls, open });
    const totals = new Map<LaneKey, { calls: number; errors: number }>();
    for (const inBucket of counts) for (const [key, each] of inBucket) addTo(totals, key, each);
    for (const call of open) addTo(totals, keyOf(call), { calls: 0, errors: 0 });
    // If there are too many agents, the remaining agents share one group. This group belongs to the last lane.
    const isCombined = (key: LaneKey) => key !== null && key === agents.others;
    const sorted = [...totals].sort(byCalls).map(([key]) => key);
    const named = sorted.filter((key) => !isCombined(key));
    const hasRest = named.length < sorted.length || named.length > LANES_MAX + 1;
    const alone = hasRest ? named.slice(0, LANES_MAX) : named;
    const keys = [...alone, ...sorted.filter((key) => !alone.includes(key))];
    const laneOf = (key: LaneKey) => {
      const place = alone.indexOf(key);
      return place < 0 ? alone.length : place;
    };
    const bars = barsOf([...calls ?? [], ...open], (call) => laneOf(keyOf(call)));
    const all = keys.length > alone.length ? [...alone, null] : alone;
    const lanes = all.map((key, place): Lane => {
      const members = place === alone.length ? keys.slice(alone.length) : [key];
      const inLane = bars.filter(({ lane }) => lane === place);
      return {
        name: nameOf(key),
        combined: members.some(isCombined) ? Infinity : members.length,
        ...sumOf(members.map((member) => totals.get(member))),
        unfinished: inLane.filter(({ status }) => status === "unfinished").length,
        rows: 1 + inLane.reduce((max, { row }) => Math.max(max, row), 0),
        cells: counts.map((inBucket) => sumOf(members.map((member) => inBucket.get(member)))),
      };
    });
    return { by, lanes, bars, areCounted: calls === null };
  }
}

function sessionOf(value: unknown): string | null {
  return typeof value === "string" ? keptName(value) : null;
}

function openCalls(unfinished: readonly UnfinishedCall[], agents: Grouping): Call[] {
  return unfinished.flatMap(({ startMs, agent, session }) =>
    startMs === null ? [] : [{
      agent: agents.of({ agent }),
      session: sessionOf(session),
      startMs,
      endMs: Infinity,
      status: "unfinished",
    }]
  );
}

/** Chooses agents or sessions as lanes. Also returns the lane of a call, and the calls of each lane in each bucket. */
function lanesBy(
  buckets: readonly Bucket<Content>[],
  { calls, open }: { readonly calls: readonly Call[] | null; readonly open: readonly Call[] },
): {
  readonly by: TimelineFigures["by"];
  readonly keyOf: (call: Call) => LaneKey;
  readonly counts: readonly ReadonlyMap<LaneKey, CallCounts>[];
} {
  const byAgent = buckets.map(({ content }) => content?.calls ?? new Map<LaneKey, CallCounts>());
  const groups = [...byAgent.flatMap((inBucket) => [...inBucket.keys()]), ...open.map(agentOf)];
  if (groups.some((group) => nameOf(group) !== null)) {
    return { by: "agent", keyOf: agentOf, counts: byAgent };
  }
  if (calls?.some(({ session }) => session !== null)) {
    const keyOf = ({ session }: Call) => session;
    const inBuckets = buckets.map(({ startMs, endMs }) =>
      calls.filter((call) => call.endMs >= startMs && call.endMs < endMs)
    );
    const counts = inBuckets.map((inBucket) => {
      const bySession = new Map<LaneKey, { calls: number; errors: number }>();
      for (const call of inBucket) {
        addTo(bySession, keyOf(call), { calls: 1, errors: call.status === "error" ? 1 : 0 });
      }
      return bySession;
    });
    return { by: "session", keyOf, counts };
  }
  const counts = byAgent.map((inBucket) =>
    new Map<LaneKey, CallCounts>(inBucket.size === 0 ? [] : [[null, sumOf(inBucket.values())]])
  );
  return { by: null, keyOf: () => null, counts };
}

function agentOf({ agent }: Call): Group {
  return agent;
}

function nameOf(key: LaneKey): string | null {
  return typeof key === "string" || key === null ? key : key.name;
}

/** Compares lanes by their number of calls in descending order, and then by their names. */
function byCalls([a, countsA]: [LaneKey, CallCounts], [b, countsB]: [LaneKey, CallCounts]): number {
  const textOf = (key: LaneKey) => {
    const name = nameOf(key);
    return name === null ? "" : `:${name}`;
  };
  return countsB.calls - countsA.calls || (textOf(a) < textOf(b) ? -1 : 1);
}

/** Returns the calls as bars. Calls of a lane that overlap in time are in different rows. */
function barsOf(calls: readonly Call[], laneOf: (call: Call) => number): CallBar[] {
  const ends: number[][] = [];
  return calls.map((call) => ({ ...call, lane: laneOf(call) }))
    // Calls that begin at the same time are sorted by all that is shown of them, so that the result does not depend on
    // the order of the events.
    .sort((a, b) =>
      a.startMs - b.startMs || descending(a.endMs, b.endMs) || (a.status < b.status ? -1 : 1)
    )
    .map(({ lane, startMs, endMs, status }) => {
      const rows = ends[lane] ??= Array(ROWS_MAX).fill(-Infinity);
      const free = rows.findIndex((rowEndMs) => rowEndMs <= startMs);
      const row = free < 0 ? ROWS_MAX - 1 : free;
      rows[row] = Math.max(rows[row]!, endMs);
      return { lane, row, startMs, endMs, status };
    });
}

/** Compares two times in descending order. Their difference would be NaN if both were infinite. */
function descending(a: number, b: number): number {
  return a === b ? 0 : b - a;
}

function addTo(
  totals: Map<LaneKey, { calls: number; errors: number }>,
  key: LaneKey,
  { calls, errors }: CallCounts,
): void {
  const total = totals.get(key);
  if (total === undefined) totals.set(key, { calls, errors });
  else {
    total.calls += calls;
    total.errors += errors;
  }
}

function sumOf(all: Iterable<CallCounts | undefined>): CallCounts {
  const sum = { calls: 0, errors: 0 };
  for (const each of all) {
    sum.calls += each?.calls ?? 0;
    sum.errors += each?.errors ?? 0;
  }
  return sum;
}
