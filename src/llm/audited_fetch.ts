/**
 * A `fetch` that logs every call of a model, and holds what it may cost before.
 *
 * @module
 */
import type { AuditLogger } from "../audit_logger.ts";
import { type Budget, logPathOf } from "../budget/budget.ts";
import type { BudgetHold } from "../budget/granted_hold.ts";
import {
  anything,
  callback,
  checkOptions,
  flag,
  number,
  oneOf,
  type OptionChecks,
} from "../options/option_checks.ts";
import { BudgetError, messageOf } from "../errors.ts";
import { shown } from "../event.ts";
import { CallLog, errorFields, roundedMs } from "./call_log.ts";
import { CallObserver } from "./call_observer.ts";
import {
  apiOf,
  type CallEstimate,
  estimateOf,
  type ModelRequest,
  modelRequestOf,
} from "./model_request.ts";
import { type BodyObserver, observedResponse } from "./observed_response.ts";
import type { PriceTable } from "./prices.ts";
import { isAbort, type SentRequest, sentRequest } from "./sent_request.ts";

/** A function with the arguments and the result of `fetch`. */
export type FetchFunction = (
  input: string | URL | Request,
  init?: RequestInit,
) => Promise<Response>;

/** Options of {@linkcode auditedFetch}. */
export interface AuditedFetchOptions {
  /**
   * Prices of the models, in the schema of LiteLLM's `model_prices_and_context_window.json`. Without them, an event has
   * a cost only if the provider states it.
   *
   * @default {undefined}
   */
  prices?: PriceTable;
  /**
   * The budgets that each call counts on, which must be of the same log. Before a call, its estimate is held on all of
   * them; after it, its cost replaces the hold.
   *
   * @default {[]}
   */
  budget?: Budget | readonly Budget[];
  /**
   * Returns the most that a call may use. By default, input is a token for every four bytes of the body, output is
   * `max_tokens` of the request, or else `max_output_tokens` of the prices, and both are priced by the table. A call
   * whose maximum is unknown in the unit of a budget is refused.
   *
   * @default {undefined}
   */
  estimate?: (request: ModelRequest) => CallEstimate;
  /**
   * If `true`, a call that does not fit its budgets waits until it fits. Otherwise it is refused.
   *
   * @default {false}
   */
  wait?: boolean;
  /**
   * What becomes of a call that a budget refuses: "throw" rejects with a {@linkcode BudgetError}; "respond" resolves with a
   * response of status 429, if other calls hold the rest, or else 402, whose body has the message. SDKs retry rejected
   * calls and hide their message; they show that of a response, and retry only the status 429.
   *
   * @default {"throw"}
   */
  refusal?: "throw" | "respond";
  /**
   * Number of seconds, > 0, after which the hold of a call that has not ended is charged.
   *
   * @default {900}
   */
  maxSec?: number;
  /**
   * Fields of every event, such as the agent, or `parent` of a span. A field `provider` also selects the prices:
   * "groq" finds `groq/MODEL`.
   *
   * @default {{}}
   */
  fields?: object;
  /**
   * If `true`, every other request is logged too, as an event `http_call` without its query and content.
   *
   * @default {false}
   */
  httpCalls?: boolean;
  /**
   * If `true`, events have the prompt and the answer, in `prompt` and `answer`.
   *
   * @default {false}
   */
  text?: boolean;
  /**
   * The function that makes the calls.
   *
   * @default {globalThis.fetch}
   */
  fetch?: FetchFunction;
}

const CHECKS: OptionChecks<AuditedFetchOptions> = {
  prices: anything,
  budget: anything,
  estimate: callback,
  wait: flag,
  refusal: oneOf("throw", "respond"),
  maxSec: number(0, { unit: "seconds", orEqual: false }),
  fields: anything,
  httpCalls: flag,
  text: flag,
  fetch: callback,
};

const ACTION = "audit fetch";

/**
 * Returns a `fetch` that logs each call of a model as one event `llm_call`: model, tokens, cost, duration, status. Pass it
 * to any SDK that takes a `fetch`.
 *
 * It recognizes OpenAI's chat completions, completions, responses and embeddings, Anthropic's messages, and Gemini, on any
 * host, by path and body. The response is the server's: its body is read only when the caller reads it, and
 * logged when it ends. An error, an abort or a stream that the caller leaves is logged too, as one event with that
 * status. If the usage did not come, the event says `usage: "missing"` and has no cost. A response that the caller never
 * reads is logged when it is garbage collected.
 *
 * Needs no permissions besides those of the calls and of the log.
 *
 * @param log The log, or a logger with bound fields.
 * @param options Prices, budgets and fields; by default none.
 * @returns The function. In addition to the errors of `fetch`, it rejects with a {@linkcode BudgetError}, and makes no call,
 *   if a budget does not grant the hold. SDKs pass that error on as the `cause` of their own; see the option `refusal`.
 * @throws {TypeError} If `log` is not a log, an option is unknown or of the wrong type, or a price is not a number.
 * @throws {RangeError} If `maxSec` is out of its range.
 *
 * @example Log a call
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { auditedFetch } from "@vivarium/scout/llm";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const prices = { small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 } };
 * // Stands in for a server.
 * const usage = { prompt_tokens: 1000, completion_tokens: 500 };
 * const answer = () => Promise.resolve(Response.json({ model: "small", choices: [], usage }));
 *
 * const fetch = auditedFetch(log, { prices, fields: { agent: "critic" }, fetch: answer });
 * // With an SDK: new OpenAI({ fetch }), new Anthropic({ fetch }).
 * const body = JSON.stringify({ model: "small", messages: [{ role: "user", content: "Hi" }] });
 * const response = await fetch("https://example.com/v1/chat/completions", { method: "POST", body });
 * await response.json();
 *
 * const [event] = await log.lastEvents(1);
 * assertEquals([event?.event, event?.agent, event?.cost], ["llm_call", "critic", 0.006]);
 * ```
 */
