/**
 * Decides, from a seed alone, when each writer of a soak test is stopped and killed. A moment is counted from the
 * writer's reports ("3 ms after its 40th acknowledged event"), so a slow machine runs much the same test as a fast one.
 *
 * @module
 */
import type { SeededRandom } from "../seeded_random.ts";

/**
 * A kind of report of a writer: the writer begins to open the log, the writer begins to rotate the log, or an event is
 * acknowledged.
 */
export type Milestone = "opening" | "rotating" | "acknowledged";

/** A moment in the run of a writer, counted from its reports. */
export interface Moment {
  milestone: Milestone;
  /** Number of reports of the kind {@linkcode Milestone} up to this moment. */
  count: number;
  /** Milliseconds between the last of the counted reports and this moment. */
  delayMs: number;
}

/** The times at which a writer is stopped and killed. */
export interface Fate {
  /** The moment at which the writer is stopped for a while, even if it holds the lock of the log. */
  stop?: Moment & { stoppedMs: number };
  /** The moment at which the writer is killed, if it still runs. */
  kill: Moment;
  /**
   * Is true if the supervisor leaves half a line in the log after the kill, as if the writer had been killed during a
   * write.
   */
  tears: boolean;
}

/** Draws the times at which the next writer is stopped and killed. */
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
  // The steps of a rotation (renaming the file, compressing it, recording it) take some milliseconds too, so the delay
  // is less than 12 ms.
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
