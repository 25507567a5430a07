/**
 * Defines the types of a price table in the schema of LiteLLM's `model_prices_and_context_window.json`, and finds
 * models in such a table. Pure.
 *
 * @module
 */
import { amountOf, type JsonObject, objectOf } from "./json_values.ts";

/**
 * The prices of one model in USD per token: an entry of LiteLLM's `model_prices_and_context_window.json`. A price can
 * have variants: `..._above_200k_tokens` for a call with more input tokens, `..._priority` and `..._flex` for a service
 * tier, or both in this order. Other members are ignored.
 */
export interface ModelPrices {
  /** Price of an input token. */
  readonly input_cost_per_token?: number;
  /** Price of an output token. */
  readonly output_cost_per_token?: number;
  /** Price of an input token that is read from a cache. The default is the price of an input token. */
  readonly cache_read_input_token_cost?: number;
  /** Price of an input token that is written to a cache. The default is the price of an input token. */
  readonly cache_creation_input_token_cost?: number;
  /** Price of an input token that is written to a cache for an hour. */
  readonly cache_creation_input_token_cost_above_1hr?: number;
  /** Price of a token of reasoning. The default is the price of an output token. */
  readonly output_cost_per_reasoning_token?: number;
  /** Price of an input token of audio. The default is the price of an input token. */
  readonly input_cost_per_audio_token?: number;
  /** Price of an output token of audio. The default is the price of an output token. */
  readonly output_cost_per_audio_token?: number;
  /** Price of an input token of an image. The default is the price of an input token. */
  readonly input_cost_per_image_token?: number;
  /** Price of an output token of an image. The default is the price of an output token. */
  readonly output_cost_per_image_token?: number;
  /**
   * Prices by the number of input tokens. Each entry has a `range` of numbers, and the prices of the calls whose number
   * of input tokens is in the range.
   */
  readonly tiered_pricing?: readonly object[];
  /** Factors that multiply all prices. Each key is the name of a service tier or of a region. */
  readonly provider_specific_entry?: Readonly<Record<string, unknown>>;
  /** Maximum number of output tokens of a call. */
  readonly max_output_tokens?: unknown;
  /** Any other member of LiteLLM's entry, such as a price for a service tier. */
  readonly [name: string]: unknown;
}

/** Prices by the name of the model: the parsed content of LiteLLM's `model_prices_and_context_window.json`. */
export type PriceTable = Readonly<Record<string, ModelPrices>>;

/** The names of the prices that the cost of a call may need, without the suffixes for long calls and service tiers. */
export const PRICES = [
  "input_cost_per_token",
  "output_cost_per_token",
  "cache_read_input_token_cost",
  "cache_creation_input_token_cost",
  "cache_creation_input_token_cost_above_1hr",
  "output_cost_per_reasoning_token",
  "input_cost_per_audio_token",
  "output_cost_per_audio_token",
  "input_cost_per_image_token",
  "output_cost_per_image_token",
] as const;

/**
 * The prices without which the calls of a model have no cost. A model with `tiered_pricing` may state its prices there
 * instead.
 */
export const NEEDED_PRICES = ["input_cost_per_token", "output_cost_per_token"] as const;

/** The name of a price in the table. */
export type PriceName = typeof PRICES[number];

/**
 * Returns the prices of a model; `undefined` if the table does not have the model. Finds the name of the model in the
 * same way as {@linkcode costOf}.
 *
 * @param prices The prices of the models.
 * @param model The name of the model, also with prefixes and a date.
 * @returns The entry of the table.
 */
export function pricesOf(
  prices: PriceTable | undefined,
  model: string | undefined,
): ModelPrices | undefined {
  const name = nameInTable(prices, model);
  return name === undefined ? undefined : prices![name];
}

/**
 * Returns the longest name in the table that matches a model, because the longest is the most specific; `undefined` if
 * no name matches.
 */
export function nameInTable(
  prices: PriceTable | undefined,
  model: string | undefined,
): string | undefined {
  if (prices === undefined || model === undefined) return undefined;
  return namesOf(model).find((name) => Object.hasOwn(prices, name));
}

/**
 * Returns the name of a model with its provider before it, such as `groq/llama`, because a table may list models in
 * this form.
 */
export function qualifiedName(provider: unknown, model: string | undefined): string | undefined {
  return model === undefined || typeof provider !== "string" ? model : `${provider}/${model}`;
}

/**
 * Matches the version that some providers add to the name of a model, such as `-2024-08-06`, `-20250929` or `-latest`.
 */
const VERSION = /[-@](?:\d{4}-\d{2}-\d{2}|20\d{6}|latest)$/;

/**
 * Maximum number of segments (parts between slashes) of a name that is looked up without its prefixes. So the lookup of
 * a name with thousands of slashes is fast.
 */
const SEGMENTS_MAX = 8;

/**
 * Returns the names under which a table may have a model: with fewer prefixes, without a date, or without an owner. The
 * longest comes first.
 */
function namesOf(model: string): string[] {
  const last = model.split("/").slice(-SEGMENTS_MAX);
  const names = [model, ...last.map((_, n) => last.slice(n).join("/"))]
    .flatMap((name) => [name, name.replace(VERSION, ""), ...tunedFrom(name)]);
  return [...new Set(names)].sort((a, b) => b.length - a.length);
}

/** Returns the names of a fine-tuned model without its owner, such as `ft:gpt-4o` for `ft:gpt-4o:acme::Bx3k`. */
function tunedFrom(name: string): string[] {
  const [ft, base] = name.split(":");
  return ft === "ft" && base !== undefined ? [`ft:${base}`, `ft:${base.replace(VERSION, "")}`] : [];
}

/** Prices for calls whose number of input tokens is in a range. */
export interface PriceRange {
  readonly from: number;
  readonly to: number;
  readonly prices: object;
}

/** Returns the valid ranges of input tokens in the `tiered_pricing` of a model, with their prices. */
export function rangesIn(tiers: unknown): PriceRange[] {
  if (!Array.isArray(tiers)) return [];
  return tiers.map(rangeOf).filter((range) => range !== undefined);
}

/** Returns a range of input tokens with its prices; `undefined` if the value is not an object with a valid `range`. */
export function rangeOf(value: unknown): PriceRange | undefined {
  const prices = objectOf(value);
  if (!Array.isArray(prices?.range) || prices.range.length !== 2) return undefined;
  const [from, to]: unknown[] = prices.range;
  const isValid = typeof from === "number" && typeof to === "number" && from >= 0 && from < to;
  return isValid ? { from, to, prices } : undefined;
}

/** Returns a member of an object if it is a valid price, a finite number >= 0; otherwise `undefined`. */
export function amountIn(holder: object, name: string): number | undefined {
  return amountOf((holder as JsonObject)[name]);
}
