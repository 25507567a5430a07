/**
 * Decides which members of a record are hidden. Pure.
 *
 * @module
 */

/** The text that is written in place of a hidden value. */
export const REDACTED = "[redacted]";

const ANY = "*";

/** The members to hide: by name at any depth, or by path from the record. */
export class Redaction {
  readonly #names: ReadonlySet<string>;
  readonly #paths: readonly (readonly string[])[];

  /** Parses the names. `*` is a path, and so is every name with a dot: `config.headers.*`, `*.token`. */
  constructor(names: readonly string[]) {
    const isPath = (name: string) => name.includes(".") || name === ANY;
    this.#names = new Set(names.filter((name) => !isPath(name)));
    this.#paths = names.filter(isPath).map((path) => path.split("."));
  }

  /** Checks whether a member is hidden. `place` holds the keys and indexes from the record to the member. */
  hides(place: readonly string[]): boolean {
    return this.#names.has(place.at(-1)!) ||
      this.#paths.some((path) =>
        path.length === place.length &&
        path.every((key, index) => key === ANY || key === place[index])
      );
  }
}
