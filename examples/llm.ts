#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * Calls models over HTTP with `auditedFetch()`: the log has every call, with its tokens and its cost, and a budget of
 * 0.01 USD an hour stops the calls before it is overspent. The models are simulated by a server in this program, which
 * answers as OpenAI, Anthropic and Gemini do, so no key is needed and nothing is paid.
 *
 * An SDK takes the same function: `new OpenAI({ fetch })`, `new Anthropic({ fetch })`.
 *
 * @module
 */
import { emptyDir } from "@std/fs";
import { AuditLog, BudgetError } from "@vivarium/scout";
import { auditedFetch, type FetchFunction } from "@vivarium/scout/llm";
import { startProvider } from "./llm/provider.ts";
import { PRICES } from "./prices.ts";
import { printTable, usd } from "./table.ts";

const LIMIT_USD = 0.01;
const messages = [{ role: "user", content: "What does src/read/log_cursor.ts do?" }];

/** The request that each agent sends. Each agent uses the API of a different provider. */
const REQUESTS = {
  mapper: {
    path: "/v1/chat/completions",
    body: { model: "small", messages, max_tokens: 200 },
  },
  writer: {
    path: "/v1/messages",
    body: { model: "large", messages, max_tokens: 100, stream: true },
  },
  critic: {
    path: "/v1beta/models/small:streamGenerateContent?alt=sse",
    body: {
      contents: [{ parts: [{ text: "Review it" }] }],
      generationConfig: { maxOutputTokens: 80 },
    },
  },
};

/** Makes calls until the budget is spent, then prints what they cost. */
export async function callModels({ dir }: { dir: string }): Promise<void> {
  await emptyDir(dir);
  await using provider = startProvider();
  await using log = await AuditLog.open(`${dir}/audit.jsonl`);
  const budget = await log.budget({ name: "hour", limit: { usd: LIMIT_USD }, hours: 1 });

  const agents = Object.entries(REQUESTS).map(([agent, { path, body }]) => {
    const fetch = auditedFetch(log, { prices: PRICES, budget, fields: { agent } });
    return () => call(fetch, provider.origin + path, body);
  });
  let refusal: BudgetError | undefined;
  while (refusal === undefined) {
    try {
      for (const call of agents) await call();
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      refusal = error;
    }
  }
  await printCosts(log, refusal);
}

/** Makes a call, and reads the answer to its end. */
async function call(fetch: FetchFunction, url: string, body: object): Promise<void> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  await response.text();
}

async function printCosts(log: AuditLog, refusal: BudgetError): Promise<void> {
  const rows = new Map<string, { calls: number; tokens: number; cost: number }>();
  for await (const event of log.query({ eventType: "llm_call" })) {
    const { agent, model, input_t, output_t, cost } = event;
    const name = `${agent} ${model}`;
    const row = rows.get(name) ?? { calls: 0, tokens: 0, cost: 0 };
    rows.set(name, {
      calls: row.calls + 1,
      tokens: row.tokens + (input_t ?? 0) + (output_t ?? 0),
      cost: row.cost + (cost ?? 0),
    });
  }
  printTable(
    "Model calls through auditedFetch",
    [...rows].map((
      [name, { calls, tokens, cost }],
    ) => [name, `${calls} calls`, `${tokens} tokens`, usd(cost)]),
  );
  console.log(`\nspend: ${usd(await log.hourlySpend())} of ${usd(LIMIT_USD)}`);
  console.log(`refused: ${refusal.message}`);
  console.log(`The log: ${log.path}`);
}

if (import.meta.main) await callModels({ dir: ".demo/llm" });
