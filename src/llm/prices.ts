/**
 * The cost of a call, from its token usage and a table of prices. Pure.
 *
 * The table has the schema of LiteLLM's `model_prices_and_context_window.json`, in USD per token. The formula is the
 * same as LiteLLM's `generic_cost_per_token()`, with one exception: if a price is missing, it does not count as 0, and
 * the cost is unknown.
 *
 * @module
 */
import {
  amountIn,
  type ModelPrices,
  nameInTable,
  NEEDED_PRICES,
  type PriceName,
  pricesOf,
  type PriceTable,
  rangesIn,
} from "./price_table.ts";
import type { TokenUsage } from "./usage.ts";

/** Cost of a call, and its source. */
export interface CallCost {
  /** Cost in USD. */
  readonly cost: number;
  /** "provider" if the response states the cost, "prices" if it was computed from a table. */
  readonly source: "provider" | "prices";
}

/**
 * Returns the cost of a call. If the provider states the cost, the table is not used.
 *
 * If the model is not in the table, or the table lacks a price that the call needs, the cost is unknown. Fees that are
 * not per token, such as those of a web search, are not included.
 *
 * @param usage The token usage of the call, from {@linkcode usageOf}.
 * @param prices The prices of the models. If they are not passed, the cost is known only if the provider states it.
 * @param model The name of the model, also with the provider before it: `openrouter/openai/gpt-4o`. Prefixes and a date
 *   are removed until a name in the table matches; the longest match is used.
 * @returns The cost in USD and its source; `undefined` if the cost is unknown.
 *
 * @example
 * ```ts
 * import { costOf } from "@vivarium/scout/llm";
 * import { assertEquals } from "@std/assert";
 *
 * const prices = { "small": { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 } };
 * const usage = { input_t: 1000, output_t: 500 };
 * assertEquals(costOf(usage, prices, "small-2026-02-13"), { cost: 0.006, source: "prices" });
 * assertEquals(costOf(usage, prices, "large"), undefined);
 * ```
 */
export function costOf(
  usage: TokenUsage,
  prices: PriceTable | undefined,
  model: string | undefined,
): CallCost | undefined {
  if (usage.cost !== undefined) return { cost: usage.cost, source: "provider" };
  const entry = pricesOf(prices, model);
  const cost = entry === undefined ? undefined : tableCost(usage, entry);
  return cost === undefined ? undefined : { cost, source: "prices" };
}

/** Returns the reason why the cost of a call is unknown, for a warning or an error message. */
export function priceLack(prices: PriceTable | undefined, model: string | undefined): string {
  if (prices === undefined) return "no prices were passed";
  if (model === undefined) return "the model is not named";
  const name = nameInTable(prices, model);
  if (name === undefined) {
    const plain = model.split("/").at(-1)!;
    return `model "${plain}" is not in prices, with or without its date`;
  }
  const missing = NEEDED_PRICES.find((price) => amountIn(prices[name]!, price) === undefined);
  return missing === undefined || rangesIn(prices[name]!.tiered_pricing).length > 0
    ? `the prices of "${name}" lack a price that the call needs`
    : `the prices of "${name}" lack ${missing}`;
}

/** Returns the cost of a call by the prices of its model, in USD; `undefined` if a price is missing. */
export function tableCost(usage: TokenUsage, entry: ModelPrices): number | undefined {
  const { input_t: input, output_t: output } = usage;
  if (input === undefined || output === undefined) return undefined;
  const rates = ratesFor(usage, entry);
  if (rates === undefined) return undefined;
  const { price, factor } = rates;
  const read = usage.cache_read_t ?? 0;
  const write = usage.cache_write_t ?? 0;
  const write1h = Math.min(usage.cache_write_1h_t ?? 0, write);
  const audioIn = usage.audio_input_t ?? 0;
  const imageIn = usage.image_input_t ?? 0;
  const reasoning = usage.reasoning_t ?? 0;
  const audioOut = usage.audio_output_t ?? 0;
  const imageOut = usage.image_output_t ?? 0;
  const plainIn = price("input_cost_per_token");
  const plainOut = price("output_cost_per_token");
  const parts: readonly [tokens: number, price: number | undefined][] = [
    // Cached audio tokens count in both `read` and `audioIn`, so the difference may be negative. A negative difference
    // counts as 0.
    [Math.max(input - read - write - audioIn - imageIn, 0), plainIn],
    [read, price("cache_read_input_token_cost") ?? plainIn],
    [write - write1h, price("cache_creation_input_token_cost") ?? plainIn],
    // If `cache_creation_input_token_cost_above_1hr` is missing, the price of other cache writes cannot replace it,
    // because that price is lower.
    [write1h, price("cache_creation_input_token_cost_above_1hr")],
    [audioIn, price("input_cost_per_audio_token") ?? plainIn],
    [imageIn, price("input_cost_per_image_token") ?? plainIn],
    [Math.max(output - reasoning - audioOut - imageOut, 0), plainOut],
    [reasoning, price("output_cost_per_reasoning_token") ?? plainOut],
    [audioOut, price("output_cost_per_audio_token") ?? plainOut],
    [imageOut, price("output_cost_per_image_token") ?? plainOut],
  ];
  let cost = 0;
  for (const [tokens, each] of parts) {
    if (tokens === 0) continue;
    if (each === undefined) return undefined;
    cost += tokens * each * factor;
  }
  // The rounding removes floating-point errors, so that a line of the log shows 0.0137 and not 0.013699999999999999.
  return Number(cost.toPrecision(12));
}

