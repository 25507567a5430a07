/**
 * The cost of a call, from its token usage and a table of prices. Pure.
 *
 * The table has the schema of LiteLLM's `model_prices_and_context_window.json`, in USD per token. The formula is that of
 * LiteLLM's `generic_cost_per_token()`, except that a missing price never counts as 0: the cost is then unknown.
 *
 * @module
 */
import { shown } from "../event.ts";
import { sha256 } from "../line/digest.ts";
import type { TokenUsage } from "./usage.ts";

/**
 * The prices of a model, in USD per token: an entry of LiteLLM's `model_prices_and_context_window.json`. A price can have
 * variants: `..._above_200k_tokens` for a call with more input tokens, `..._priority` and `..._flex` for a service tier,
 * or both in this order. Other members are ignored.
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
  /** Prices by the number of input tokens: each entry has a `range`, and the prices of a call in it. */
  readonly tiered_pricing?: readonly object[];
  /** Factors on all prices, by the name of a service tier or of a region. */
  readonly provider_specific_entry?: Readonly<Record<string, unknown>>;
  /** Maximum number of output tokens of a call. */
  readonly max_output_tokens?: unknown;
  /** Any other member. */
  readonly [name: string]: unknown;
}

/** Prices by the name of the model: the parsed content of LiteLLM's `model_prices_and_context_window.json`. */
export type PriceTable = Readonly<Record<string, ModelPrices>>;

/** Cost of a call, and its source. */
export interface CallCost {
  /** Cost in USD. */
  readonly cost: number;
  /** "provider" if the response states the cost, "prices" if it was computed from a table. */
  readonly source: "provider" | "prices";
}

/**
 * Returns the cost of a call. A cost that the provider states wins over the table.
 *
 * If the model is not in the table, or the table lacks a price that the call needs, the cost is unknown. Fees that are not
 * per token, such as those of a web search, are not included.
 *
 * @param usage The token usage of the call, from {@linkcode usageOf}.
 * @param prices The prices of the models; without them, only a cost that the provider states is known.
 * @param model The name of the model, also with the provider before it: `openrouter/openai/gpt-4o`. The longest name in the
 *   table counts that equals it with or without its prefixes and its date.
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

/**
 * Returns the prices of a model; `undefined` if the table does not have it. See {@linkcode costOf}.
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

/** Returns the longest name of the table that matches a model; `undefined` if no name matches. */
export function nameInTable(
  prices: PriceTable | undefined,
  model: string | undefined,
): string | undefined {
  if (prices === undefined || model === undefined) return undefined;
  return namesOf(model).find((name) => Object.hasOwn(prices, name));
}

/** Matches the date or the word that some providers add to the name of a model: `-2024-08-06`, `-20250929`, `-latest`. */
const VERSION = /[-@](?:\d{4}-\d{2}-\d{2}|20\d{6}|latest)$/;

/** Returns the names under which a table may have a model, longest first. */
function namesOf(model: string): string[] {
  const segments = model.split("/");
  const names = segments.flatMap((_, n) => {
    const name = segments.slice(n).join("/");
    return [name, name.replace(VERSION, ""), ...tunedFrom(name)];
  });
  return [...new Set(names)].sort((a, b) => b.length - a.length);
}

/** Returns the name of a fine-tuned model without the names of its owner: `ft:gpt-4o` of `ft:gpt-4o:acme::Bx3k`. */
function tunedFrom(name: string): string[] {
  const [ft, base] = name.split(":");
  return ft === "ft" && base !== undefined ? [`ft:${base}`, `ft:${base.replace(VERSION, "")}`] : [];
}

