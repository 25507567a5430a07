/**
 * Observes a model call from the request to the end of the response, and logs the call.
 *
 * Invariant: a call is logged at most once, and as soon as its end is known.
 *
 * @module
 */
import type { CallLog, CallStatus, HeldCall } from "./call_log.ts";
import { errorFields, isAbort, roundedMs, shortened } from "./event_values.ts";
import { parsed, picked } from "./json_values.ts";
import { leavesOutUsage, type ModelRequest } from "./model_request.ts";
import type { BodyObserver } from "./observed_response.ts";
import { ResponseFacts } from "./response_facts.ts";
import type { SentRequest } from "./sent_request.ts";
import { SeenCall } from "./seen_calls.ts";
import { StreamTail } from "./stream_tail.ts";

/**
 * Maximum number of characters of a JSON body that is kept to read its token usage, so that memory is bounded. A longer
 * body is passed on, but its usage is not known.
 */
const READ_CHARS_MAX = 32 * 1024 * 1024;

/** A model call that is about to be made. */
export interface ObservedCall {
  readonly calls: CallLog;
  readonly sent: SentRequest;
  readonly request: ModelRequest;
  /** The hold of the call: an amount reserved on its budgets. `null` if the call has no budget. */
  readonly held: HeldCall | null;
  /** If `true`, the event of the call has the texts of the prompt and the answer. */
  readonly keepsText: boolean;
}

/**
 * Observes one call. Create the observer when the request is sent, because the duration of the call is measured from
 * then.
 */
export class CallObserver implements BodyObserver {
  readonly #call: ObservedCall;
  readonly #facts: ResponseFacts;
  readonly #beganMs = performance.now();
  readonly #decoder = new TextDecoder();
  #held: HeldCall | null;
  /** HTTP status of the response; 0 until the response arrives. */
  #status = 0;
  readonly #seen: SeenCall;
  /**
   * The reader of a body that is a stream of events; `null` if the body is JSON; `undefined` if its form is not known
   * yet.
   */
  #stream: StreamTail | null | undefined;
  /** The pieces of the JSON body that have arrived; `null` if the body is too long to be read. */
  #json: string[] | null = [];
  #jsonChars = 0;
  #ttftMs: number | undefined;
  #isLogged = false;