/** The prices that apply to a call in its service tier and region, and with its number of input tokens. */
interface Rates {
  /** Returns a price in USD per token; `undefined` if the table does not have it. */
  readonly price: (name: PriceName) => number | undefined;
  /** The factor of the service tier and the region, by which all prices are multiplied. */
  readonly factor: number;
}

/**
 * Returns the prices for the number of input tokens and the service tier of a call; `undefined` if the table does not
 * have the tier.
 */
function ratesFor(usage: TokenUsage, entry: ModelPrices): Rates | undefined {
  const { service_tier: tier, inference_geo: region } = usage;
  const factors = entry.provider_specific_entry ?? {};
  const ofRegion = region === undefined ? 1 : amountIn(factors, region.toLowerCase()) ?? 1;
  const pricesWith = (suffix: string) => sizedPrices(entry, usage.input_t ?? 0, suffix);
  if (tier === undefined) return { price: pricesWith(""), factor: ofRegion };
  if (amountIn(entry, `input_cost_per_token_${tier}`) !== undefined) {
    return { price: pricesWith(`_${tier}`), factor: ofRegion };
  }
  const factor = amountIn(factors, tier);
  return factor === undefined ? undefined : { price: pricesWith(""), factor: factor * ofRegion };
}

const OUTPUT = "output_cost_per_token";
const REASONING = "output_cost_per_reasoning_token";

/**
 * Returns the prices of a model for a call with `input` input tokens, because prices may depend on this number.
 * `suffix` selects the service tier: the names of its prices end in the suffix, such as "_priority" in
 * `input_cost_per_token_priority`. The standard tier has the suffix "".
 */
function sizedPrices(entry: ModelPrices, input: number, suffix: string): Rates["price"] {
  const range = rangeFor(entry.tiered_pricing, input);
  if (range === undefined) {
    const above = aboveSuffix(entry, input);
    return (name) => entryPrice(entry, name, above, suffix);
  }
  // If a range of input tokens has no price of output tokens, the general price that the model has for output tokens is
  // used. The other general prices of the model are not used, because they may not apply to this range.
  return (name) =>
    rangePrice(range, name, suffix) ??
      (name === OUTPUT || name === REASONING ? entryPrice(entry, name, "", suffix) : undefined);
}

/**
 * Returns a price that applies to a range of input tokens. If the range has no price of reasoning, its price of output
 * applies to reasoning.
 */
function rangePrice(range: object, name: PriceName, suffix: string): number | undefined {
  const own = amountIn(range, name + suffix) ?? amountIn(range, name);
  return own === undefined && name === REASONING ? rangePrice(range, OUTPUT, suffix) : own;
}

/**
 * Returns a price of a model for a number of input tokens (`above`, such as "_above_200k_tokens") and a service tier
 * (`suffix`, such as "_priority"). If that price is missing, returns a more general price.
 */
function entryPrice(
  entry: ModelPrices,
  name: PriceName,
  above: string,
  suffix: string,
): number | undefined {
  const listed = name === REASONING ? reasoningName(entry, suffix) : name;
  // A model may have a price above a threshold of input tokens, such as above 200k, and a price for the service tier,
  // but none for both together. The price above the threshold is then used, as in LiteLLM's formula.
  return amountIn(entry, listed + above + suffix) ?? amountIn(entry, listed + above) ??
    amountIn(entry, listed + suffix) ?? amountIn(entry, listed);
}

/** Returns the name of the price that applies to reasoning in a service tier. */
function reasoningName(entry: ModelPrices, suffix: string): PriceName {
  // Reasoning tokens are output tokens. So if the tier has a price of output but not of reasoning, its price of output
  // is used, and not the standard price of reasoning.
  const hasOutputAlone = suffix !== "" && amountIn(entry, REASONING + suffix) === undefined &&
    amountIn(entry, OUTPUT + suffix) !== undefined;
  return hasOutputAlone ? OUTPUT : REASONING;
}

/** Matches the name of a price for calls with more input tokens than a threshold, such as 200k. */
const ABOVE = /^input_cost_per_token(_above_(\d+)(k?)_tokens)$/;

/**
 * The providers that charge the higher price of long calls as soon as the number of input tokens reaches the threshold.
 * Other providers charge the higher price only if the number exceeds the threshold.
 */
const INCLUSIVE: readonly unknown[] = ["xai"];

/**
 * Returns the suffix of the prices for the highest threshold that a number of input tokens exceeds, such as
 * "_above_200k_tokens"; "" if it exceeds none.
 */
function aboveSuffix(entry: ModelPrices, input: number): string {
  const isInclusive = INCLUSIVE.includes(entry.litellm_provider);
  let suffix = "";
  let highest = 0;
  for (const name of Object.keys(entry)) {
    const [, above = "", digits = "", k = ""] = ABOVE.exec(name) ?? [];
    const threshold = Number(digits) * (k === "k" ? 1000 : 1);
    const isAbove = input > threshold || isInclusive && input === threshold;
    const hasPrice = above !== "" && amountIn(entry, name) !== undefined;
    if (!hasPrice || !isAbove || threshold <= highest) continue;
    highest = threshold;
    suffix = above;
  }
  return suffix;
}

/**
 * Returns the prices of the range that contains the number `input` of input tokens. If no range contains it, returns
 * the prices of the last range; if there are no ranges, `undefined`.
 */
function rangeFor(tiers: ModelPrices["tiered_pricing"], input: number): object | undefined {
  const sorted = rangesIn(tiers).sort((a, b) => a.from - b.from);
  return (sorted.find(({ to }) => input <= to) ?? sorted.at(-1))?.prices;
}
