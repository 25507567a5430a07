/**
 * Reproducible random numbers.
 *
 * @module
 */

/** Returns a random seed. */
export function freshSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/** A random number generator with a seed (mulberry32). */
export class SeededRandom {
  #state: number;

  /** Creates a generator from a number, or from a text such as "7 writer 2". */
  constructor(seed: number | string) {
    this.#state = typeof seed === "number" ? seed | 0 : hashOf(seed);
  }

  /** Returns an integer from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  }

  /** Returns a random key, with a probability in proportion to the weight of the key. */
  pick<T extends string>(weights: Readonly<Record<T, number>>): T {
    const choices = Object.entries(weights) as [T, number][];
    let left = this.below(choices.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [choice, weight] of choices) {
      if (left < weight) return choice;
      left -= weight;
    }
    throw new RangeError("Cannot pick: no choice has a weight");
  }
}

/** Returns the FNV-1a hash of the text. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}
