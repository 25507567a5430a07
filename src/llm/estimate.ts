/**
 * Estimates the maximum cost and tokens of a model call before the call is made, so that a budget can reserve them.
 * Pure.
 *
 * @module
 */
import { shownNumber } from "../shown.ts";
import { type JsonObject, objectOf } from "./json_values.ts";
import type { ModelRequest } from "./model_request.ts";
import { pricesOf, type PriceTable, qualifiedName } from "./price_table.ts";
import { priceLack, tableCost } from "./prices.ts";
import type { TokenUsage } from "./usage.ts";

/** The maximum amounts that a model call may use. */
export interface CallEstimate {
  /** Cost in USD; `undefined` if the price or the maximum of output tokens is unknown. */
  readonly usd?: number;
  /** Number of tokens, input and output together; `undefined` if the maximum of output tokens is unknown. */
  readonly tokens?: number;
  /** Number of calls to count on budgets in calls; 1 by default. */
  readonly calls?: number;
}

/** An estimate of a call, with a note for the error message if a budget refuses the call. */
export interface NotedEstimate {
  readonly estimate: CallEstimate;
  /** The reason why the cost or the number of tokens is unknown or large; "" if neither is the case. */
  readonly note: string;
}

/** Estimated number of bytes of JSON per token. A token is usually about four characters of English. */
const BYTES_PER_TOKEN = 4;

/**
 * Estimates the maximum that a call may use: one input token for every four bytes of the body, and the maximum number
 * of output tokens. All input tokens get the highest price that an input token of the request may have, and all output
 * tokens the highest price of an output token. The highest prices are used because the kinds of the tokens are not
 * known before the call.
 */
export function estimateOf(
  { api, body, text, provider, model }: ModelRequest,
  prices: PriceTable | undefined,
): NotedEstimate {
  if (text === undefined || body === undefined) {
    return unknown("the body of the request is a stream");
  }
  const name = qualifiedName(provider, model);
  const stated = api === "openai.embeddings" ? 0 : statedMax(body);
  const entry = pricesOf(prices, name);
  const ofModel = entry?.max_output_tokens;
  const max = stated ?? (isCount(ofModel) ? ofModel : undefined);
  if (max === undefined) {
    return unknown(
      "the request does not set max_tokens, and the prices of the model not max_output_tokens",
    );
  }
  const input_t = Math.ceil(new TextEncoder().encode(text).length / BYTES_PER_TOKEN);
  const output_t = max * answerCount(body);
  const usages = usagesOf(body, text, { input_t, output_t, ...regionOf(body) });
  const usd = entry === undefined ? undefined : highestInTiers(
    body,
    (tier) => highestOf(usages.map((usage) => tableCost({ ...usage, ...tier }, entry))),
  );
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

/** Returns the maximum number of output tokens of one answer that a request sets; `undefined` if it sets none. */
function statedMax(body: JsonObject): number | undefined {
  const config = configOf(body);
  const stated = [
    body.max_completion_tokens,
    body.max_tokens,
    body.max_output_tokens,
    config.maxOutputTokens,
    config.max_output_tokens,
  ].filter(isCount);
  // Each API reads only one of these members and ignores the others. The largest is used, so that the estimate is not
  // too low.
  return stated.length === 0 ? undefined : Math.max(...stated);
}

/** Returns the number of answers that a request asks for. Each answer costs output tokens. */
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

/**
 * Returns the number of prompts in a request to OpenAI's old completions API. An array of numbers is one prompt, given
 * as its tokens.
 */
function promptCount(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(prompt.length, 1) : 1;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** A token usage that has the total numbers of input and output tokens. */
type Totals = TokenUsage & { readonly input_t: number; readonly output_t: number };

/**
 * Returns the possible token usages of a call. In each, all input is of one kind, such as audio, and all output is of
 * one kind. The most expensive usage is held, because the real kinds are not known before the call.
 */
function usagesOf(body: JsonObject, text: string, all: Totals): TokenUsage[] {
  return inputKinds(text, all.input_t).flatMap((input) =>
    outputKinds(body, all.output_t).map((output) => ({ ...all, ...input, ...output }))
  );
}

/** Matches a part of a request that is audio. */
const AUDIO_PART = /"type":\s*"input_audio"|"audio\/[^"\\]+"/;
/** Matches a part of a request that is an image. */
const IMAGE_PART = /"type":\s*"(?:image_url|input_image|image)"|"image\/[^"\\]+"/;

/** Returns a token usage for each kind of input that a request has, such as audio, with all input of this kind. */
function inputKinds(text: string, input: number): TokenUsage[] {
  const hour = /"ttl":\s*"1h"/.test(text) ? { cache_write_1h_t: input } : {};
  return [
    {},
    // Anthropic charges a higher price for input that is written to the cache.
    ...(text.includes('"cache_control"') ? [{ cache_write_t: input, ...hour }] : []),
    ...(AUDIO_PART.test(text) ? [{ audio_input_t: input }] : []),
    ...(IMAGE_PART.test(text) ? [{ image_input_t: input }] : []),
  ];
}

/**
 * Returns a token usage for each kind of output that a request may get, such as audio, with all output of this kind.
 */
function outputKinds(body: JsonObject, output: number): TokenUsage[] {
  const config = configOf(body);
  const modalities = [body.modalities, config.responseModalities, config.response_modalities]
    .flat().filter((each) => typeof each === "string").map((each) => each.toLowerCase());
  return [
    {},
    { reasoning_t: output },
    ...(modalities.includes("audio") ? [{ audio_output_t: output }] : []),
    ...(modalities.includes("image") ? [{ image_output_t: output }] : []),
  ];
}

/**
 * The service tiers that cost more than the standard tier. If the table has no price for such a tier, the cost is
 * unknown.
 */
const RAISING_TIERS: readonly unknown[] = ["priority", "fast"];

/**
 * Returns the highest cost in the service tiers in which a provider may run a call. If a cheaper tier is full, the
 * provider may bill the standard price, so the standard price counts too.
 */
function highestInTiers(
  { service_tier, serviceTier, speed }: JsonObject,
  costIn: (tier: TokenUsage) => number | undefined,
): number | undefined {
  const stated = [service_tier, serviceTier, speed].filter((tier) => typeof tier === "string")
    .map((tier) => tier.toLowerCase());
  const raising = stated.find((tier) => RAISING_TIERS.includes(tier));
  if (raising !== undefined) return costIn({ service_tier: raising });
  return highestOf([costIn({}), ...stated.map((tier) => costIn({ service_tier: tier }) ?? 0)]);
}

/** Returns the highest of some costs; `undefined` if one of them is unknown. */
function highestOf(costs: readonly (number | undefined)[]): number | undefined {
  return costs.every((cost) => cost !== undefined) ? Math.max(...costs) : undefined;
}

/** Returns the region in which a request asks to run, because a region may raise the price. */
function regionOf({ inference_geo }: JsonObject): TokenUsage {
  return typeof inference_geo === "string" ? { inference_geo } : {};
}
