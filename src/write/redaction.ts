/**
 * Decides which members of a record are hidden: their values are replaced before the record is written. Pure.
 *
 * @module
 */

/** The text that is written in place of a hidden value. */
export const REDACTED = "[redacted]";

const ANY = "*";

/** The members of a record that are hidden: by name at any depth, or by path from the record. */
export class Redaction {
  readonly #names: ReadonlySet<string>;
  readonly #paths: readonly (readonly string[])[];

  /** Parses the names of members. A name with a dot is a path, as in `config.headers.*`, and so is `*` alone. */
  constructor(names: readonly string[]) {
    const isPath = (name: string) => name.includes(".") || name === ANY;
    this.#names = new Set(names.filter((name) => !isPath(name)));
    this.#paths = names.filter(isPath).map((path) => path.split("."));
  }

  /** Checks whether a member is hidden. `place` is the path of the member: the keys and indexes from the record. */
  hides(place: readonly string[]): boolean {
    return this.#names.has(place.at(-1)!) ||
      this.#paths.some((path) =>
        path.length === place.length &&
        path.every((key, index) => key === ANY || key === place[index])
      );
  }
}
