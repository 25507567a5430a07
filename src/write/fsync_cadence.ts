/**
 * Decides when a sync is due, and which lines may be acknowledged before it. Pure.
 *
 * Invariant, for a cadence of N lines: at most N - 1 acknowledged lines are not durable.
 *
 * @module
 */

/** The counts of the written and synced lines of one writer, in the order of writing. */
export class FsyncCadence {
  readonly #everyNLines: number;
  #written = 0;
  /** Number of lines that are durable or abandoned; they are the first ones. */
  #settled = 0;
  /** Number of lines that were acknowledged and later abandoned. They count against the invariant forever. */
  #doubtful = 0;

  /** Starts with no line written. */
  constructor(everyNLines: number) {
    this.#everyNLines = everyNLines;
  }

  /** Number of lines written so far. */
  get written(): number {
    return this.#written;
  }

  /** Number of written lines that are not durable yet, but still can be. */
  get unsynced(): number {
    return this.#written - this.#settled;
  }

  /** Whether any line is {@linkcode unsynced}. */
  get hasUnsynced(): boolean {
    return this.unsynced > 0;
  }

  /** Whether a line must wait for a sync before it may be acknowledged. */
  get isDue(): boolean {
    return this.#written > this.acknowledged;
  }

  /** Number of lines that may be acknowledged or were abandoned; they are the first ones. */
  get acknowledged(): number {
    return Math.min(this.#written, this.#settled + this.#everyNLines - 1 - this.#doubtful);
  }

  /** Counts lines that were written. */
  wrote(lines: number): void {
    this.#written += lines;
  }

  /** Counts the first `written` lines as durable: a sync that began after they were written has succeeded. */
  synced(written: number): void {
    this.#settled = Math.max(this.#settled, written);
  }

  /** Abandons the written lines that are not durable: they never will be. */
  gaveUp(): void {
    this.#doubtful += this.acknowledged - this.#settled;
    this.#settled = this.#written;
  }
}
