/**
 * What befalls each writer of a soak: told by the seed alone. Pure.
 *
 * Moments are counted from what the writer tells ("its 40th acknowledged event, and 3 ms"), so that a
 * slow machine plays much the same as a fast one.
 *
 * @module
 */
import type { SeededRandom } from "../seeded_random.ts";

/** What a writer tells of: that it begins to open the log, to rotate it, and what is acknowledged. */
export type Milestone = "opening" | "rotating" | "acknowledged";

/** A moment in the life of a writer. */
export interface Moment {
  milestone: Milestone;
  /** How often it was told. */
  count: number;
  /** How long after that. */
  delayMs: number;
}

/** The life of a writer. */
export interface Fate {
  /** When it is stopped for a while, whatever it holds. */
  stop?: Moment & { stoppedMs: number };
  /** When it is killed, if it was not stopped first or goes on after that. */
  kill: Moment;
  /** Whether it leaves half a line, as if it had been killed within its write. */
  tears: boolean;
}

/** The fate of the next writer. */
export function nextFate(random: SeededRandom): Fate {
  const kill = MOMENTS[random.pick({ opening: 3, rotating: 3, acknowledged: 4 })](random);
  const tears = random.below(4) === 0;
  if (random.below(5) > 0) return { kill, tears };
  const stop = MOMENTS[random.pick({ opening: 1, rotating: 2, acknowledged: 1 })](random);
  return { stop: { ...stop, stoppedMs: 20 + random.below(800) }, kill, tears };
}

const MOMENTS: Readonly<Record<Milestone, (random: SeededRandom) => Moment>> = {
  // An open takes some milliseconds, and the recovery behind it a few more.
  opening: (random) => ({ milestone: "opening", count: 1, delayMs: random.below(40) }),
  // Sealing, archiving and the manifest line take some milliseconds too.
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
