/**
 * Tests with many cases. `deno task test` tries a share of them, drawn with a fresh seed;
 * `deno task test:long` tries all of them.
 *
 * A failure names the seed: `SCOUT_SEED=7 deno task test FILE` tries the same cases again.
 *
 * @module
 */
import { messageOf } from "../src/errors.ts";
import { type RequirementName, testNeeding } from "./requirements.ts";
import { freshSeed, SeededRandom } from "./seeded_random.ts";

/** `true` in the long suite, which runs no other tests than those registered here. */
const IS_LONG = Deno.env.get("SCOUT_TESTS") === "long";
/** The end of the names of tests in the long suite, by which its task selects them. */
const WHOLE = " (whole)";

/** How much of a test is tried. */
export class Extent {
  /** The seed of everything random in the test. */
  readonly seed: number;
  /** The share of the cases, from 0 to 1. */
  readonly share: number;
  readonly #random: SeededRandom;

  /** Creates the extent of one test. */
  constructor(seed: number, share: number) {
    this.seed = seed;
    this.share = share;
    this.#random = new SeededRandom(`${seed} extent`);
  }

  /** Decides whether the next case is tried. */
  isDrawn(): boolean {
    return this.#random.below(1_000_000) < this.share * 1_000_000;
  }

  /** Returns how many of `count` cases are tried, at least one. */
  of(count: number): number {
    return Math.ceil(count * this.share);
  }

  /** Returns the seeds of as many cases as are tried of `count`. */
  seeds(count: number): number[] {
    return Array.from({ length: this.of(count) }, () => this.#random.below(2 ** 31));
  }
}

/** Registers a test of which the quick suite tries the share, and the long suite everything. */
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

/** Registers a test that the long suite alone runs. */
export async function longTest(
  name: string,
  test: (t: Deno.TestContext) => Promise<void>,
  needs: readonly RequirementName[] = [],
): Promise<void> {
  if (IS_LONG) await testNeeding(needs, `${name}${WHOLE}`, test);
}
