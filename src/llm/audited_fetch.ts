/**
 * A `fetch` that logs every call of a model, and holds what it may cost before.
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
   * Returns the maximum that a call may use. By default, input is a token for every four bytes of the body. Output is the
   * maximum that the request sets (`max_tokens`, `max_completion_tokens`, `max_output_tokens`), times the number of answers,
   * or else `max_output_tokens` of the prices. Both are priced by the table. If the estimate lacks the unit of a budget,
   * the call is refused.
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
   * The result of a call that a budget refuses. "throw": rejects with a {@linkcode BudgetError}. "respond": resolves with a
   * response of status 429 if other calls hold the rest, otherwise 402. Its body has the message, `type` "budget_error" and
   * the kind in `code`. Use "respond" with the SDKs of OpenAI and Anthropic, because they retry a rejected call and throw
   * "Connection error.", with the `BudgetError` as the cause.
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
   * "groq" finds `groq/MODEL`. Fields that each call sets itself, such as `model` and `cost`, are refused.
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
 * host, by path and body. The body of a response is read only when the caller reads it, and reaches the caller unchanged.
 * The call is logged when the body ends, with the status "error" or "aborted" if it failed or was not read to its end. A
 * response that the caller never reads is logged when it is garbage collected.
 *
 * Needs no permissions besides those of the calls and of the log.
 *
 * @param log The log, or a logger with bound fields.
 * @param options Prices, budgets and fields; by default none.
 * @returns The function. In addition to the errors of `fetch`, it rejects with a {@linkcode BudgetError}, and makes no call,
 *   if a budget does not grant the hold; see the option `refusal`.
 * @throws {TypeError} If `log` is not a log, an option is unknown or of the wrong type, a price is invalid, no model has
 *   prices, a budget is of another log, or `fields` has a field that each call sets.
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
        // The log has a line of the refusal, so telemetry must not log the failure.
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

/**
 * Checks whether an error of `fetch` shows that nothing was sent. Deno states the step that failed only in the messages, and
 * after a redirect the messages are about another URL.
 */
function isNotSent(error: unknown, url: URL): boolean {
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
