/**
 * Divides long work into short steps, between which other tasks can run.
 *
 * @module
 */
import type { Clock } from "./clock.ts";

/** Maximum time of one step in milliseconds. */
const STEP_MS = 2;

/** Divides one piece of work into steps. Between two steps, the event loop makes a turn. */
export class Turns {
  readonly #clock: Clock;
  #stepStartMs: number;

  /** Starts the first step. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#stepStartMs = clock.monotonicMs();
  }

  /** Whether the current step has taken so long that the event loop must make a turn before the work continues. */
  get isDue(): boolean {
    return this.#clock.monotonicMs() - this.#stepStartMs > STEP_MS;
  }

  /** Resolves after one turn of the event loop, and starts the next step. */
  async take(): Promise<void> {
    await this.#clock.turn();
    this.#stepStartMs = this.#clock.monotonicMs();
  }
}
