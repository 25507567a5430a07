/**
 * Remembers the most recently added keys, up to a maximum number.
 *
 * @module
 */

/** The last keys, up to a maximum number. */
export class RecentKeys {
  readonly #max: number;
  /** Oldest first. */
  readonly #keys = new Set<string>();

  /** Creates an empty list of at most `max` keys. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Checks whether a key is among the last ones. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Adds a key, and forgets the oldest one if there are too many. */
  add(key: string): void {
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > this.#max) this.#keys.delete(oldest!);
  }

  /** Forgets a key. Returns `false` if it is not among the last ones. */
  delete(key: string): boolean {
    return this.#keys.delete(key);
  }
}
