/**
 * The callers that wait for the outcomes of accepted lines, one caller per line. The callers receive the outcomes in
 * the order of the lines.
 *
 * A line is first accepted, then written or refused. The caller of a written line may have to wait for a sync. The sink
 * reports only how many lines were written or refused. This module finds the callers of these lines and settles their
 * promises.
 *
 * @module
 */

/**
 * The promise that the caller of one line received, and the functions that settle it. {@linkcode Acknowledgements}
 * calls `resolve` or `reject` once.
 */
export interface LineCaller {
  /** The promise that the caller received. */
  readonly promise: Promise<unknown>;
  /** Called when the line is written. If the caller has to wait for a sync, called when the line is durable. */
  readonly resolve: () => void;
  /** Called when the line was refused, or will never be reported as durable. */
  readonly reject: (error: unknown) => void;
}

/** Receives the outcomes of the lines of a sink, in the order of the lines. */
export interface LineOutcomes {
  /** Called when the next `lines` lines were written. */
  written(lines: number): void;
  /** Called when `lines` lines were written that have no caller, because the log itself added them. */
  inserted(lines: number): void;
  /** Called when the next `lines` lines were refused, so that they are not in the file. */
  refused(lines: number, error: Error): void;
  /**
   * Called when the callers of lines may learn that their lines are written. These are the first `lines` of all lines
   * that the sink has written since it was opened.
   */
  acknowledged(lines: number): void;
  /** Called when a sync failed: no line that still waits for a sync will ever be reported as durable. */
  syncFailed(error: Error): void;
}

/** The placeholder for the caller of a line that the log itself added, so that each written line has an entry. */
const NOBODY: LineCaller = { promise: Promise.resolve(), resolve() {}, reject() {} };

/** The callers of the lines of one log. */
export class Acknowledgements implements LineOutcomes {
  readonly #onReject: (promise: Promise<unknown>) => void;
  #accepted: LineCaller[] = [];
  #written: LineCaller[] = [];
  /** Number of written lines whose promises are settled. These are the oldest written lines. */
  #settledCount = 0;
  #acceptedCount = 0;
  #decidedCount = 0;
  #watchers: { decidedCount: number; resolve: () => void }[] = [];

  /** Creates an empty list of callers. `onReject` is called with each promise immediately before its rejection. */
  constructor(onReject: (promise: Promise<unknown>) => void) {
    this.#onReject = onReject;
  }

  /** Accepts a line. The caller receives the outcome of the line. */
  accept(caller: LineCaller): void {
    this.#accepted.push(caller);
    this.#acceptedCount++;
  }

  /** Number of lines accepted so far. */
  get acceptedCount(): number {
    return this.#acceptedCount;
  }

  /** Resolves when every line accepted so far has been written or refused. */
  decided(): Promise<void> {
    if (this.#decidedCount === this.#acceptedCount) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watchers.push({ decidedCount: this.#acceptedCount, resolve });
    return promise;
  }

  written(lines: number): void {
    for (const caller of this.#decide(lines)) this.#written.push(caller);
  }

  inserted(lines: number): void {
    for (let line = 0; line < lines; line++) this.#written.push(NOBODY);
  }

  refused(lines: number, error: Error): void {
    this.#reject(this.#decide(lines), error);
  }

  acknowledged(lines: number): void {
    const callers = this.#written.splice(0, lines - this.#settledCount);
    this.#settledCount += callers.length;
    for (const caller of callers) caller.resolve();
  }

  syncFailed(error: Error): void {
    const callers = this.#written.splice(0);
    this.#settledCount += callers.length;
    this.#reject(callers, error);
  }

  #decide(lines: number): LineCaller[] {
    this.#decidedCount += lines;
    const reached = this.#watchers.findIndex(({ decidedCount }) =>
      decidedCount > this.#decidedCount
    );
    for (const { resolve } of this.#watchers.splice(0, reached < 0 ? Infinity : reached)) resolve();
    return this.#accepted.splice(0, lines);
  }

  #reject(callers: readonly LineCaller[], error: Error): void {
    for (const { promise, reject } of callers) {
      this.#onReject(promise);
      reject(error);
    }
  }
}
