/**
 * Errors that reached no caller: rejections of a log's own promises that nobody handles.
 *
 * The runtime knows which promises nobody handles and says so once the turn is over; it would end
 * the program over one. A log takes its own ones on instead: each goes to the logger, and the next
 * flush or close rejects.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { Clock } from "../platform/clock.ts";

/** Collects the errors of one log. */
export class UnheardErrors {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #watched = new WeakSet<Promise<unknown>>();
  #isFresh = false;
  #first: { error: unknown } | undefined;
  #lastLogged: unknown;

  /** Starts with no error. */
  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Watches a promise that is about to be rejected. */
  watch(promise: Promise<unknown>): void {
    this.#watched.add(promise);
    this.#isFresh = true;
  }

  /** Takes on a rejection that nobody handles; false if the promise is not one of ours. */
  adopt(promise: Promise<unknown>, error: unknown): boolean {
    if (!this.#watched.has(promise)) return false;
    this.#first ??= { error };
    // All lines of a failed batch share one error, which is worth one message.
    if (error !== this.#lastLogged) this.#logger.error("An event was not logged:", error);
    this.#lastLogged = error;
    return true;
  }

  /** Throws the first error that reached nobody since the last call. */
  async throwFirst(): Promise<void> {
    if (this.#isFresh) {
      // The runtime speaks at the end of the turn in which the rejection happened.
      await this.#clock.wait(0);
      this.#isFresh = false;
    }
    const first = this.#first;
    this.#first = undefined;
    this.#lastLogged = undefined;
    if (first !== undefined) throw first.error;
  }
}
