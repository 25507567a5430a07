/**
 * Measures how much memory some work takes.
 *
 * @module
 */

/** The growth of this process's resident memory since the object was created. */
export class MemoryGrowth {
  readonly #baselineBytes = residentBytes();
  #peakBytes = this.#baselineBytes;
  readonly #timer = setInterval(() => this.look(), 20);

  /** Samples the memory now. A timer takes further samples every 20 ms. */
  look(): void {
    this.#peakBytes = Math.max(this.#peakBytes, residentBytes());
  }

  /** Stops sampling. Returns the largest growth in bytes. */
  stop(): number {
    this.look();
    clearInterval(this.#timer);
    return this.#peakBytes - this.#baselineBytes;
  }
}

function residentBytes(): number {
  return Deno.memoryUsage().rss;
}
