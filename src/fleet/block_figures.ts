/**
 * Figures about the events of a block (a range of bytes of a log), such as their number and cost. The headers of the
 * block state the figures, so that many readers do not need the block itself. Pure.
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

/**
 * Figures about the lines of a block, such as their number and cost. A block that ends within a line has no figures.
 */
export interface BlockFigures {
  /** Number of lines of the block that are not blank, including damaged lines. */
  readonly lines: number;
  /** Time of the earliest event, epoch milliseconds; NaN if no event has a time. */
  readonly firstMs: number;
  /** Time of the latest event, epoch milliseconds; NaN if no event has a time. */
  readonly lastMs: number;
  /** Cost in USD of the events that have a time; null if no such event has a cost. */
  readonly usd: number | null;
  /** Number of events by type. The key "" counts the events without a type. */
  readonly events: ReadonlyMap<string, number>;
}

const FIGURE_HEADERS = {
  lines: "Scout-Lines",
  first: "Scout-First-Ts",
  last: "Scout-Last-Ts",
  usd: "Scout-Cost",
  events: "Scout-Events",
} as const;

/** The names of the headers that state the figures of a block, in the order in which they are sent. */
export const FIGURE_HEADER_NAMES: readonly string[] = Object.values(FIGURE_HEADERS);

/**
 * Maximum length of the header with the number of events of each type. If the header would be longer, the block is sent
 * without figures.
 */
const EVENTS_LENGTH_MAX = 1_024;
const EVERY_LINE = new LineTest({});

/** Computes the figures of a block that consists of whole lines. */
export function figuresOf(bytes: Uint8Array): BlockFigures {
  let lines = 0;
  const onDamage = (_line: LinePlace, reason: string) => {
    // If NUL bytes precede the event in a line, as after a power loss, the line is reported as damage with the reason
    // `LOST`, and its event is yielded too. The loop over the events counts the line, so it is not counted here.
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

/**
 * Returns the headers that state the figures of a block. Returns no headers if the counts are too long or the cost is
 * not finite. A reader that needs the figures then fetches the block itself.
 */
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

/** Returns the figures that the headers of a block state, or null if figures are missing or invalid. */
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
    // If the header with the counts is invalid, the reader fetches the block itself.
    return null;
  }
}

function isoOf(epochMs: number): string {
  return Number.isNaN(epochMs) ? "" : new Date(epochMs).toISOString();
}
