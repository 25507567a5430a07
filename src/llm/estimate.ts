/**
 * Estimates the maximum that a model call may use, before it is made. Pure.
 *
 * @module
 */
import { shownNumber } from "../shown.ts";
import type { ModelRequest } from "./model_request.ts";
import { pricesOf, type PriceTable } from "./price_table.ts";
import { costOf, priceLack } from "./prices.ts";
import { type JsonObject, objectOf } from "./usage.ts";

/** The maximum that a call may use. */
export interface CallEstimate {
  /** Cost in USD; `undefined` if the price or the maximum of output tokens is unknown. */
  readonly usd?: number;
  /** Number of tokens, input and output together; `undefined` if the maximum of output tokens is unknown. */
  readonly tokens?: number;
  /** Number of calls; 1 by default. */
  readonly calls?: number;
}

/** An estimate, with a note for the message if a budget refuses it. */
export interface NotedEstimate {
  readonly estimate: CallEstimate;
  /** The reason why an amount is unknown or large; "" if there is none. */
  readonly note: string;
}

/** Bytes of JSON per token, by the usual estimate of four characters of English. */
const BYTES_PER_TOKEN = 4;

/**
 * Estimates the maximum that a call may use: a token for every four bytes of the body, and as many output tokens as it
 * may have. If the body asks for caching, the input is priced as written to the cache.
 */
export function estimateOf(
  { api, body, text, provider, model }: ModelRequest,
  prices: PriceTable | undefined,
): NotedEstimate {
  if (text === undefined || body === undefined) {
    return unknown("the body of the request is a stream");
  }
  const name = model === undefined ? undefined : `${provider}/${model}`;
  const stated = api === "openai.embeddings" ? 0 : statedMax(body);
  const ofModel = pricesOf(prices, name)?.max_output_tokens;
  const max = stated ?? (isCount(ofModel) ? ofModel : undefined);
  if (max === undefined) {
    return unknown(
      `the request does not set max_tokens, and the prices of the model not max_output_tokens`,
    );
  }
  const input_t = Math.ceil(new TextEncoder().encode(text).length / BYTES_PER_TOKEN);
  const output_t = max * answerCount(body);
  const usage = { input_t, output_t, ...cacheWrites(text, input_t), ...tierOf(body) };
  const usd = costOf(usage, prices, name)?.cost;
  const tokens = input_t + output_t;
  if (usd === undefined) return { estimate: { tokens }, note: priceLack(prices, name) };
  const note = stated === undefined
    ? `max_tokens is not set, so the maximum of the model is held, ${
      shownNumber(output_t)
    } output tokens`
    : "";
  return { estimate: { tokens, usd }, note };
}

function unknown(note: string): NotedEstimate {
  return { estimate: {}, note };
}

/** Returns the maximum number of output tokens that a request sets, for one answer. */
function statedMax(body: JsonObject): number | undefined {
  const config = configOf(body);
  return [
    body.max_completion_tokens,
    body.max_tokens,
    body.max_output_tokens,
    config.maxOutputTokens,
    config.max_output_tokens,
  ].find(isCount);
}

/** Returns the number of answers that a request asks for. */
function answerCount(body: JsonObject): number {
  const config = configOf(body);
  const choices = [body.n, config.candidateCount, config.candidate_count].find(isCount) ?? 1;
  const tried = isCount(body.best_of) ? Math.max(body.best_of, choices) : choices;
  return tried * promptCount(body.prompt);
}

/** Returns the settings of a request to Gemini. */
function configOf(body: JsonObject): JsonObject {
  return objectOf(body.generationConfig) ?? objectOf(body.generation_config) ?? {};
}

/** Returns the number of prompts of a legacy completion. A prompt can also be an array of tokens. */
function promptCount(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(prompt.length, 1) : 1;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Returns all input as written to a cache, if the request asks for that: Anthropic prices writes higher. */
function cacheWrites(text: string, input: number): object {
  if (!text.includes('"cache_control"')) return {};
  return { cache_write_t: input, cache_write_1h_t: /"ttl":\s*"1h"/.test(text) ? input : 0 };
}

/** Returns the service tier and the region that raise the price of a call. */
function tierOf({ service_tier: tier, speed, inference_geo }: JsonObject): object {
  const named = [tier, speed].find((each) => each === "priority" || each === "fast");
  return {
    ...(named === undefined ? {} : { service_tier: named }),
    ...(typeof inference_geo === "string" ? { inference_geo } : {}),
  };
}
