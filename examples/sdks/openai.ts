#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * OpenAI's SDK: each HTTP call is one event, and its maximum cost is held on the budget before the call is made.
 *
 * @module
 */
import OpenAI from "openai";
import { AuditLog } from "@vivarium/scout";
import { auditedFetch } from "@vivarium/scout/llm";
import { startProvider } from "../llm/provider.ts";
import prices from "../prices.json" with { type: "json" };

// This local server stands in for api.openai.com, so the example needs no API key.
await using provider = startProvider();
await using log = await AuditLog.open(".demo/sdks/openai/audit.jsonl");
const budget = await log.budget({ name: "hour", limit: { usd: 1 }, hours: 1 });

const openai = new OpenAI({
  apiKey: "none",
  baseURL: `${provider.origin}/v1`,
  // With "respond", a refused call gets an HTTP error response. So the SDK throws an error with the message of the
  // budget, instead of "Connection error.".
  fetch: auditedFetch(log, { prices, budget, refusal: "respond", fields: { agent: "mapper" } }),
});
const messages = [{ role: "user" as const, content: "What does src/read/log_cursor.ts do?" }];

const answer = await openai.chat.completions.create({
  model: "small",
  messages,
  max_tokens: 100,
});
console.log(answer.choices[0]?.message.content);

// A stream of chat completions states its usage only if the request asks for it.
const stream = await openai.chat.completions.create({
  model: "small",
  messages,
  max_tokens: 100,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content ?? "");

const response = await openai.responses.create({
  model: "large",
  input: "Review it",
  max_output_tokens: 100,
});
console.log(response.output_text);

for (
  const { model, input_t, output_t, cost } of await log.lastEvents(3, { eventType: "llm_call" })
) {
  console.log(model, input_t, output_t, cost);
}
