/**
 * One promise for each accepted line, settled in the order of the lines.
 *
 * A line is first accepted, then written or refused. The promise of a written line may have to wait for a sync. The
 * sink reports numbers of lines, and this module settles the promises of these lines.
 *
 * @module
 */

type Waiter = PromiseWithResolvers<void>;

/** Receives the outcomes of the lines of a sink, in the order of the lines. */
export interface LineOutcomes {
  /** Called when the next `lines` lines were written. */
  written(lines: number): void;
  /** Called when the next `lines` lines were refused, so that they are not in the file. */
  refused(lines: number, error: Error): void;
  /** Called when the oldest `lines` of all lines ever written may be acknowledged. */
  acknowledged(lines: number): void;
  /** Called when a sync failed: no line that still waits for a sync will ever be reported as durable. */
  syncFailed(error: Error): void;
}

/** The promises of the lines of one log. */
export class Acknowledgements implements LineOutcomes {
  readonly #onReject: (promise: Promise<void>) => void;
  #accepted: Waiter[] = [];
  #written: Waiter[] = [];
  /** Number of written lines whose promises are settled. These are the oldest written lines. */
  #settledCount = 0;
  #acceptedCount = 0;
  #decidedCount = 0;
  #watchers: { decidedCount: number; resolve: () => void }[] = [];

  /** Creates an empty list of promises. `onReject` is called with each promise immediately before its rejection. */
  constructor(onReject: (promise: Promise<void>) => void) {
    this.#onReject = onReject;
  }

  /** Accepts a line, and returns a promise that settles with the outcome of the line. */
  accept(): Promise<void> {
    const waiter = Promise.withResolvers<void>();
    this.#accepted.push(waiter);
    this.#acceptedCount++;
    return waiter.promise;
  }

  /** Resolves when every line accepted so far has been written or refused. */
  decided(): Promise<void> {
    if (this.#decidedCount === this.#acceptedCount) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watchers.push({ decidedCount: this.#acceptedCount, resolve });
    return promise;
  }

  written(lines: number): void {
    for (const waiter of this.#decide(lines)) this.#written.push(waiter);
  }

  refused(lines: number, error: Error): void {
    this.#reject(this.#decide(lines), error);
  }

  acknowledged(lines: number): void {
    const waiters = this.#written.splice(0, lines - this.#settledCount);
    this.#settledCount += waiters.length;
    for (const waiter of waiters) waiter.resolve();
  }

  syncFailed(error: Error): void {
    const waiters = this.#written.splice(0);
    this.#settledCount += waiters.length;
    this.#reject(waiters, error);
  }

  #decide(lines: number): Waiter[] {
    this.#decidedCount += lines;
    const reached = this.#watchers.findIndex(({ decidedCount }) =>
      decidedCount > this.#decidedCount
    );
    for (const { resolve } of this.#watchers.splice(0, reached < 0 ? Infinity : reached)) resolve();
    return this.#accepted.splice(0, lines);
  }

  #reject(waiters: readonly Waiter[], error: Error): void {
    for (const { promise, reject } of waiters) {
      this.#onReject(promise);
      reject(error);
    }
  }
}
