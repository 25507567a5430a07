/**
 * Remembers the calls of a log, so that a call that is seen by `fetch` and by telemetry is logged once.
 *
 * `fetch` adds a call when it is sent, so it is always there first: telemetry reports a call when it has ended.
 *
 * @module
 */

/** Number of calls to remember. The telemetry of a call comes right after the call. */
const REMEMBERED_MAX = 10_000;

/** A call that one observer has seen. */
export class SeenCall {
  /** The observer. It logs the call. */
  readonly observer: object;
  /** The observers that have reported the call too. */
  readonly reportedBy = new Set<object>();
  /** Time at which the call was seen, by `performance.now()`. */
  readonly seenMs: number = performance.now();
  /** The names of the model: the one that was asked, and the one that answered. */
  readonly models = new Set<string | undefined>();
  /** ID of the response, when it is known. */
  id: string | undefined;
  /** `true` if a part of the response has come. */
  isAnswered = false;

  /** Creates a call that was seen now. */
  constructor(observer: object) {
    this.observer = observer;
  }
}

/** A call as another observer reports it. */
export interface ReportedCall {
  readonly observer: object;
  /** Time at which the call began, by `performance.now()`. */
  readonly beganMs: number;
  readonly model: string | undefined;
  readonly id: string | undefined;
  readonly hasFailed: boolean;
}

/** The last calls of a log. */
export class SeenCalls {
  readonly #calls: SeenCall[] = [];

  /** Remembers a call. Its ID and the model that answered may be set later. */
  add(call: SeenCall): void {
    this.#calls.push(call);
    if (this.#calls.length > 2 * REMEMBERED_MAX) this.#calls.splice(0, REMEMBERED_MAX);
  }

  /**
   * Checks whether another observer has seen a call. Each observer matches a call once, because some servers reuse IDs. A
   * failure may match again, because SDKs report one failure for all retries.
   */
  report(reported: ReportedCall): boolean {
    const call = this.#find(reported);
    if (!reported.hasFailed) call?.reportedBy.add(reported.observer);
    return call !== undefined;
  }

  #find({ observer, beganMs, model, id }: ReportedCall): SeenCall | undefined {
    let similar: SeenCall | undefined;
    // No observer sees a call before it has begun.
    for (let n = this.#calls.length - 1; n >= 0 && this.#calls[n]!.seenMs >= beganMs; n--) {
      const call = this.#calls[n]!;
      if (call.observer === observer || call.reportedBy.has(observer)) continue;
      if (id !== undefined && call.id === id) return call;
      // A failed call has no response, and some servers state no ID, so that SDKs invent one.
      const mayBeIt = id === undefined || call.id === undefined && call.isAnswered;
      if (mayBeIt && call.models.has(model)) similar = call;
    }
    return similar;
  }
}
