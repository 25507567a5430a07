/**
 * Reads the token usage of model calls, and computes their cost from a table of prices.
 *
 * @module
 */
export { type CallCost, costOf, type ModelPrices, pricesOf, type PriceTable } from "./prices.ts";
export { type TokenUsage, usageOf } from "./usage.ts";
