/**
 * What the events of a block come to, for whoever wants to know that without the block. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { LineTest } from "../read/line_test.ts";
import { LOST } from "../line/parse_line.ts";
import type { LinePlace } from "../read/parse_block.ts";
import { costOf, finite } from "../cost/spend.ts";
import { eventEpochMs } from "../time.ts";
import { blockEvents } from "./block_events.ts";

/** Figures of the whole lines of a block. */
export interface BlockFigures {
  /** Lines that are not blank, those that are no event included. */
  readonly lines: number;
  /** Times of its earliest and of its latest event, epoch milliseconds; NaN when none has a time. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** What its events cost that have a time, USD; null when none of them has a cost. */
  readonly usd: number | null;
  /** How many events there are of each type, "" for those without one. */
  readonly events: ReadonlyMap<string, number>;
}

const FIGURE_HEADERS = {
  lines: "Scout-Lines",
  first: "Scout-First-Ts",
  last: "Scout-Last-Ts",
  usd: "Scout-Cost",
  events: "Scout-Events",
} as const;

/** The names of the headers, in their order. */
export const FIGURE_HEADER_NAMES: readonly string[] = Object.values(FIGURE_HEADERS);

/** Simulations invent event types, and a message has to have room for its headers. */
const EVENTS_LENGTH_MAX = 1_024;
const EVERY_LINE = new LineTest({});

/** Adds up a block of whole lines. */
export function figuresOf(bytes: Uint8Array): BlockFigures {
  let lines = 0;
  const onDamage = (_line: LinePlace, reason: string) => {
    // What is lost before an event is in the line of the event.
    if (reason !== LOST) lines++;
  };
  const events = new Map<string, number>();
  let sum: PreciseSum | null = null;
  let [firstMs, lastMs] = [Infinity, -Infinity];
  for (const batch of blockEvents(bytes, { lineTest: EVERY_LINE, onDamage })) {
    for (const event of batch) {
      lines++;
      const type = typeof event.event === "string" ? event.event : "";
      events.set(type, (events.get(type) ?? 0) + 1);
      const cost = costOf(event);
      if (cost !== null) (sum ??= new PreciseSum()).add(cost.usd);
      const epochMs = cost?.epochMs ?? eventEpochMs(event.ts);
      if (epochMs < firstMs) firstMs = epochMs;
      if (epochMs > lastMs) lastMs = epochMs;
    }
  }
  const isTimed = firstMs <= lastMs;
  return {
    lines,
    firstMs: isTimed ? firstMs : NaN,
    lastMs: isTimed ? lastMs : NaN,
    usd: sum?.value ?? null,
    events,
  };
}

/** The values of the headers by their names; none of what no header can hold. */
export function headersOfFigures(
  { lines, firstMs, lastMs, usd, events }: BlockFigures,
): [name: string, value: string][] {
  const counts = JSON.stringify(Object.fromEntries(events));
  if (counts.length > EVENTS_LENGTH_MAX || !Number.isFinite(usd ?? 0)) return [];
  return [
    [FIGURE_HEADERS.lines, `${lines}`],
    [FIGURE_HEADERS.first, isoOf(firstMs)],
    [FIGURE_HEADERS.last, isoOf(lastMs)],
    [FIGURE_HEADERS.usd, `${usd ?? ""}`],
    [FIGURE_HEADERS.events, counts],
  ];
}

/** Reads the headers; null where they say nothing, or nothing that could be. */
export function figuresIn(get: (name: string) => string): BlockFigures | null {
  const lines = numberIn(get(FIGURE_HEADERS.lines));
  const cost = get(FIGURE_HEADERS.usd);
  const usd = numberIn(cost);
  const events = countsIn(get(FIGURE_HEADERS.events));
  if (lines === null || events === null || (usd === null && cost !== "")) return null;
  const firstMs = eventEpochMs(get(FIGURE_HEADERS.first));
  const lastMs = eventEpochMs(get(FIGURE_HEADERS.last));
  return { lines, usd, events, firstMs, lastMs };
}

function numberIn(text: string): number | null {
  return text === "" ? null : finite(Number(text));
}

function countsIn(text: string): Map<string, number> | null {
  try {
    const counts: unknown = JSON.parse(text);
    if (typeof counts !== "object" || counts === null) return null;
    const entries = Object.entries(counts).filter(([, count]) => Number.isSafeInteger(count));
    return new Map(entries);
  } catch {
    // It is none of ours; the block itself tells what is in it.
    return null;
  }
}

function isoOf(epochMs: number): string {
  return Number.isNaN(epochMs) ? "" : new Date(epochMs).toISOString();
}
