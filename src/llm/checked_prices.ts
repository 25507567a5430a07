/**
 * Checks a table of prices that a caller passes. Pure.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import { shown } from "../event.ts";
import { objectOf } from "./json_values.ts";
import { digestOf, isPriced, priceFaults } from "./price_faults.ts";
import type { PriceTable } from "./price_table.ts";

/**
 * Checks a table of prices that a caller passes.
 *
 * @returns The digest of the table.
 * @throws {TypeError} If `prices` is not a table, no model has a price, a price is invalid, or the table cannot be
 *   written as JSON.
 */
export function checkedDigest(prices: PriceTable, action: string): string {
  checkPrices(prices, action);
  try {
    return digestOf(prices);
  } catch (cause) {
    throw new TypeError(`Cannot ${action}: prices must be JSON: ${messageOf(cause)}`, { cause });
  }
}

function checkPrices(prices: PriceTable, action: string): void {
  if (objectOf(prices) === undefined) {
    throw new TypeError(
      `Cannot ${action}: prices must be an object with a member for each model, got ${
        shown(prices)
      }`,
    );
  }
  const [fault] = priceFaults(prices);
  if (fault !== undefined) {
    throw new TypeError(
      `Cannot ${action}: invalid prices of model "${fault.model}": ${fault.message}`,
    );
  }
  if (!Object.values(prices).some(isPriced)) {
    throw new TypeError(
      `Cannot ${action}: prices must have a model with input_cost_per_token (USD per token), got none`,
    );
  }
}
