/**
 * Tests with many cases. `deno task test` runs a share of the cases, chosen by a new seed; `deno task test:long`
 * runs all of them.
 *
 * The error of a failed test contains the seed: `SCOUT_SEED=7 deno task test FILE` repeats the same cases.
 *
 * @module
 */
import { messageOf } from "../src/errors.ts";
import { type RequirementName, testNeeding } from "./requirements.ts";
import { freshSeed, SeededRandom } from "./seeded_random.ts";

/** `true` in the long suite, which runs only the tests registered here. */
const IS_LONG = Deno.env.get("SCOUT_TESTS") === "long";
/** Suffix of test names in the long suite. `deno task test:long` selects tests by this suffix. */
const WHOLE = " (whole)";

/** Decides which cases of a test to run. */
export class Extent {
  /** The seed of all random choices in the test. */
  readonly seed: number;
  /** The share of the cases to run, from 0 to 1. */
  readonly share: number;
  readonly #random: SeededRandom;

  /** Creates the extent of one test. */
  constructor(seed: number, share: number) {
    this.seed = seed;
    this.share = share;
    this.#random = new SeededRandom(`${seed} extent`);
  }

  /** Decides at random whether to run the next case. */
  isDrawn(): boolean {
    return this.#random.below(1_000_000) < this.share * 1_000_000;
  }

  /** Returns how many of `count` cases to run, at least one. */
  of(count: number): number {
    return Math.ceil(count * this.share);
  }

  /** Returns a seed for each case to run of `count` cases. */
  seeds(count: number): number[] {
    return Array.from({ length: this.of(count) }, () => this.#random.below(2 ** 31));
  }
}

/** Registers a test with many cases. The quick suite runs a share of the cases, and the long suite all cases. */
export function sampledTest(
  name: string,
  share: number,
  test: (extent: Extent, t: Deno.TestContext) => void | Promise<void>,
  needs: readonly RequirementName[] = [],
): Promise<void> {
  return testNeeding(needs, name, async (t) => {
    const seed = Number(Deno.env.get("SCOUT_SEED") ?? freshSeed());
    try {
      await test(new Extent(seed, IS_LONG ? 1 : share), t);
    } catch (error) {
      throw new Error(`With SCOUT_SEED=${seed}: ${messageOf(error)}`, { cause: error });
    }
  }, IS_LONG ? WHOLE : "");
}

/** Registers a test that only the long suite runs. */
export async function longTest(
  name: string,
  test: (t: Deno.TestContext) => Promise<void>,
  needs: readonly RequirementName[] = [],
): Promise<void> {
  if (IS_LONG) await testNeeding(needs, `${name}${WHOLE}`, test);
}
