/**
 * Takes over the unhandled rejections of a log's own promises, so that they do not end the program.
 *
 * The runtime reports an unhandled rejection at the end of an event-loop turn, and then ends the program. If the
 * promise is a log's own, the log takes the rejection over: it logs the error, and the next flush or close rejects.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { Clock } from "../platform/clock.ts";

/** The unhandled errors of one log. */
export class UnheardErrors {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #watched = new WeakSet<Promise<unknown>>();
  #isFresh = false;
  #first: { error: unknown } | undefined;
  #lastLogged: unknown;

  /** Creates an empty record of errors. */
  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Registers a promise of the log that is about to be rejected, so that {@linkcode adopt} recognizes the promise. */
  watch(promise: Promise<unknown>): void {
    this.#watched.add(promise);
    this.#isFresh = true;
  }

  /**
   * Takes over an unhandled rejection: logs and stores the error, and returns true. If the promise does not belong to
   * the log, returns false.
   */
  adopt(promise: Promise<unknown>, error: unknown): boolean {
    if (!this.#watched.has(promise)) return false;
    this.#first ??= { error };
    // All lines of a failed batch share one error object, so the error is logged only once.
    if (error !== this.#lastLogged) this.#logger.error("An event was not logged:", error);
    this.#lastLogged = error;
    return true;
  }

  /** If there were unhandled errors since the last call, throws the first of them. */
  async throwFirst(): Promise<void> {
    if (this.#isFresh) {
      // The runtime reports an unhandled rejection only at the end of the event-loop turn in which it happened. So this
      // method first waits for a turn.
      await this.#clock.wait(0);
      this.#isFresh = false;
    }
    const first = this.#first;
    this.#first = undefined;
    this.#lastLogged = undefined;
    if (first !== undefined) throw first.error;
  }
}
