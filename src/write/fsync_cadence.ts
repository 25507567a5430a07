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
  /** Lines that are durable or given up, counted from the first. */
  #settled = 0;
  /** Lines that were acknowledged and are given up: never durable, and never forgotten. */
  #doubtful = 0;

  /** Starts with no line written. */
  constructor(everyNLines: number) {
    this.#everyNLines = everyNLines;
  }

  /** Lines written so far. */
  get written(): number {
    return this.#written;
  }

  /** Written lines that are not durable yet, and can be. */
  get unsynced(): number {
    return this.#written - this.#settled;
  }

  /** Whether there are any. */
  get hasUnsynced(): boolean {
    return this.unsynced > 0;
  }

  /** Whether lines wait for a sync before they may be acknowledged. */
  get isDue(): boolean {
    return this.#written > this.acknowledged;
  }

  /** How many lines, counted from the first, may be acknowledged or have been given up. */
  get acknowledged(): number {
    return Math.min(this.#written, this.#settled + this.#everyNLines - 1 - this.#doubtful);
  }

  /** More lines were written. */
  wrote(lines: number): void {
    this.#written += lines;
  }

  /** A sync succeeded that began when `written` was as given. */
  synced(written: number): void {
    this.#settled = Math.max(this.#settled, written);
  }

  /** No line written so far that is not durable will ever be. */
  gaveUp(): void {
    this.#doubtful += this.acknowledged - this.#settled;
    this.#settled = this.#written;
  }
}
