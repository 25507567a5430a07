/**
 * A map with a maximum number of entries, so that memory is bounded.
 *
 * @module
 */

/** A map that removes its oldest entry when it has too many. */
export class RecentMap<T> {
  readonly #entries = new Map<string, T>();
  readonly #max: number;

  /** Creates an empty map of at most `max` entries. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /** Returns the value of a key; `undefined` if the map does not have the key. */
  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  /** Sets the value of a key. If there are now too many entries, removes the oldest one and returns its value. */
  set(key: string, value: T): T | undefined {
    this.#entries.set(key, value);
    return this.#entries.size <= this.#max
      ? undefined
      : this.remove(this.#entries.keys().next().value!);
  }

  /** Removes a key and returns its value; `undefined` if the map does not have the key. */
  remove(key: string): T | undefined {
    const value = this.#entries.get(key);
    this.#entries.delete(key);
    return value;
  }

  /** Removes all entries, and returns their values, oldest first. */
  removeAll(): T[] {
    const values = [...this.#entries.values()];
    this.#entries.clear();
    return values;
  }
}
