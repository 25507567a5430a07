/**
 * Figures by name, of a bounded number of names. Pure.
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";

/** Names that have figures of their own; more than these are more than a table shows well. */
const NAMES_MAX = 256;
/** Characters of a name that are kept. */
const NAME_LENGTH_MAX = 200;

const encoder = new TextEncoder();

/** A name as it is kept: a long one by its beginning and a digest, so that two of them stay two. */
export function keptName(name: string): string {
  if (name.length <= NAME_LENGTH_MAX) return name;
  const digest = sha256(encoder.encode(name)).slice(0, 16);
  return `${name.slice(0, NAME_LENGTH_MAX - digest.length - 2)}… ${digest}`;
}

/** The figures of each name, and of the events that name nothing. */
export class NameTally<T> {
  readonly #make: (name: string | null) => T;
  readonly #named = new Map<unknown, T>();
  #others: T | null = null;

  /** Has none yet; `make` gives the figures of a new name, null for none. */
  constructor(make: (name: string | null) => T) {
    this.#make = make;
  }

  /** The figures of what an event names; what is no text counts as none. */
  of(name: unknown): T {
    // As it stands for nearly all.
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const kept = typeof name === "string" ? keptName(name) : null;
    let figures = this.#named.get(kept);
    if (figures !== undefined) return figures;
    if (this.#named.size >= NAMES_MAX) return this.#others ??= this.#make(null);
    figures = this.#make(kept);
    this.#named.set(kept, figures);
    return figures;
  }

  /** The figures of every name. */
  get named(): Iterable<T> {
    return this.#named.values();
  }

  /** The figures of all names that came when there were too many; null if there were not. */
  get others(): T | null {
    return this.#others;
  }
}
