/**
 * What models cost in the examples, in USD per million tokens. Invented round figures.
 *
 * @module
 */

/** Price of a model. */
export interface Price {
  /** USD per million input tokens. */
  inputUsdPerMTok: number;
  /** USD per million output tokens. */
  outputUsdPerMTok: number;
}

/** The models of the examples. */
export const PRICES = {
  small: { inputUsdPerMTok: 0.25, outputUsdPerMTok: 1.25 },
  large: { inputUsdPerMTok: 3, outputUsdPerMTok: 15 },
} as const satisfies Record<string, Price>;

/** Name of a model of the examples. */
export type Model = keyof typeof PRICES;

/** Cost of a request in USD. */
export function costUsd(price: Price, inputTokens: number, outputTokens: number): number {
  return (inputTokens * price.inputUsdPerMTok + outputTokens * price.outputUsdPerMTok) / 1e6;
}
