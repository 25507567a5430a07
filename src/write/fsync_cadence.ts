/**
 * When a sync is due, and which lines may be acknowledged meanwhile. Pure.
 *
 * The invariant, for a cadence of N lines: of the lines acknowledged, at most N - 1 are not durable.
 *
 * @module
 */

/** Counts the lines of one writer, in the order in which they were written. */
export class FsyncCadence {
  readonly #everyNLines: number;
  #written = 0;
  #durable = 0;

  /** Starts with no line written. */
  constructor(everyNLines: number) {
    this.#everyNLines = everyNLines;
  }

  /** Lines written so far. */
  get written(): number {
    return this.#written;
  }

  /** Whether a written line is not durable yet. */
  get hasUnsynced(): boolean {
    return this.#durable < this.#written;
  }

  /** Whether lines wait for a sync before they may be acknowledged. */
  get isDue(): boolean {
    return this.#written - this.#durable >= this.#everyNLines;
  }

  /** How many lines, counted from the first, may be acknowledged. */
  get acknowledged(): number {
    return Math.min(this.#written, this.#durable + this.#everyNLines - 1);
  }

  /** More lines were written. */
  wrote(lines: number): void {
    this.#written += lines;
  }

  /** A sync succeeded that began when `written` was as given. */
  synced(written: number): void {
    this.#durable = Math.max(this.#durable, written);
  }
}
