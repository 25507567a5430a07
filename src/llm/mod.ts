/**
 * Logs every call of a model in one line: its model, tokens, cost, duration and status.
 *
 * | your program uses                                   | one line                                                   |
 * | --------------------------------------------------- | ---------------------------------------------------------- |
 * | the SDK of OpenAI or Anthropic, LangChain, `fetch`  | `new OpenAI({ fetch: auditedFetch(log, { prices }) })`     |
 * | Vercel's AI SDK 6 or 7                              | `registerTelemetry(aiTelemetry(log, { prices }))`          |
 * | OpenTelemetry with `gen_ai.*`, or OpenInference     | `new SimpleSpanProcessor(otelSpanExporter(log, { prices }))` |
 *
 * Only {@linkcode auditedFetch} can hold the cost of a call on a budget before it is made. A call that two of them see is
 * logged once, by the ID of its response.
 *
 * ## The event
 *
 * The event `llm_call` has `model` (of the response, else of the request), `provider`, `status` ("ok", "error" or
 * "aborted"), `error`, `duration_ms`, and for a stream `ttft_ms`, the milliseconds until the first output. `input_t` and
 * `output_t` are totals; `cache_read_t`, `cache_write_t`, `cache_write_1h_t` and `reasoning_t` are parts of them. If the
 * response states no usage, the event has `usage: "missing"` and no tokens. Neither the prompt nor the answer is logged,
 * unless the option `text` is set.
 *
 * ## Prices
 *
 * The library contains no prices, and downloads none. Pass the content of LiteLLM's
 * `model_prices_and_context_window.json`, or a part of it with the models that you use; prices are in USD per token.
 * `scout prices check FILE` checks such a file. If the provider states the cost, as OpenRouter does, that cost counts and
 * `cost_source` is "provider"; otherwise it is "prices". If a price is unknown, the event has no `cost`, and the logger
 * warns once for each model. The event `prices` has the SHA-256 of the table, before the first cost from it. Fees that are
 * not per token, such as those of a web search, are not included.
 *
 * @example A budget for every model call of a program
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { auditedFetch } from "@vivarium/scout/llm";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const prices = {
 *   small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6, max_output_tokens: 4096 },
 * };
 * const budget = await log.budget({ name: "run", limit: { usd: 5 }, hours: 1 });
 * const fetch = auditedFetch(log, { prices, budget, refusal: "respond" });
 * // const openai = new OpenAI({ fetch }); const anthropic = new Anthropic({ fetch });
 * ```
 *
 * @module
 */
export {
  type AiTelemetry,
  aiTelemetry,
  type AiTelemetryCallback,
  type AiTelemetryOptions,
} from "./ai_telemetry.ts";
export { auditedFetch, type AuditedFetchOptions, type FetchFunction } from "./audited_fetch.ts";
export type { CallEstimate, ModelApi, ModelRequest } from "./model_request.ts";
export {
  type ExportResultCallback,
  type OtelSpanExporter,
  otelSpanExporter,
  type OtelSpanExporterOptions,
} from "./otel_span_exporter.ts";
export type { OtelSpan } from "./span_call.ts";
export { type CallCost, costOf, type ModelPrices, pricesOf, type PriceTable } from "./prices.ts";
export { type TokenUsage, usageOf } from "./usage.ts";
