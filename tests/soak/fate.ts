/**
 * Decides, from a seed alone, when each writer of a soak test is stopped and killed. Pure.
 *
 * Moments are counted from the writer's reports ("3 ms after its 40th acknowledged event"), so a slow machine runs
 * much the same soak as a fast one.
 *
 * @module
 */
import type { SeededRandom } from "../seeded_random.ts";

/** A report of a writer: it begins to open the log, it begins to rotate the log, or an event is acknowledged. */
export type Milestone = "opening" | "rotating" | "acknowledged";

/** A moment in the life of a writer. */
export interface Moment {
  milestone: Milestone;
  /** Number of reports of the milestone up to this moment. */
  count: number;
  /** Delay after the last of these reports. */
  delayMs: number;
}

/** The life of a writer. */
export interface Fate {
  /** When the writer is stopped for a while, even if it holds the lock. */
  stop?: Moment & { stoppedMs: number };
  /** When the writer is killed, if it still runs. */
  kill: Moment;
  /** Whether half a line is left behind after the kill, as if the kill had struck during a write. */
  tears: boolean;
}

/** Returns the fate of the next writer. */
export function nextFate(random: SeededRandom): Fate {
  const kill = MOMENTS[random.pick({ opening: 3, rotating: 3, acknowledged: 4 })](random);
  const tears = random.below(4) === 0;
  if (random.below(5) > 0) return { kill, tears };
  const stop = MOMENTS[random.pick({ opening: 1, rotating: 2, acknowledged: 1 })](random);
  return { stop: { ...stop, stoppedMs: 20 + random.below(800) }, kill, tears };
}

const MOMENTS: Readonly<Record<Milestone, (random: SeededRandom) => Moment>> = {
  // Opening a log takes some milliseconds, and the recovery a few more, so the delay is less than 40 ms.
  opening: (random) => ({ milestone: "opening", count: 1, delayMs: random.below(40) }),
  // Sealing, archiving and the manifest line take some milliseconds too, so the delay is less than 12 ms.
  rotating: (random) => ({
    milestone: "rotating",
    count: 1 + random.below(8),
    delayMs: random.below(12),
  }),
  acknowledged: (random) => ({
    milestone: "acknowledged",
    count: 1 + random.below(random.below(2) === 0 ? 200 : 6_000),
    delayMs: random.below(10),
  }),
};