/** The prices that a call may need, by the name in the table. */
const PRICES = [
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

/** The name of a price in the table. */
type PriceName = typeof PRICES[number];

/** Returns the cost of a call by the prices of its model, in USD; `undefined` if a price is missing. */
function tableCost(usage: TokenUsage, entry: ModelPrices): number | undefined {
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
    // Cached audio is counted in both parts, so the rest may be below 0.
    [Math.max(input - read - write - audioIn - imageIn, 0), plainIn],
    [read, price("cache_read_input_token_cost") ?? plainIn],
    [write - write1h, price("cache_creation_input_token_cost") ?? plainIn],
    // Nothing stands in for this price: it is higher than that of other writes.
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
  // Without the last digits, which are errors of the sum, a line shows 0.0137 and not 0.013699999999999999.
  return Number(cost.toPrecision(12));
}

/** The prices that count for a call. */
interface Rates {
  /** Returns a price in USD per token; `undefined` if the table does not have it. */
  readonly price: (name: PriceName) => number | undefined;
  /** The factor on all prices. */
  readonly factor: number;
}

/** Returns the prices for the size and the service tier of a call; `undefined` if the table does not have its tier. */
function ratesFor(usage: TokenUsage, entry: ModelPrices): Rates | undefined {
  const { service_tier: tier, inference_geo: region } = usage;
  const factors = entry.provider_specific_entry ?? {};
  const ofRegion = region === undefined ? 1 : amountIn(factors, region) ?? 1;
  const standard = sizedPrices(entry, usage.input_t ?? 0);
  if (tier === undefined) return { price: (name) => standard(name, ""), factor: ofRegion };
  if (amountIn(entry, `input_cost_per_token_${tier}`) !== undefined) {
    return { price: (name) => tierPrice(standard, name, `_${tier}`), factor: ofRegion };
  }
  const factor = amountIn(factors, tier);
  return factor === undefined
    ? undefined
    : { price: (name) => standard(name, ""), factor: factor * ofRegion };
}

/** Returns a price of the table for calls of one size, with the suffix of a service tier. */
type SizedPrices = (name: PriceName, suffix: string) => number | undefined;

/** Returns the prices of a model for calls with a number of input tokens. */
function sizedPrices(entry: ModelPrices, input: number): SizedPrices {
  const range = rangeFor(entry.tiered_pricing, input);
  if (range !== undefined) {
    // A range without a price of output tokens leaves it to the model. Its other prices stand for themselves.
    return (name, suffix) =>
      amountIn(range, name + suffix) ??
        (name === "output_cost_per_token" ? amountIn(entry, name + suffix) : undefined);
  }
  const above = aboveSuffix(entry, input);
  if (above === "") return (name, suffix) => amountIn(entry, name + suffix);
  // The standard price above a threshold comes before the price of a tier below it, as in LiteLLM's formula.
  return (name, suffix) =>
    amountIn(entry, name + above + suffix) ?? amountIn(entry, name + above) ??
      amountIn(entry, name + suffix) ?? amountIn(entry, name);
}

/** Returns the price of a service tier, else the standard price. */
function tierPrice(prices: SizedPrices, name: PriceName, suffix: string): number | undefined {
  const ofTier = prices(name, suffix);
  if (ofTier !== undefined) return ofTier;
  // Reasoning is output, so the price of the tier for output comes before the standard price of reasoning.
  const isReasoning = name === "output_cost_per_reasoning_token";
  return isReasoning
    ? prices("output_cost_per_token", suffix) ?? prices(name, "")
    : prices(name, "");
}

/** Matches the name of a price for calls with more input tokens than a threshold. */
const ABOVE = /^input_cost_per_token(_above_(\d+)(k?)_tokens)$/;

/** The providers whose threshold belongs to the higher price. */
const INCLUSIVE: readonly unknown[] = ["xai"];

/** Returns the suffix of the highest threshold that a number of input tokens exceeds; "" if it exceeds none. */
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

/** Returns the range that has the number of input tokens, else the last one; `undefined` without ranges. */
function rangeFor(tiers: ModelPrices["tiered_pricing"], input: number): object | undefined {
  const sorted = rangesIn(tiers).sort((a, b) => a.from - b.from);
  return (sorted.find(({ to }) => input <= to) ?? sorted.at(-1))?.prices;
}

/** Prices for calls whose number of input tokens is in a range. */
interface PriceRange {
  readonly from: number;
  readonly to: number;
  readonly prices: object;
}

function rangesIn(tiers: unknown): PriceRange[] {
  if (!Array.isArray(tiers)) return [];
  return tiers.filter((each) => typeof each === "object" && each !== null).flatMap((prices) => {
    const [from, to]: unknown[] = Array.isArray(prices.range) ? prices.range : [];
    return typeof from === "number" && typeof to === "number" ? [{ from, to, prices }] : [];
  });
}

/** Returns a member of an object if it is a price. */
function amountIn(holder: object, name: string): number | undefined {
  const value = (holder as Readonly<Record<string, unknown>>)[name];
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** A price that cannot be used. */
export interface PriceFault {
  /** Name of the model in the table. */
  readonly model: string;
  /** What is wrong: "input_cost_per_token must be ..., got ...". */
  readonly message: string;
}

/** A price in USD per token above which the unit is surely another one, such as USD per million tokens. */
const PRICE_MAX = 0.01;

/** Returns the faults of a table of prices, in the order of the table. */
export function priceFaults(table: PriceTable): PriceFault[] {
  return Object.entries(table).flatMap(([model, entry]) => {
    if (typeof entry !== "object" || entry === null) {
      return [{ model, message: `must be an object with prices, got ${shown(entry)}` }];
    }
    return [entry, ...rangesIn(entry.tiered_pricing).map(({ prices }) => prices)]
      .flatMap((prices) => Object.entries(prices))
      .filter(([name, value]) => isPriceName(name) && value !== null)
      .flatMap(([name, value]) => {
        const fault = faultOf(value);
        return fault === null ? [] : [{ model, message: `${name} ${fault}` }];
      });
  });
}

/** Checks whether a model of the table has the prices of input and output tokens. */
export function isPriced(entry: unknown): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  const [range] = rangesIn((entry as ModelPrices).tiered_pricing);
  return amountIn(range?.prices ?? entry, "input_cost_per_token") !== undefined;
}

function faultOf(value: unknown): string | null {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    return `must be a number >= 0 (USD per token), got ${shown(value)}`;
  }
  return value > PRICE_MAX
    ? `must be in USD per token, got ${value}; a price per million tokens is ${value} / 1e6`
    : null;
}

/** Checks whether a member of an entry is one of the prices that {@linkcode costOf} reads. */
function isPriceName(name: string): boolean {
  const base = name.replace(/_(?:priority|flex)$/, "").replace(/_above_\d+k?_tokens$/, "");
  return (PRICES as readonly string[]).includes(base);
}

/** Returns the digest of a table of prices: the SHA-256 of its JSON without white space. */
export function digestOf(prices: PriceTable): string {
  return sha256(new TextEncoder().encode(JSON.stringify(prices)));
}
