/**
 * Remembers the most recently added keys, up to a maximum number, so that memory is bounded.
 *
 * @module
 */

/** The most recently added keys, up to a maximum number. */
export class RecentKeys {
  readonly #max: number;
  /** The keys, oldest first. */
  readonly #keys = new Set<string>();

  /** Creates an empty list of at most `max` keys. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Checks whether a key is among the remembered ones. */
  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Adds a key. If there are now more keys than the maximum, forgets the oldest one. */
  add(key: string): void {
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > this.#max) this.#keys.delete(oldest!);
  }

  /** Forgets a key. Returns `false` if the key is not among the remembered ones. */
  delete(key: string): boolean {
    return this.#keys.delete(key);
  }
}