  /** Creates the observer of a call that begins now. */
  constructor(call: ObservedCall) {
    this.#call = call;
    this.#held = call.held;
    this.#facts = new ResponseFacts(call.keepsText);
    this.#seen = new SeenCall(call.calls, "fetch");
    this.#seen.models.add(call.request.model);
    call.calls.seen.add(this.#seen);
  }

  /** Reads the status and the headers of the response. */
  respond({ status, headers, type }: Response): void {
    // A response of the type "error", as after a network error, has the status 0. It gets a status >= 400 here, so that
    // the call counts as failed.
    this.#status = type === "error" ? NETWORK_ERROR : status;
    // The call is marked as failed before its body is read, so that telemetry does not match it with a call that
    // succeeded.
    if (this.#status >= 400) this.#seen.state = "failed";
    const contentType = headers.get("content-type")?.toLowerCase() ?? "";
    if (contentType.startsWith("text/event-stream")) this.#stream = new StreamTail(this.#facts);
    else if (contentType.includes("json")) this.#stream = null;
    // If the server refuses the call, the call costs nothing. Its hold is released now, because the caller may never
    // read the body.
    if (status >= 400 && status < 500) this.release("the server refused the call");
  }

  /** Releases the hold of the call, so that the budgets are charged nothing. */
  release(reason: string): void {
    void this.#held?.hold.release(reason);
    this.#held = null;
  }

  take(bytes: Uint8Array): void {
    // After the first output, only the end of the stream is still needed, so all other checks are skipped for speed.
    if (this.#ttftMs !== undefined) {
      this.#stream!.take(bytes);
      return;
    }
    if (this.#stream === undefined) {
      this.#stream = looksLikeEvents(bytes) ? new StreamTail(this.#facts) : null;
    }
    if (this.#stream === null) {
      this.#takeJson(this.#decoder.decode(bytes, { stream: true }));
      return;
    }
    this.#stream.take(bytes);
    // Telemetry may report the end of the call before the caller has read the whole response. So the ID and the model,
    // by which the report is matched, are set with each piece.
    this.#identify();
    if (this.#facts.hasOutput) this.#ttftMs = this.#elapsedMs();
  }

  /** Sets the ID and the model by which a report of telemetry is matched with this call. */
  #identify(): void {
    this.#seen.id = this.#facts.id;
    this.#seen.models.add(this.#facts.model);
  }

  end(): void {
    this.#readRest(true);
    const failure = this.#failure();
    if (failure !== undefined) this.#log("error", failure);
    else if (!this.#stream || this.#facts.isComplete) this.#log("ok", undefined);
    else this.#log("error", { message: "The stream ended before its last event" });
  }

  cancel(reason: unknown): void {
    // If the body was split with tee(), `reason` is an array with the reasons of both branches.
    const given = Array.isArray(reason) ? reason.find((each) => each !== undefined) : reason;
    this.#leave("aborted", given === undefined ? undefined : errorFields(given));
  }

  fail(error: unknown): void {
    const { signal } = this.#call.sent;
    this.#leave(isAbort(error, signal) ? "aborted" : "error", errorFields(error));
  }

  drop(): void {
    this.#leave("aborted", { message: "The response was not read to its end" });
  }

  /** Logs a call whose response was not read to its end. */
  #leave(status: CallStatus, error: object | undefined): void {
    this.#readRest(false);
    const failure = this.#failure();
    // SDKs stop reading after an error, and may stop after the last event of a stream. In both cases the caller has not
    // aborted the call, so it is not logged as aborted.
    if (failure !== undefined) this.#log("error", failure);
    else if (this.#facts.isComplete) this.#log("ok", undefined);
    else this.#log(status, error);
  }

  /**
   * Parses the bytes of the body that have arrived and were not parsed yet. `isWhole` is `true` if the body has ended.
   */
  #readRest(isWhole: boolean): void {
    if (this.#isLogged) return;
    if (this.#stream) this.#stream.end(isWhole);
    else this.#endJson();
  }

  #takeJson(text: string): void {
    this.#jsonChars += text.length;
    if (this.#jsonChars > READ_CHARS_MAX) this.#json = null;
    else this.#json?.push(text);
  }

  #endJson(): void {
    this.#takeJson(this.#decoder.decode());
    const body = this.#json === null ? undefined : parsed(this.#json.join(""));
    if (body !== undefined) this.#facts.takeWhole(body);
  }

  /**
   * Returns the error that the status or the content of the response states; `undefined` if the response states no
   * error.
   */
  #failure(): object | undefined {
    const status = this.#status;
    const { error } = this.#facts;
    if (status < 400 && error === undefined) return undefined;
    const { type, code, message } = error ?? {};
    return {
      status,
      type,
      code,
      message: typeof message === "string" ? shortened(message) : undefined,
    };
  }

  #elapsedMs(): number {
    return roundedMs(performance.now() - this.#beganMs);
  }

  #log(status: CallStatus, error: object | undefined): void {
    if (this.#isLogged) return;
    this.#isLogged = true;
    this.#seen.state = status === "ok" ? "ok" : "failed";
    this.#identify();
    const { calls, request, sent } = this.#call;
    const { usage, model, provider, id, finishReason, text } = this.#facts;
    if (status === "ok" && usage === undefined && leavesOutUsage(request)) {
      calls.warnOnce(
        "Logged a streamed call without usage and cost, because the request does not ask for its usage; " +
          "budgets are charged the estimate. Add stream_options: { include_usage: true } to the request. " +
          "This warning is logged once.",
      );
    }
    const ended = {
      status,
      model: model ?? request.model,
      provider: provider ?? request.provider,
      usage,
      durationMs: this.#elapsedMs(),
      ttftMs: this.#ttftMs,
      error,
      responseId: id,
      more: {
        api: request.api,
        host: sent.url.host,
        finish_reason: finishReason,
        retry: retryCount(sent),
        ...(text === null
          ? {}
          : { prompt: picked(PROMPT_MEMBERS, request.body ?? {}), answer: text.join("") }),
      },
    };
    if (this.#held === null) void calls.record(ended);
    else calls.settle(ended, this.#held);
  }
}

/** The status that is logged for a response of the type "error", as after a network error. Its own status is 0. */
const NETWORK_ERROR = 599;

/** Checks whether a body without a known content type begins like a stream of server-sent events. */
function looksLikeEvents(bytes: Uint8Array): boolean {
  const start = new TextDecoder().decode(bytes.subarray(0, 16)).trimStart();
  return /^(?:data|event|id|retry)?:/.test(start);
}

/**
 * Returns the number of the retry, which the SDKs of OpenAI and Anthropic state in a header; `undefined` for the first
 * try.
 */
function retryCount({ header }: SentRequest): number | undefined {
  const count = Number(header("x-stainless-retry-count"));
  return Number.isSafeInteger(count) && count > 0 ? count : undefined;
}

/** The members of a request's body that may contain its prompt, in the APIs of all providers. */
const PROMPT_MEMBERS = [
  "system",
  "instructions",
  "systemInstruction",
  "messages",
  "input",
  "contents",
  "prompt",
];
