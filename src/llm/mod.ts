/**
 * Logs each model call as one event: its model, tokens, cost, duration and status.
 *
 * | your program uses                                  | add                                                               |
 * | -------------------------------------------------- | ----------------------------------------------------------------- |
 * | the SDK of OpenAI or Anthropic, LangChain, `fetch` | `new OpenAI({ fetch: auditedFetch(log, { prices }) })`            |
 * | Vercel's AI SDK 7                                  | `registerTelemetry(aiTelemetry(log, { prices }))`                 |
 * | Vercel's AI SDK 6                                  | `registerTelemetryIntegration(aiTelemetry(log, { prices }))`      |
 * | OpenTelemetry with `gen_ai.*`, or OpenInference    | `new SimpleSpanProcessor(otelSpanExporter(log, { prices }))`      |
 *
 * Only {@linkcode auditedFetch} can hold the cost of a call on a budget before the call is made. If two of these
 * functions see the same call, the log has only one event of it. The functions recognize the call by the ID of the
 * response or, without an ID, by the model and the time.
 *
 * ## The event
 *
 * ```json
 * {"ts":"2026-02-13T14:30:22.123Z","event":"llm_call","session_id":"2dc2...","cost":0.000136,"model":"small-2026-02-13",
 *  "input_t":16,"output_t":13,"duration_ms":6.622,"provider":"openai","cost_source":"prices","status":"ok",
 *  "response_id":"chatcmpl-1","api":"openai.chat","host":"api.openai.com","finish_reason":"stop"}
 * ```
 *
 * | field                                                            | meaning                                             |
 * | ---------------------------------------------------------------- | --------------------------------------------------- |
 * | `model`, `provider`                                              | as named in the response, else in the request       |
 * | `input_t`, `output_t`                                            | all tokens, with the parts below                    |
 * | `cache_read_t`, `cache_write_t`, `cache_write_1h_t`              | cached parts of the input; left out if 0            |
 * | `reasoning_t`                                                    | part of the output; left out if 0                   |
 * | `audio_input_t`, `audio_output_t`, `image_input_t`, `image_output_t` | parts of the totals; left out if 0              |
 * | `service_tier`, `inference_geo`                                  | tier and region, if they may change the price       |
 * | `cost`, `cost_source`                                            | USD; "provider" or "prices"                         |
 * | `usage`                                                          | "missing" if no final usage came; then no tokens    |
 * | `hold`, `charged_usd`                                            | ID of the hold; USD charged if `cost` is unknown    |
 * | `status`, `error`                                                | "ok", "error" or "aborted"; why it failed           |
 * | `duration_ms`, `ttft_ms`                                         | whole call; until the first output of a stream      |
 * | `response_id`, `finish_reason`                                   | as the response states them                         |
 * | `api`, `host`, `retry`                                           | of the request; number of the retry, from 1         |
 * | `response_model`, `response_provider`                            | names in the response that a budget does not allow  |
 * | `prompt`, `answer`                                               | only with the option `text`                         |
 * | `call_id`, `function_id`, `tool`                                 | with `aiTelemetry()`                                |
 * | `trace_id`, `span`, `parent`, `conversation_id`                  | with `otelSpanExporter()`                           |
 *
 * The prompt and the answer are logged only with the option `text` of {@linkcode auditedFetch}. Error messages are
 * always logged, up to 1,000 characters, and a server may quote the prompt in an error message.
 *
 * A call is logged when it ends. If the process dies before the end of a call, the log has no `llm_call` event of the
 * call. With a budget, the log still has a `budget_hold` line with the model and the fields of the call.
 *
 * ## Prices
 *
 * The library contains no prices, and downloads none. Pass the content of LiteLLM's
 * `model_prices_and_context_window.json`, or a part of it with the models that you use; prices are in USD per token.
 * `scout prices check FILE` checks such a file. If the provider states the cost, as OpenRouter does, the event has the
 * stated cost. If a price is unknown, the event has no `cost`; if you passed `prices`, the logger warns once for each
 * model. Before the first event with a cost from a table, an event `prices` has the SHA-256 of the table. The cost does
 * not include fees that are not per token, such as those of a web search, or surcharges by region of OpenAI and Google.
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
export { type AiTelemetry, aiTelemetry, type AiTelemetryCallback } from "./ai_telemetry.ts";
export { auditedFetch, type AuditedFetchOptions, type FetchFunction } from "./audited_fetch.ts";
export type { CallEstimate } from "./estimate.ts";
export type { ModelApi, ModelRequest } from "./model_request.ts";
export {
  type ExportResultCallback,
  type OtelSpanExporter,
  otelSpanExporter,
} from "./otel_span_exporter.ts";
export type { OtelSpan } from "./span_call.ts";
export { type ModelPrices, pricesOf, type PriceTable } from "./price_table.ts";
export { type CallCost, costOf } from "./prices.ts";
export type { TelemetryOptions } from "./telemetry_options.ts";
export { type TokenUsage, usageOf } from "./usage.ts";
