/**
 * One promise for each accepted line, settled in the order of the lines.
 *
 * A line is first accepted, then written or refused; a written one may have to wait for a sync. The
 * sink counts lines and knows nothing of promises; this file knows promises and no files.
 *
 * @module
 */

type Waiter = PromiseWithResolvers<void>;

/** What becomes of the lines of a sink, told in their order. */
export interface LineOutcomes {
  /** The next `lines` lines were written. */
  written(lines: number): void;
  /** The next `lines` lines are not in the file. */
  refused(lines: number, error: Error): void;
  /** The first `lines` of all written lines may be acknowledged. */
  acknowledged(lines: number): void;
  /** No line that still waits for a sync will ever be called durable. */
  syncFailed(error: Error): void;
}

/** Promises for lines. */
export class Acknowledgements implements LineOutcomes {
  readonly #onReject: (promise: Promise<void>) => void;
  #accepted: Waiter[] = [];
  #written: Waiter[] = [];
  /** Written lines whose promise is settled, counted from the first. */
  #settledCount = 0;
  #acceptedCount = 0;
  #decidedCount = 0;
  #watchers: { decidedCount: number; resolve: () => void }[] = [];

  /** `onReject` sees each promise that is rejected, before anybody else can. */
  constructor(onReject: (promise: Promise<void>) => void) {
    this.#onReject = onReject;
  }

  /** A line was accepted; the promise tells what becomes of it. */
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
