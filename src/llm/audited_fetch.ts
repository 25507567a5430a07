/**
 * A `fetch` that logs every model call. Before the call, it holds (reserves) the maximum cost of the call on the
 * budgets.
 *
 * @module
 */
import type { AuditLogger } from "../audit_logger.ts";
import type { Budget } from "../budget/budget.ts";
import { BudgetError, messageOf } from "../errors.ts";
import {
  anything,
  callback,
  checkOptions,
  flag,
  number,
  oneOf,
  type OptionChecks,
} from "../options/option_checks.ts";
import { CallBudgets, refusalResponse } from "./call_budgets.ts";
import { CallLog, type HeldCall } from "./call_log.ts";
import { CallObserver } from "./call_observer.ts";
import type { CallEstimate } from "./estimate.ts";
import { callHttp } from "./http_call.ts";
import { apiOf, type ModelRequest, modelRequestOf } from "./model_request.ts";
import { observedResponse } from "./observed_response.ts";
import type { PriceTable } from "./price_table.ts";
import { SeenCall } from "./seen_calls.ts";
import { type SentRequest, sentRequest } from "./sent_request.ts";

/** A function with the arguments and the result of `fetch`. */
export type FetchFunction = (
  input: string | URL | Request,
  init?: RequestInit,
) => Promise<Response>;

