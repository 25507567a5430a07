/**
 * Collects figures by name, for a bounded number of names. Pure.
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";

/** Maximum number of names with separate figures. All further names share one row, so that tables stay readable. */
const NAMES_MAX = 256;
/** Maximum length of a stored name in code units. Longer names are cut. */
const NAME_LENGTH_MAX = 200;

const encoder = new TextEncoder();

/** Returns a short name unchanged. Cuts a long name and appends a digest of the name, so that names stay unique. */
export function keptName(name: string): string {
  if (name.length <= NAME_LENGTH_MAX) return name;
  const digest = sha256(encoder.encode(name)).slice(0, 16);
  // If the cut would split a surrogate pair, the pair is omitted.
  const start = name.slice(0, NAME_LENGTH_MAX - digest.length - 2).replace(/[\uD800-\uDBFF]$/, "");
  return `${start}… ${digest}`;
}

/** The figures of each name, and the figures of events without a name. */
export class NameTally<T> {
  readonly #create: (name: string | null) => T;
  readonly #named = new Map<unknown, T>();
  #others: T | null = null;

  /**
   * Creates a tally without names. `create` returns the initial figures of a name. Its argument is null for a missing
   * name, and for all names above the maximum, which share their figures.
   */
  constructor(create: (name: string | null) => T) {
    this.#create = create;
  }

  /** Returns the figures of a name. A value that is not a string counts as a missing name. */
  of(name: unknown): T {
    // Most names are short and therefore stored unchanged, so a look-up of the name as it is mostly succeeds. It needs
    // no cutting and no digest.
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const kept = typeof name === "string" ? keptName(name) : null;
    let figures = this.#named.get(kept);
    if (figures !== undefined) return figures;
    if (this.#named.size >= NAMES_MAX) return this.#others ??= this.#create(null);
    figures = this.#create(kept);
    this.#named.set(kept, figures);
    return figures;
  }

  /** The figures of every name that has separate figures. */
  get named(): Iterable<T> {
    return this.#named.values();
  }

  /**
   * The combined figures of all names above the maximum number of names; null if there are not more names than that.
   */
  get others(): T | null {
    return this.#others;
  }
}
