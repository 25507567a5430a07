/**
 * Checks a table of prices. Pure.
 *
 * @module
 */
import { shown } from "../event.ts";
import { sha256 } from "../line/digest.ts";
import { editsBetween } from "../options/nearest_name.ts";
import { amountIn, type ModelPrices, PRICES, type PriceTable, rangesIn } from "./price_table.ts";

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
      .filter(([, value]) => value !== null)
      .flatMap(([name, value]) => {
        const fault = isPriceName(name) ? faultOf(value) : misspeltFault(name);
        return fault === null ? [] : [{ model, message: `${name} ${fault}` }];
      });
  });
}

/** Checks whether an entry of the table has a price of input tokens. */
export function isPriced(entry: unknown): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  const [range] = rangesIn((entry as ModelPrices).tiered_pricing);
  return amountIn(range?.prices ?? entry, "input_cost_per_token") !== undefined;
}

/** Returns the fault of a name that is almost one of a price; `null` for any other name, which is ignored. */
function misspeltFault(name: string): string | null {
  const near = PRICES.find((price) =>
    price !== name && editsBetween(price, name) <= MISSPELT_EDITS
  );
  return near === undefined ? null : `is not a price; did you mean ${near}?`;
}

/** Maximum number of edits by which a misspelt name differs. Two names of prices differ by more. */
const MISSPELT_EDITS = 2;

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