export function auditedFetch(log: AuditLogger, options: AuditedFetchOptions = {}): FetchFunction {
  checkOptions(options, CHECKS, ACTION);
  const calls = new CallLog(log, options, ACTION);
  const [first, ...others] = budgetsOf(options.budget, calls);
  const { estimate, wait = false, maxSec, httpCalls = false, text: keepsText = false } = options;
  const send: FetchFunction = options.fetch ?? ((...args) => globalThis.fetch(...args));

  async function hold(sent: SentRequest, request: ModelRequest): Promise<BudgetHold | null> {
    if (first === undefined) return null;
    const { provider, model } = request;
    return await first.hold({
      ...(estimate === undefined ? estimateOf(request, calls.prices) : estimate(request)),
      and: others,
      fields: { ...calls.bound, model, provider: calls.bound.provider ?? provider },
      wait,
      ...(maxSec === undefined ? {} : { maxSec }),
      ...(sent.signal === undefined ? {} : { signal: sent.signal }),
    });
  }

  async function callModel(
    sent: SentRequest,
    request: ModelRequest,
    args: Parameters<FetchFunction>,
  ): Promise<Response> {
    const observe = (hold: BudgetHold | null) =>
      new CallObserver({ calls, sent, request, hold, keepsText });
    let held: BudgetHold | null;
    try {
      held = await hold(sent, request);
    } catch (error) {
      // The log has a line of a refusal already.
      if (sent.signal?.aborted) observe(null).fail(error);
      else if (options.refusal === "respond" && error instanceof BudgetError) return refused(error);
      throw error;
    }
    const observer = observe(held);
    let response: Response;
    try {
      response = await send(...args);
    } catch (error) {
      if (isNotSent(error, sent.url)) observer.release("not sent");
      observer.fail(error);
      throw error;
    }
    try {
      observer.respond(response);
      return observedResponse(response, observer);
    } catch (error) {
      // A function in place of fetch may return something else than a response.
      observer.fail(error);
      return response;
    }
  }

  return async (...args) => {
    const sent = sentRequest(...args);
    const api = sent === null ? undefined : apiOf(sent.method, sent.url);
    if (sent === null) return await send(...args);
    const request = api === undefined
      ? undefined
      : modelRequestOf(sent.url, api, await sent.text());
    if (request !== undefined) return await callModel(sent, request, args);
    return httpCalls ? await callHttp(calls, sent, () => send(...args)) : await send(...args);
  };
}

/** Returns a refusal as a response whose body has the shape of the errors of OpenAI, Anthropic and Gemini. */
function refused({ kind, budget, message, retryAfterMs, resetsAt }: BudgetError): Response {
  const mayRetry = kind === "held";
  const status = mayRetry ? 429 : 402;
  const error = { type: "budget_error", code: kind, message, budget, retryAfterMs, resetsAt };
  return Response.json({ type: "error", error }, {
    status,
    headers: {
      // The SDKs of OpenAI and Anthropic obey this header.
      "x-should-retry": String(mayRetry),
      ...(mayRetry ? { "retry-after-ms": String(retryAfterMs ?? 0), "retry-after": "1" } : {}),
    },
  });
}

/**
 * Checks whether an error of `fetch` shows that nothing was sent. Deno states the step that failed only in the messages, and
 * after a redirect the messages are about another URL.
 */
function isNotSent(error: unknown, { href, port, protocol }: URL): boolean {
  if (error instanceof Deno.errors.NotCapable) return true;
  if (!(error instanceof TypeError)) return false;
  const cause = messageOf(error.cause);
  if (cause.includes("client error (Connect)")) return cause.includes(`(${href})`);
  return error.message.includes(`Requests to port ${port} are blocked`) ||
    !/^https?:$/.test(protocol) && /scheme .* not supported/i.test(error.message);
}

function budgetsOf(
  budget: AuditedFetchOptions["budget"],
  { path }: CallLog,
): readonly Budget[] {
  const budgets: readonly Budget[] = budget === undefined
    ? []
    : Array.isArray(budget)
    ? budget
    : [budget];
  for (const each of budgets) {
    const ofBudget = logPathOf(each);
    if (ofBudget === path) continue;
    throw new TypeError(
      ofBudget === null
        ? `Cannot ${ACTION}: budget must be a budget of log.budget(), or an array of them, got ${
          shown(each)
        }`
        : `Cannot ${ACTION}: budget must be of the log ${path}, got one of ${ofBudget}`,
    );
  }
  return budgets;
}

/** Makes a call that is not to a model, and logs it. */
async function callHttp(
  calls: CallLog,
  { url, method, signal }: SentRequest,
  send: () => Promise<Response>,
): Promise<Response> {
  const beganMs = performance.now();
  let http_status: number | undefined;
  let isLogged = false;
  const end = (status: string, error?: unknown) => {
    if (isLogged) return;
    isLogged = true;
    void calls.log("http_call", {
      status,
      error: error === undefined ? undefined : errorFields(error),
      duration_ms: roundedMs(performance.now() - beganMs),
      method,
      host: url.host,
      path: url.pathname,
      http_status,
    });
  };
  const observer: BodyObserver = {
    take() {},
    end: () => end(http_status! >= 400 ? "error" : "ok"),
    cancel: (reason) => end("aborted", reason),
    fail: (error) => end(isAbort(error, signal) ? "aborted" : "error", error),
    drop: () => end("aborted"),
  };
  try {
    const response = await send();
    http_status = response.status;
    return observedResponse(response, observer);
  } catch (error) {
    observer.fail(error);
    throw error;
  }
}
