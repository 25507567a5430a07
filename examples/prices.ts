/**
 * Prices of the models in the examples, from a table in LiteLLM's schema: USD per token. The figures are invented.
 *
 * @module
 */
import { costOf, type ModelPrices } from "@vivarium/scout/llm";
import table from "./prices.json" with { type: "json" };

/** The name of a model in the examples. */
export type Model = keyof typeof table;

/** The models of the examples and their prices. */
export const PRICES: Readonly<Record<Model, ModelPrices>> = table;

/** Returns the cost of a call in USD. */
export function costUsd(prices: ModelPrices, inputTokens: number, outputTokens: number): number {
  return costOf({ input_t: inputTokens, output_t: outputTokens }, { model: prices }, "model")!.cost;
}
