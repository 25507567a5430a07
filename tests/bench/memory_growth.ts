/**
 * How much memory something takes.
 *
 * @module
 */

/** Resident memory of this process over what it was at first. */
export class MemoryGrowth {
  readonly #baselineBytes = residentBytes();
  #peakBytes = this.#baselineBytes;
  readonly #timer = setInterval(() => this.look(), 20);

  /** Looks what it is now, beside the times at which a timer does. */
  look(): void {
    this.#peakBytes = Math.max(this.#peakBytes, residentBytes());
  }

  /** Ends the watch, and gives the most that there was, in bytes. */
  stop(): number {
    this.look();
    clearInterval(this.#timer);
    return this.#peakBytes - this.#baselineBytes;
  }
}

function residentBytes(): number {
  return Deno.memoryUsage().rss;
}
