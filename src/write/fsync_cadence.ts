/**
 * Decides when a sync is due, and which lines may be acknowledged before the sync: the promise that `log()` returned
 * for them resolves. Pure.
 *
 * Invariant, if a sync is due every N lines: at most N - 1 acknowledged lines are not durable, so a power loss can lose
 * at most these lines.
 *
 * @module
 */

/** The counts of the written and synced lines of one writer, in the order of writing. */
export class FsyncCadence {
  readonly #everyNLines: number;
  #written = 0;
  /** Number of lines that are durable, or that were abandoned because their sync failed. These are the oldest lines. */
  #settled = 0;
  /**
   * Number of lines that were acknowledged and later abandoned. They will never be durable. So each of them forever
   * reduces by one the number of further lines that may be acknowledged before a sync.
   */
  #doubtful = 0;

  /** Creates the counts of a writer that has written no line. A sync is due every `everyNLines` lines. */
  constructor(everyNLines: number) {
    this.#everyNLines = everyNLines;
  }

  /** Number of lines written so far. */
  get written(): number {
    return this.#written;
  }

  /** Number of written lines that are not durable yet, but can still become durable. */
  get unsynced(): number {
    return this.#written - this.#settled;
  }

  /** Whether a written line is not durable yet, but can still become durable. */
  get hasUnsynced(): boolean {
    return this.unsynced > 0;
  }

  /** Whether a written line must wait for a sync before it may be acknowledged. */
  get isDue(): boolean {
    return this.#written > this.acknowledged;
  }

  /**
   * Number of the oldest lines whose callers need not wait any longer: lines that may be acknowledged, and lines that
   * were abandoned after a failed sync.
   */
  get acknowledged(): number {
    return Math.min(this.#written, this.#settled + this.#everyNLines - 1 - this.#doubtful);
  }

  /** Adds `lines` to the number of written lines. */
  wrote(lines: number): void {
    this.#written += lines;
  }

  /** Counts the oldest `written` lines as durable: a sync that began after their write has succeeded. */
  synced(written: number): void {
    this.#settled = Math.max(this.#settled, written);
  }

  /**
   * Counts the written lines that are not durable as abandoned, because their sync has failed: they can never become
   * durable.
   */
  gaveUp(): void {
    this.#doubtful += this.acknowledged - this.#settled;
    this.#settled = this.#written;
  }
}
