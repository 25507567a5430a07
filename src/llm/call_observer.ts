/**
 * Sees a model call from the request to the end of the response, and logs it.
 *
 * Invariant: a call is logged exactly once, however it ends.
 *
 * @module
 */
import type { BudgetHold } from "../budget/granted_hold.ts";
import { type CallLog, type CallStatus, errorFields, roundedMs, shortened } from "./call_log.ts";
import { leavesOutUsage, type ModelRequest } from "./model_request.ts";
import type { BodyObserver } from "./observed_response.ts";
import { parsed, ResponseFacts } from "./response_facts.ts";
import type { SentRequest } from "./sent_request.ts";
import { StreamTail } from "./stream_tail.ts";

/** Maximum number of characters of a JSON body that is read for its usage. */
const READ_CHARS_MAX = 32 * 1024 * 1024;

/** A call that is about to be made. */
export interface ObservedCall {
  readonly calls: CallLog;
  readonly sent: SentRequest;
  readonly request: ModelRequest;
  /** The hold of the call; `null` without a budget. */
  readonly hold: BudgetHold | null;
  /** If `true`, the event has the prompt and the answer. */
  readonly keepsText: boolean;
}

/** Sees one call. Create it when the request is sent. */
export class CallObserver implements BodyObserver {
  readonly #call: ObservedCall;
  readonly #facts: ResponseFacts;
  readonly #beganMs = performance.now();
  readonly #decoder = new TextDecoder();
  #hold: BudgetHold | null;
  #response: Response | undefined;
  /** Reads the events of a stream; `null` for a JSON body. */
  #stream: StreamTail | null = null;
  /** The JSON body so far; `null` if it is too long to be read. */
  #json: string[] | null = [];
  #jsonChars = 0;
  #ttftMs: number | undefined;
  #isLogged = false;

  /** Creates the observer of a call that begins now. */
  constructor(call: ObservedCall) {
    this.#call = call;
    this.#hold = call.hold;
    this.#facts = new ResponseFacts(call.keepsText);
  }

  /** Sees the status and the headers of the response. */
  respond(response: Response): void {
    this.#response = response;
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("text/event-stream")) {
      this.#stream = new StreamTail(this.#facts);
    }
    // A refused call costs nothing, even if the caller never reads why.
    if (response.status >= 400 && response.status < 500) {
      this.release("the server refused the call");
    }
  }

  /** Charges nothing for the call. */
  release(reason: string): void {
    void this.#hold?.release(reason);
    this.#hold = null;
  }

  take(bytes: Uint8Array): void {
    if (this.#stream === null) {
      this.#takeJson(this.#decoder.decode(bytes, { stream: true }));
      return;
    }
    this.#stream.take(bytes);
    if (this.#facts.hasOutput) this.#ttftMs ??= this.#elapsedMs();
  }

  end(): void {
    if (this.#stream === null) this.#endJson();
    else this.#stream.end(true);
    const failure = this.#failure();
    this.#log(failure === undefined ? "ok" : "error", failure);
  }

  cancel(reason: unknown): void {
    this.#stream?.end(false);
    // A caller need not read on after the last event.
    if (this.#facts.isComplete) this.end();
    else this.#log("aborted", reason === undefined ? undefined : errorFields(reason));
  }

  fail(error: unknown): void {
    this.#stream?.end(false);
    this.#log(this.#isAbort(error) ? "aborted" : "error", errorFields(error));
  }

  drop(): void {
    this.#log("aborted", { message: "The response was not read to its end" });
  }

  /** An abort by the caller. A timeout is an error. */
  #isAbort(error: unknown): boolean {
    const { signal } = this.#call.sent;
    const reason = signal?.aborted ? signal.reason : error;
    return reason?.name === "AbortError" ||
      signal?.aborted === true && reason?.name !== "TimeoutError";
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

  /** Returns the error that the status or the content of the response states; `undefined` if the call succeeded. */
  #failure(): object | undefined {
    const { status } = this.#response!;
    const { error } = this.#facts;
    if (status >= 400 || error !== undefined) {
      const { type, code, message } = error ?? {};
      const text = typeof message === "string" ? shortened(message) : undefined;
      return { status, type, code, message: text };
    }
    if (this.#stream !== null && !this.#facts.isComplete) {
      return { message: "The stream ended before its last event" };
    }
    return undefined;
  }

  #elapsedMs(): number {
    return roundedMs(performance.now() - this.#beganMs);
  }

  #log(status: CallStatus, error: object | undefined): void {
    if (this.#isLogged) return;
    this.#isLogged = true;
    const { calls, request, sent } = this.#call;
    const { usage, model, provider, id, finishReason, text } = this.#facts;
    if (status === "ok" && usage === undefined && leavesOutUsage(request)) {
      calls.warnOnce(
        "Logged a streamed call without its usage and cost, because the request does not ask for them: " +
          "add stream_options: { include_usage: true } to the request. This warning is logged once.",
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
        retry: retryCount(sent.headers),
        ...(text === null ? {} : { prompt: promptOf(request), answer: text.join("") }),
      },
    };
    if (this.#hold === null) void calls.record(ended);
    else calls.settle(ended, this.#hold);
  }
}

/** Returns which retry of a call this is, as the SDKs of OpenAI and Anthropic state it; `undefined` for the first try. */
function retryCount(headers: Headers): number | undefined {
  const count = Number(headers.get("x-stainless-retry-count"));
  return Number.isSafeInteger(count) && count > 0 ? count : undefined;
}

/** Returns the members of a request that are its prompt. */
function promptOf({ body }: ModelRequest): object {
  const names = [
    "system",
    "instructions",
    "systemInstruction",
    "messages",
    "input",
    "contents",
    "prompt",
  ];
  return Object.fromEntries(names.map((name) => [name, body?.[name]]));
}