/** Options of {@linkcode auditedFetch}. */
export interface AuditedFetchOptions {
  /**
   * Prices of the models, in the schema of LiteLLM's `model_prices_and_context_window.json`. Without prices, an event
   * has a cost only if the provider states the cost.
   *
   * @default {undefined}
   */
  prices?: PriceTable;
  /**
   * The budgets that each call is charged to. They must belong to the log that is passed to {@linkcode auditedFetch}.
   * Before a call, its estimated maximum cost is held (reserved) on every budget; after the call, its cost replaces the
   * hold.
   *
   * @default {[]}
   */
  budget?: Budget | readonly Budget[];
  /**
   * Returns the maximum amounts that a call may use: USD, tokens or calls. By default, the input is estimated as one
   * token for every four bytes of the body. The output is the maximum of the request (`max_tokens`,
   * `max_completion_tokens`, `max_output_tokens`), or else `max_output_tokens` of the prices, times the number of
   * answers. Input and output are priced by `prices`. If the estimate has no amount in the unit of a budget, the call
   * is refused.
   *
   * @default {undefined}
   */
  estimate?: (request: ModelRequest) => CallEstimate;
  /**
   * If `true`, a call that does not fit its budgets waits until it fits. Otherwise the call is refused.
   *
   * @default {false}
   */
  wait?: boolean;
  /**
   * The result of a call that a budget refuses. "throw": `fetch` rejects with a {@linkcode BudgetError}. "respond":
   * `fetch` resolves with a response of its own. The status is 429 if other calls hold the rest of the budget,
   * otherwise 402. The body of the response has the message, the `type` "budget_error" and, in `code`, the kind of the
   * error. Use "respond" with the SDKs of OpenAI and Anthropic. With "throw", these SDKs retry the rejected call, and
   * then throw "Connection error." with the `BudgetError` as the cause.
   *
   * @default {"throw"}
   */
  refusal?: "throw" | "respond";
  /**
   * Number of seconds, > 0. If a call has not ended after this time, the amount that it holds is charged to the
   * budgets.
   *
   * @default {900}
   */
  maxSec?: number;
  /**
   * Fields that every event gets, such as the agent, or `parent` with the ID of a span. A field `provider` also selects
   * the prices: the value "groq" selects the prices of `groq/MODEL`. Fields that each call sets itself, such as `model`
   * and `cost`, are refused.
   *
   * @default {{}}
   */
  fields?: object;
  /**
   * If `true`, requests that are not to a model are logged too, as `http_call` events. They have neither the query of
   * the URL nor the content.
   *
   * @default {false}
   */
  httpCalls?: boolean;
  /**
   * If `true`, events have the texts of the prompt and the answer, in the fields `prompt` and `answer`.
   *
   * @default {false}
   */
  text?: boolean;
  /**
   * The function that sends the requests.
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
 * Returns a `fetch` that logs each call of a model as one event `llm_call` with its model, tokens, cost, duration and
 * status. Pass the function to any SDK that takes a `fetch`.
 *
 * On any host, the function recognizes calls of OpenAI's chat completions, completions, responses and embeddings, of
 * Anthropic's messages, and of Gemini. It recognizes them by the path and the body of the request. The body of a
 * response is read only when the caller reads it, and reaches the caller unchanged. The call is logged when the body
 * ends. If the body fails or is not read to its end, the status is "error" or "aborted". If the caller never reads a
 * response, the call is logged when the response is garbage collected.
 *
 * Needs only the permissions that the calls need, such as `--allow-net`, and those of the log.
 *
 * @param log The log, or a logger with bound fields.
 * @param options Prices, budgets and fields; by default none.
 * @returns The function. If a call does not fit its budgets, the function does not make the call and rejects with a
 *   {@linkcode BudgetError}; see the option `refusal`. It also rejects with the errors of `fetch`.
 * @throws {TypeError} If `log` is not a log, an option is unknown or of the wrong type, a price is invalid, `prices`
 *   has no model with a price, a budget is of another log, or `fields` has a field that each call sets.
 * @throws {RangeError} If `maxSec` or `refusal` is out of its range.
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
  const budgets = new CallBudgets(calls, options, ACTION);
  const { httpCalls = false, text: keepsText = false } = options;
  const send: FetchFunction = options.fetch ?? ((...args) => globalThis.fetch(...args));

  async function callModel(
    sent: SentRequest,
    request: ModelRequest,
    args: Parameters<FetchFunction>,
  ): Promise<Response> {
    const observe = (held: HeldCall | null) =>
      new CallObserver({ calls, sent, request, held, keepsText });
    let held: HeldCall | null;
    try {
      held = await budgets.hold(sent, request);
    } catch (error) {
      if (sent.signal?.aborted) observe(null).fail(error);
      else if (error instanceof BudgetError) {
        // The budget records the refusal in the log. So the call is remembered as seen, and telemetry does not log it
        // as a failed call.
        calls.seen.add(SeenCall.refused(calls, request.model));
        if (options.refusal === "respond") return refusalResponse(error);
      }
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
      // The function of the option `fetch` may return a value that is not a response. The caller gets such a value
      // unchanged.
      observer.fail(error);
      return response;
    }
  }

  return async (...args) => {
    const sent = sentRequest(...args);
    if (sent === null) return await send(...args);
    const api = apiOf(sent.method, sent.url);
    const request = api === undefined
      ? undefined
      : modelRequestOf(sent.url, api, await sent.text());
    if (request !== undefined) return await callModel(sent, request, args);
    return httpCalls ? await callHttp(calls, sent, () => send(...args)) : await send(...args);
  };
}

/**
 * Checks whether an error of `fetch` shows that nothing was sent, so that the call costs nothing. If the error cannot
 * be read, the request may have been sent, and the result is `false`.
 */
function isNotSent(error: unknown, url: URL): boolean {
  try {
    return statesNotSent(error, url);
  } catch {
    return false;
  }
}

/**
 * Checks whether an error of `fetch` states that nothing was sent. Deno states the failed step only in the message of
 * the error or of its cause. If the message names another URL than the requested one, the request was sent and then
 * redirected.
 */
function statesNotSent(error: unknown, url: URL): boolean {
  const { origin, port, protocol, pathname, search } = url;
  if (error instanceof Deno.errors.NotCapable) return true;
  if (!(error instanceof TypeError)) return false;
  const cause = messageOf(error.cause);
  if (cause.includes("client error (Connect)")) {
    return cause.includes(`(${origin}${pathname}${search})`);
  }
  return error.message.includes(`Requests to port ${port} are blocked`) ||
    !/^https?:$/.test(protocol) && /scheme .* not supported/i.test(error.message);
}
