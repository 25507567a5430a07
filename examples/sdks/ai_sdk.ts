#!/usr/bin/env -S deno run --allow-env --allow-sys=hostname --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * Vercel's AI SDK: its telemetry logs each model call and each tool call. To hold the cost of each model call on a
 * budget, also pass `auditedFetch` to the provider. A call that both the telemetry and `auditedFetch` see is logged
 * once.
 *
 * @module
 */
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, registerTelemetry, streamText } from "ai";
import { AuditLog } from "@vivarium/scout";
import { aiTelemetry, auditedFetch } from "@vivarium/scout/llm";
import { startProvider } from "../llm/provider.ts";
import prices from "../prices.json" with { type: "json" };

// This local server stands in for api.openai.com, so the example needs no API key.
await using provider = startProvider();
await using log = await AuditLog.open(".demo/sdks/ai_sdk/audit.jsonl");
using telemetry = aiTelemetry(log, { prices });
// With AI SDK 6 (version 6 of the package `ai`), call registerTelemetryIntegration(telemetry) instead.
registerTelemetry(telemetry);

const openai = createOpenAI({ apiKey: "none", baseURL: `${provider.origin}/v1` });
const { text } = await generateText({ model: openai.chat("small"), prompt: "Hi" });
console.log(text);

const budget = await log.budget({ name: "hour", limit: { usd: 1 }, hours: 1 });
const fetch = auditedFetch(log, { prices, budget, refusal: "respond" });
const held = createOpenAI({ apiKey: "none", baseURL: `${provider.origin}/v1`, fetch });
const { textStream } = streamText({
  model: held.chat("large"),
  prompt: "Hi",
  maxOutputTokens: 100,
});
for await (const piece of textStream) console.log(piece);

for (const { model, cost, hold } of await log.lastEvents(2, { eventType: "llm_call" })) {
  console.log(model, cost, hold === undefined ? "without a budget" : "held on the budget");
}
