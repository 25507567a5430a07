#!/usr/bin/env -S deno run --allow-env --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * Anthropic's SDK: each HTTP call is one event. A span groups the calls of one turn of the agent: each call, also a
 * retry by the SDK, names the span as its parent.
 *
 * @module
 */
import Anthropic from "@anthropic-ai/sdk";
import { AuditLog } from "@vivarium/scout";
import { auditedFetch } from "@vivarium/scout/llm";
import { startProvider } from "../llm/provider.ts";
import prices from "../prices.json" with { type: "json" };

// This local server stands in for api.anthropic.com, so the example needs no API key.
await using provider = startProvider();
await using log = await AuditLog.open(".demo/sdks/anthropic/audit.jsonl");
const anthropic = new Anthropic({ apiKey: "none", baseURL: provider.origin });

await using turn = await log.begin("turn", { agent: "critic" });
const fetch = auditedFetch(log, { prices, fields: { agent: "critic", parent: turn.id } });
const client = anthropic.withOptions({ fetch });

const request = {
  model: "large",
  max_tokens: 100,
  messages: [{ role: "user" as const, content: "Review src/read/log_cursor.ts" }],
};
const message = await client.messages.create(request);
console.log(message.content[0]);
console.log(await client.messages.stream(request).finalText());
await turn.end();

for (const event of await log.lastEvents(2, { eventType: "llm_call" })) {
  console.log(event.parent === turn.id, event.input_t, event.output_t, event.cost);
}
