/**
 * Finds the faults in a table of prices of models, such as a price in the wrong unit. Pure.
 *
 * @module
 */
import { shown } from "../event.ts";
import { sha256 } from "../line/digest.ts";
import { editsBetween } from "../options/nearest_name.ts";
import { amountOf, objectOf } from "./json_values.ts";
import {
  amountIn,
  type ModelPrices,
  PRICES,
  type PriceTable,
  rangeOf,
  rangesIn,
} from "./price_table.ts";

/** A fault in a table of prices. */
export interface PriceFault {
  /** Name of the model in the table. */
  readonly model: string;
  /** The fault, such as "input_cost_per_token must be ..., got ...". */
  readonly message: string;
}

/**
 * Maximum plausible price in USD per token. A higher number is surely in another unit, such as USD per million tokens.
 */
const PRICE_MAX = 0.01;

/** Returns the faults of a table of prices, in the order of the table. */
export function priceFaults(table: PriceTable): PriceFault[] {
  const misspelt = new Map<string, string | null>();
  return Object.entries(table).flatMap(([model, entry]) =>
    entryFaults(entry, misspelt).map((message) => ({ model, message }))
  );
}

/**
 * The faults of member names that are not names of prices; null if a name has no fault. Each name is checked only once,
 * because thousands of models have the same members.
 */
type NameFaults = Map<string, string | null>;

function entryFaults(value: unknown, misspelt: NameFaults): string[] {
  const entry = objectOf(value);
  if (entry === undefined) return [`must be an object with prices, got ${shown(value)}`];
  return [
    ...memberFaults(entry, misspelt),
    ...tieredFaults(entry.tiered_pricing, misspelt),
    ...factorFaults(entry.provider_specific_entry),
  ];
}

/**
 * Returns the faults of the prices of a model, or of one range of input tokens. A price that is `null` counts as
 * missing, not as a fault.
 */
function memberFaults(prices: object, misspelt: NameFaults): string[] {
  return Object.entries(prices).filter(([, value]) => value !== null).flatMap(([name, value]) => {
    const fault = PRICE_NAME.test(name) ? faultOf(value) : knownFault(name, misspelt);
    return fault === null ? [] : [`${name} ${fault}`];
  });
}

function tieredFaults(tiers: unknown, misspelt: NameFaults): string[] {
  if (tiers === undefined || tiers === null) return [];
  if (!Array.isArray(tiers) || tiers.length === 0) {
    const got = Array.isArray(tiers) ? "an empty array" : shown(tiers);
    return [`tiered_pricing must be an array of ranges, got ${got}`];
  }
  return tiers.flatMap((tier, n) => rangeFaults(tier, `tiered_pricing[${n}]`, misspelt));
}

function rangeFaults(value: unknown, name: string, misspelt: NameFaults): string[] {
  const tier = objectOf(value);
  if (tier === undefined) return [`${name} must be an object with a range, got ${shown(value)}`];
  // LiteLLM also lists prices by the number of search results in `tiered_pricing`. Such an entry has no price per
  // token, so it needs no `range`.
  const isForTokens = Object.keys(tier).some((each) => each === "range" || PRICE_NAME.test(each));
  if (!isForTokens || rangeOf(tier) !== undefined) return memberFaults(tier, misspelt);
  const got = shown(tier.range);
  return [`${name}.range must be [from, to] in tokens with 0 <= from < to, got ${got}`];
}

/**
 * Returns the faults of the factors that multiply prices. Values that are not numeric are ignored, because LiteLLM also
 * stores other texts in `provider_specific_entry`.
 */
function factorFaults(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const factors = objectOf(value);
  if (factors === undefined) {
    return [`provider_specific_entry must be an object, got ${shown(value)}`];
  }
  return Object.entries(factors)
    .filter(([name, factor]) => isNumeric(factor) && amountIn(factors, name) === undefined)
    .map(([name, factor]) =>
      `provider_specific_entry.${name} must be a number >= 0, got ${shown(factor)}`
    );
}

/** Checks whether a value is a number or the text of a number. */
function isNumeric(value: unknown): boolean {
  return typeof value === "number" ||
    typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value));
}

/** Checks whether an entry of the table has a price of input tokens, which almost every call needs for its cost. */
export function isPriced(entry: unknown): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  const [range] = rangesIn((entry as ModelPrices).tiered_pricing);
  return amountIn(range?.prices ?? entry, "input_cost_per_token") !== undefined;
}

function knownFault(name: string, misspelt: NameFaults): string | null {
  const known = misspelt.get(name);
  if (known !== undefined) return known;
  const fault = misspeltFault(name);
  misspelt.set(name, fault);
  return fault;
}

/**
 * Returns the fault of a member name that is almost the name of a price. Returns `null` for all other names, because a
 * table may have other members.
 */
function misspeltFault(name: string): string | null {
  const near = PRICES.find((price) =>
    // Names whose lengths differ by more than the maximum cannot match. Comparing a very long name would take too long.
    Math.abs(price.length - name.length) <= MISSPELT_EDITS &&
    editsBetween(price, name) <= MISSPELT_EDITS
  );
  return near === undefined ? null : `is not a price; did you mean ${near}?`;
}

/**
 * Maximum number of edits between a misspelt name and the name of a price. The names of any two prices differ by more
 * edits.
 */
const MISSPELT_EDITS = 2;

function faultOf(value: unknown): string | null {
  const price = amountOf(value);
  if (price === undefined) {
    return `must be a number >= 0 (USD per token), got ${shown(value)}`;
  }
  return price > PRICE_MAX
    ? `must be in USD per token, got ${price}; a price per million tokens is ${price} / 1e6`
    : null;
}

/**
 * Matches the name of a price, also with a threshold of input tokens and a service tier, such as
 * `input_cost_per_token_above_200k_tokens_flex`.
 */
const PRICE_NAME = new RegExp(
  `^(?:${PRICES.join("|")})(?:_above_\\d+k?_tokens)?(?:_(?:cache_hit|[a-z]+))?$`,
);

/** Returns the digest of a table of prices: the SHA-256 of its JSON without white space. */
export function digestOf(prices: PriceTable): string {
  return sha256(new TextEncoder().encode(JSON.stringify(prices)));
}
