/**
 * Prices of the models in the examples, in USD per million tokens. The figures are invented.
 *
 * @module
 */

/** The price of a model. */
export interface Price {
  /** USD per million input tokens. */
  inputUsdPerMTok: number;
  /** USD per million output tokens. */
  outputUsdPerMTok: number;
}

/** The models of the examples and their prices. */
export const PRICES = {
  small: { inputUsdPerMTok: 0.25, outputUsdPerMTok: 1.25 },
  large: { inputUsdPerMTok: 3, outputUsdPerMTok: 15 },
} as const satisfies Record<string, Price>;

/** The name of a model in the examples. */
export type Model = keyof typeof PRICES;

/** Returns the cost of a request in USD. */
export function costUsd(price: Price, inputTokens: number, outputTokens: number): number {
  return (inputTokens * price.inputUsdPerMTok + outputTokens * price.outputUsdPerMTok) / 1e6;
}
