/**
 * The problems of invalid records of imported files.
 *
 * @module
 */
import { shownNumber } from "../../shown.ts";
import { CommandError } from "../command_error.ts";

const PROBLEMS_SHOWN = 10;

/** The problems of invalid records. The first 10 problems are listed, and the others are only counted. */
export class Problems {
  readonly #shown: string[] = [];
  #count = 0;

  /** Number of problems that were added, listed or not. */
  get count(): number {
    return this.#count;
  }

  /** Adds the problem of an invalid record. `place` is the position of the record (`FILE:LINE`). */
  add(place: string, problem: string): void {
    this.#count++;
    if (this.#count <= PROBLEMS_SHOWN) this.#shown.push(`${place}: ${problem}`);
  }

  /**
   * Throws an error that lists the problems. Does nothing if no problem was added.
   *
   * @throws {CommandError} If a problem was added; the message is `introduction`.
   */
  throwIfAny(introduction: string, hint: string | null = null): void {
    if (this.#count === 0) return;
    const details = [...hint === null ? [] : [hint], ...this.list()];
    throw new CommandError(introduction, 1, details);
  }

  /** Returns one line for each of the first problems. If there are more problems, the last line states their number. */
  list(): string[] {
    const further = this.#count - this.#shown.length;
    return [...this.#shown, ...further > 0 ? [`and ${shownNumber(further)} more`] : []];
  }
}

/** Returns the error for a file that cannot be read to its end. */
export function unreadableRest(place: string, problem: string): CommandError {
  return new CommandError(
    `Cannot import: the file cannot be read from ${place} on, so nothing was imported: ${problem}`,
    1,
  );
}

/** The message for invalid records without `--skip-invalid`. */
export const SOME_INVALID =
  "Cannot import: some records are invalid, so nothing was imported; --skip-invalid leaves them out";
