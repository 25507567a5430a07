/**
 * Options of `aiTelemetry()` and `otelSpanExporter()`, which log the model calls that an SDK or an instrumentation
 * reports.
 *
 * @module
 */
import { anything, flag, type OptionChecks } from "../options/option_checks.ts";
import type { PriceTable } from "./price_table.ts";

/** Options of `aiTelemetry()` and `otelSpanExporter()`. */
export interface TelemetryOptions {
  /**
   * Prices of the models, in the schema of LiteLLM's `model_prices_and_context_window.json`. Without prices, an event
   * has a cost only if the provider or the span states the cost.
   *
   * @default {undefined}
   */
  prices?: PriceTable;
  /**
   * Fields of every event, such as the agent.
   *
   * @default {{}}
   */
  fields?: object;
  /**
   * If `true`, each call of a tool is logged too, as an event `tool_call`.
   *
   * @default {true}
   */
  toolCalls?: boolean;
}

/** The checks of the options of `aiTelemetry()` and `otelSpanExporter()`. */
export const TELEMETRY_CHECKS: OptionChecks<TelemetryOptions> = {
  prices: anything,
  fields: anything,
  toolCalls: flag,
};
