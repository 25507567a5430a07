/**
 * Which members of a record are not to be written. Pure.
 *
 * @module
 */

/** What stands in the place of what is hidden. */
export const REDACTED = "[redacted]";

const ANY = "*";

/** Names of members at any depth, and paths from the record on. */
export class Redaction {
  readonly #names: ReadonlySet<string>;
  readonly #paths: readonly (readonly string[])[];

  /** A name with a dot or an asterisk in it is a path: `config.headers.*`, `*.token`. */
  constructor(names: readonly string[]) {
    const isPath = (name: string) => name.includes(".") || name === ANY;
    this.#names = new Set(names.filter((name) => !isPath(name)));
    this.#paths = names.filter(isPath).map((path) => path.split("."));
  }

  /** Whether the member at the place, its keys and indexes from the record on, is hidden. */
  hides(place: readonly string[]): boolean {
    return this.#names.has(place.at(-1)!) ||
      this.#paths.some((path) =>
        path.length === place.length &&
        path.every((key, index) => key === ANY || key === place[index])
      );
  }
}
