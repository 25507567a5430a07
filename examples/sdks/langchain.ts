#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * LangChain.js: `ChatOpenAI` passes `fetch` on to OpenAI's SDK.
 *
 * @module
 */
import { ChatOpenAI } from "@langchain/openai";
import { AuditLog } from "@vivarium/scout";
import { auditedFetch } from "@vivarium/scout/llm";
import { startProvider } from "../llm/provider.ts";
import prices from "../prices.json" with { type: "json" };

// This local server stands in for api.openai.com, so the example needs no API key.
await using provider = startProvider();
await using log = await AuditLog.open(".demo/sdks/langchain/audit.jsonl");

const model = new ChatOpenAI({
  apiKey: "none",
  model: "small",
  configuration: { baseURL: `${provider.origin}/v1`, fetch: auditedFetch(log, { prices }) },
});
console.log((await model.invoke("What does src/read/log_cursor.ts do?")).content);
for await (const chunk of await model.stream("Hi")) console.log(chunk.content);

for (
  const { model, input_t, output_t, cost } of await log.lastEvents(2, { eventType: "llm_call" })
) {
  console.log(model, input_t, output_t, cost);
}
