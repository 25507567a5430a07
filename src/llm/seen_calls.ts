/**
 * Remembers the model calls of a log, so that a call that both `fetch` and telemetry see is logged only once.
 *
 * `fetch` adds a call when it is sent, and telemetry reports a call only after it has ended. So when telemetry reports
 * a call that `fetch` has seen, the call is already in the list.
 *
 * @module
 */
import { currentCallId } from "./call_context.ts";

/** Minimum number of calls to remember. The number is enough, because telemetry reports a call right after its end. */
const REMEMBERED_MAX = 10_000;

/** A model call that one observer has seen. An observer is an object that logs the calls that it sees. */
export class SeenCall {
  /** The observer that has seen the call first, and so logs it. */
  readonly observer: object;
  /** Kind of the observer. Only `fetch` sees a call when it is sent; telemetry sees a call when it has ended. */
  readonly source: "fetch" | "telemetry";
  /** ID of the call in the AI SDK; `undefined` if the call was not made by AI SDK 7. */
  readonly callId: string | undefined;
  /** The other observers that have reported this call, and so have not logged it. */
  readonly reportedBy = new Set<object>();
  /** Time at which the call was seen, by `performance.now()`. */
  readonly seenMs: number = performance.now();
  /** The names of the model: the one that was asked, and the one that answered. */
  readonly models = new Set<string | undefined>();
  /** ID of the response; `undefined` until it is known. */
  id: string | undefined;
  /** "open" until the call has ended, then "ok" or "failed". */
  state: "open" | "ok" | "failed" = "open";

  /** Creates a call that is seen now. If the code runs within a call of the AI SDK, takes over the ID of that call. */
  constructor(observer: object, source: SeenCall["source"]) {
    this.observer = observer;
    this.source = source;
    this.callId = currentCallId();
  }

  /** Returns a call that `fetch` has not made because a budget refused it. */
  static refused(observer: object, model: string | undefined): SeenCall {
    const call = new SeenCall(observer, "fetch");
    call.models.add(model);
    call.state = "failed";
    return call;
  }
}

/** A call that an observer reports, which another observer may have seen before. */
export interface ReportedCall {
  readonly observer: object;
  /** Time at which the call began, by `performance.now()`. */
  readonly beganMs: number;
  /** Name of the model that answered, else of the one that was asked. */
  readonly model: string | undefined;
  /** Name of the model that was asked, if it may differ from `model`. */
  readonly askedModel?: string | undefined;
  /** ID of the response; `undefined` if it is not known. */
  readonly id: string | undefined;
  /** ID of the call in the AI SDK; `undefined` if `fetch` cannot see this ID when it sends the requests of the call. */
  readonly callId?: string | undefined;
  /** Outcome of the call; "left" if its end was not reported. */
  readonly outcome: "ok" | "failed" | "left";
}

/** The last model calls of a log that any observer has seen. */
export class SeenCalls {
  readonly #calls: SeenCall[] = [];

  /** Remembers a call. Its ID, its state and the model that answered may be set later. */
  add(call: SeenCall): void {
    this.#calls.push(call);
    if (this.#calls.length > 2 * REMEMBERED_MAX) this.#calls.splice(0, REMEMBERED_MAX);
  }

  /**
   * Checks whether another observer has seen the reported call. Each seen call matches at most one report of an
   * observer, because some servers reuse response IDs. Exception: if neither the reported nor the seen call has
   * succeeded, the seen call may match more reports, because SDKs report one failure for all retries.
   */
  report(reported: ReportedCall): boolean {
    const call = this.#find(reported);
    if (reported.outcome === "ok" || call?.state === "ok") call?.reportedBy.add(reported.observer);
    return call !== undefined;
  }

  #find(reported: ReportedCall): SeenCall | undefined {
    const { observer, beganMs, id, callId } = reported;
    // A call that was seen before the reported call began is another call, so only later ones are compared.
    const first = this.#calls.findLastIndex(({ seenMs }) => seenMs < beganMs) + 1;
    const calls = this.#calls.slice(first)
      .filter((call) => call.observer !== observer && !call.reportedBy.has(observer));
    const withId = id === undefined ? undefined : calls.findLast((call) => call.id === id);
    if (withId !== undefined) return withId;
    const sent = calls.filter(({ source }) => source === "fetch");
    if (callId === undefined) return sent.find((call) => isSimilar(call, reported));
    const tries = sent.filter((call) => call.callId === callId && mayBe(call, reported));
    return tries.find(({ state }) => state === "ok") ?? tries[0];
  }
}

/**
 * Checks whether a request that `fetch` has seen within a call of the AI SDK may belong to that call. The ID of the
 * call is not enough, because code that runs within the call may send requests to other models too.
 */
function mayBe(call: SeenCall, { model, askedModel, id, outcome }: ReportedCall): boolean {
  const isOfModel = call.models.has(model) || call.models.has(askedModel);
  const hasOtherId = id !== undefined && call.id !== undefined;
  const hasFailed = outcome === "ok" && call.state === "failed";
  return isOfModel && !hasOtherId && !hasFailed;
}

/**
 * Checks by model and outcome whether a call that `fetch` has seen may be the reported call. Called if the reported IDs
 * do not identify the call.
 */
function isSimilar(call: SeenCall, { model, id, outcome }: ReportedCall): boolean {
  if (!call.models.has(model)) return false;
  if (outcome === "left") return true;
  // If telemetry reports a failure, it cannot mean a call that `fetch` has seen succeed.
  if (outcome === "failed") return call.state !== "ok";
  // Some servers state no ID of the response, and SDKs then invent one. So a call without an ID may match.
  return call.state === "ok" && (id === undefined || call.id === undefined);
}
