/**
 * Remembers the calls of a log, so that a call that is seen by `fetch` and by telemetry is logged once.
 *
 * `fetch` adds a call when it is sent, so it is always there first: telemetry reports a call when it has ended.
 *
 * @module
 */
import { currentCallId } from "./call_context.ts";

/** Number of calls to remember. The telemetry of a call comes right after the call. */
const REMEMBERED_MAX = 10_000;

/** A call that one observer has seen. */
export class SeenCall {
  /** The observer. It logs the call. */
  readonly observer: object;
  /** Who the observer is. Only `fetch` sees a call when it is sent. */
  readonly source: "fetch" | "telemetry";
  /** ID of the call in the AI SDK; `undefined` if the call was not made by AI SDK 7. */
  readonly callId: string | undefined;
  /** The observers that have reported the call too. */
  readonly reportedBy = new Set<object>();
  /** Time at which the call was seen, by `performance.now()`. */
  readonly seenMs: number = performance.now();
  /** The names of the model: the one that was asked, and the one that answered. */
  readonly models = new Set<string | undefined>();
  /** ID of the response, when it is known. */
  id: string | undefined;
  /** Whether the call has ended, and how. */
  state: "open" | "ok" | "failed" = "open";

  /** Creates a call that was seen now, as a part of the call of the AI SDK that is running. */
  constructor(observer: object, source: SeenCall["source"]) {
    this.observer = observer;
    this.source = source;
    this.callId = currentCallId();
  }

  /** Returns a call of `fetch` that a budget refused. */
  static refused(observer: object, model: string | undefined): SeenCall {
    const call = new SeenCall(observer, "fetch");
    call.models.add(model);
    call.state = "failed";
    return call;
  }
}

/** A call as another observer reports it. */
export interface ReportedCall {
  readonly observer: object;
  /** Time at which the call began, by `performance.now()`. */
  readonly beganMs: number;
  /** Name of the model that answered, else of the one that was asked. */
  readonly model: string | undefined;
  /** Name of the model that was asked, if it may be another one. */
  readonly askedModel?: string | undefined;
  /** ID of the response. */
  readonly id: string | undefined;
  /** ID of the call in the AI SDK; `undefined` if requests of the call do not carry it. */
  readonly callId?: string | undefined;
  /** How the call ended; "left" if its end was not reported. */
  readonly outcome: "ok" | "failed" | "left";
}

/** The last calls of a log. */
export class SeenCalls {
  readonly #calls: SeenCall[] = [];

  /** Remembers a call. Its ID, its state and the model that answered may be set later. */
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
    if (reported.outcome === "ok" || call?.state === "ok") call?.reportedBy.add(reported.observer);
    return call !== undefined;
  }

  #find(reported: ReportedCall): SeenCall | undefined {
    const { observer, beganMs, id, callId } = reported;
    // No observer sees a call before it has begun.
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

/** Checks whether a call of `fetch` within a call of the AI SDK may be that call: it may also ask a further model. */
function mayBe(call: SeenCall, { model, askedModel, id, outcome }: ReportedCall): boolean {
  const isOfModel = call.models.has(model) || call.models.has(askedModel);
  const hasOtherId = id !== undefined && call.id !== undefined;
  const hasFailed = outcome === "ok" && call.state === "failed";
  return isOfModel && !hasOtherId && !hasFailed;
}

/** Checks whether a call of `fetch` may be a reported one, of which no ID is known to both. */
function isSimilar(call: SeenCall, { model, id, outcome }: ReportedCall): boolean {
  if (!call.models.has(model)) return false;
  if (outcome === "left") return true;
  // A call that `fetch` has seen fail is not the one that succeeded.
  if (outcome === "failed") return call.state !== "ok";
  // Some servers state no ID, so that SDKs invent one.
  return call.state === "ok" && (id === undefined || call.id === undefined);
}
