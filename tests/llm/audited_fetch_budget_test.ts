import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuditLog, BudgetError } from "@vivarium/scout";
import {
  auditedFetch,
  type AuditedFetchOptions,
  type FetchFunction,
  type PriceTable,
} from "@vivarium/scout/llm";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { CHAT, chatRequest, MESSAGES, post, PRICES, withUsage } from "./calls.ts";

/**
 * Opens a log with a budget, and calls `run`. Returns the amounts that the budget has spent and holds, and the events.
 */
async function withBudget(
  limit: { usd?: number; tokens?: number; calls?: number },
  run: (
    audited: (options: AuditedFetchOptions) => FetchFunction,
    log: AuditLog,
  ) => Promise<unknown>,
) {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const budget = await log.budget({ name: "run", limit });
  await run(
    (options) =>
      auditedFetch(log.child({ agent: "critic" }), { prices: PRICES, budget, ...options }),
    log,
  );
  const { spent, held } = await budget.state();
  return {
    spent,
    held,
    events: await log.query({ eventType: "llm_call" }).toArray(),
    log: await log.query().toArray(),
  };
}

Deno.test("auditedFetch() reserves the estimated cost of a call on its budget, and then charges the actual cost", async () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const { spent, held, events, log } = await withBudget({ usd: 1 }, async (audited) => {
    await (await audited({ fetch: withUsage(usage) })(CHAT, chatRequest())).text();
  });
  const hold = log.find(({ event }) => event === "budget_hold")!;
  const bytes = new TextEncoder().encode(chatRequest().body as string).length;
  assertEquals(hold.hold_usd, Number((Math.ceil(bytes / 4) * 2e-6 + 100 * 8e-6).toPrecision(12)));
  assertEquals([hold.model, hold.provider, hold.agent], ["small", "openai", "critic"]);
  assertEquals([spent, held], [0.00006, 0]);
  assertEquals([events[0]?.hold, events[0]?.agent, events[0]?.cost], [
    hold.hold,
    "critic",
    0.00006,
  ]);
});

Deno.test("auditedFetch() estimates the maximum number of tokens that a request may use", async () => {
  const cases: readonly [name: string, request: RequestInit, path: string, tokens: number][] = [
    [
      "max_completion_tokens",
      post({ model: "small", messages: [], max_completion_tokens: 50 }),
      "chat/completions",
      50,
    ],
    [
      "several choices",
      post({ model: "small", messages: [], max_tokens: 50, n: 3 }),
      "chat/completions",
      150,
    ],
    ["the maximum of the model", post({ model: "small", messages: [] }), "chat/completions", 1_000],
    [
      "max_output_tokens",
      post({ model: "small", input: "Hi", max_output_tokens: 60 }),
      "responses",
      60,
    ],
    [
      "two prompts, and the best of three",
      post({ model: "small", prompt: ["a", "b"], max_tokens: 50, best_of: 3 }),
      "completions",
      300,
    ],
    [
      "a prompt of tokens",
      post({ model: "small", prompt: [1, 2], max_tokens: 50 }),
      "completions",
      50,
    ],
    ["embeddings", post({ model: "small", input: "Hi" }), "embeddings", 0],
    [
      "Gemini",
      post({ contents: [], generationConfig: { maxOutputTokens: 70 } }),
      "models/small:generateContent",
      70,
    ],
  ];
  for (const [name, request, path, output] of cases) {
    const { log } = await withBudget({ tokens: 10_000 }, async (audited) => {
      await (await audited({ fetch: withUsage(undefined) })(`http://localhost/v1/${path}`, request))
        .text();
    });
    const { length } = new TextEncoder().encode(request.body as string);
    assertEquals(
      log.find(({ event }) => event === "budget_hold")?.hold_tokens,
      Math.ceil(length / 4) + output,
      name,
    );
  }
});

Deno.test("auditedFetch() estimates input with cache_control at the price of a cache write that lasts five minutes or an hour", async () => {
  const prices = {
    small: {
      ...PRICES.small,
      cache_creation_input_token_cost: 4e-6,
      cache_creation_input_token_cost_above_1hr: 5e-6,
    },
  };
  for (const [ttl, price] of [["5m", 4e-6], ["1h", 5e-6]] as const) {
    const system = [{
      type: "text",
      text: "x".repeat(4_000),
      cache_control: { type: "ephemeral", ttl },
    }];
    const request = post({ model: "small", system, messages: MESSAGES, max_tokens: 1 });
    const { log } = await withBudget({ usd: 1 }, async (audited) => {
      await (await audited({ prices, fetch: withUsage(undefined) })(
        "http://localhost/v1/messages",
        request,
      )).text();
    });
    const { length } = new TextEncoder().encode(request.body as string);
    const usd = Number((Math.ceil(length / 4) * price + 8e-6).toPrecision(12));
    assertEquals(log.find(({ event }) => event === "budget_hold")?.hold_usd, usd);
  }
});

Deno.test("auditedFetch() makes no call that its budget refuses", async () => {
  let calls = 0;
  const { events, log } = await withBudget({ usd: 0.0001 }, async (audited) => {
    const fetch: FetchFunction = () => Promise.resolve(Response.json({ calls: calls++ }));
    await assertRejects(() => audited({ fetch })(CHAT, chatRequest()), BudgetError, "Cannot hold");
    const response = await audited({ fetch, refusal: "respond" })(CHAT, chatRequest());
    assertEquals([response.status, response.headers.get("x-should-retry")], [402, "false"]);
    const { error } = await response.json();
    assertEquals([error.type, error.code, error.budget], ["budget_error", "too_large", "run"]);
  });
  assertEquals([calls, events], [0, []]);
  assertEquals(log.some(({ event }) => event === "budget_refused"), true);
});

Deno.test("auditedFetch() responds with status 429 while the rest of the budget is reserved for other calls, but waits if the option wait is set", async () => {
  const gate = Promise.withResolvers<Response>();
  const { spent } = await withBudget({ calls: 1 }, async (audited, log) => {
    const options = { estimate: () => ({ calls: 1 }) };
    const first = audited({ ...options, fetch: () => gate.promise })(CHAT, chatRequest());
    // Wait until the hold (reserved amount) of the first call is in the log.
    for await (const { event } of log.follow({ last: 10 })) if (event === "budget_hold") break;
    const refused = await audited({ ...options, refusal: "respond" })(CHAT, chatRequest());
    assertEquals([refused.status, refused.headers.get("x-should-retry")], [429, "true"]);
    assert(Number(refused.headers.get("retry-after-ms")) > 0);
    await refused.text();
    const second = audited({ ...options, wait: true, fetch: withUsage(undefined) })(
      CHAT,
      chatRequest(),
    );
    // The server refuses the first call, so the budget charges nothing for it, and the second call can be made.
    gate.resolve(Response.json({}, { status: 400 }));
    await (await first).text();
    await (await second).text();
  });
  assertEquals(spent, 1);
});

Deno.test("auditedFetch() refuses a call whose cost cannot be estimated, unless the option estimate returns an amount", async () => {
  const { events } = await withBudget({ usd: 1 }, async (audited) => {
    const fetch = withUsage({ prompt_tokens: 1, completion_tokens: 1 }, "unknown");
    const request = chatRequest({ model: "unknown" });
    const error = await assertRejects(() => audited({ fetch })(CHAT, request), BudgetError);
    assertInstanceOf(error, BudgetError);
    assertEquals(error.kind, "unpriced");
    assert(error.message.endsWith('; model "unknown" is not in prices, with or without its date'));
    const body = ReadableStream.from([new TextEncoder().encode(request.body as string)]);
    const headers = [["content-type", "application/json"]] satisfies HeadersInit;
    const streamed = { method: "POST", body, headers };
    await assertRejects(() => audited({ fetch })(CHAT, streamed), BudgetError);
    const estimate: AuditedFetchOptions["estimate"] = ({ model, body, api }) => {
      assertEquals([model, body?.max_tokens, api], ["unknown", 100, "openai.chat"]);
      return { usd: 0.25 };
    };
    await (await audited({ fetch, estimate })(CHAT, request)).text();
  });
  assertEquals(events.length, 1);
});

Deno.test("auditedFetch() charges the estimate of a call whose cost is unknown, but nothing if the provider refused the request or was not reached", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const estimate = () => ({ usd: 0.25 });
  const outcomes: readonly [name: string, spent: number, answer: FetchFunction | undefined][] = [
    ["no usage", 0.25, withUsage(undefined)],
    [
      "a model without a price",
      0.25,
      withUsage({ prompt_tokens: 1, completion_tokens: 1 }, "unknown"),
    ],
    ["an error of the server", 0.25, () => Promise.resolve(Response.json({}, { status: 500 }))],
    ["a reset connection", 0.25, () => Promise.reject(new TypeError("connection reset"))],
    [
      "a request that the server refuses",
      0,
      () => Promise.resolve(Response.json({}, { status: 429 })),
    ],
    ["a refused connection", 0, undefined],
    [
      "a missing permission",
      0,
      () => Promise.reject(new Deno.errors.NotCapable("Requires net access")),
    ],
  ];
  for (const [name, expected, answer] of outcomes) {
    const { spent, held, events } = await withBudget({ usd: 1 }, async (audited) => {
      const options = answer === undefined ? { estimate } : { estimate, fetch: answer };
      const url = `http://127.0.0.1:${port}/v1/chat/completions`;
      await audited(options)(url, chatRequest()).then((response) => response.text(), () => {});
    });
    assertEquals([spent, held, events.length], [expected, 0, 1], name);
    assertEquals(events[0]?.charged_usd, expected === 0 ? undefined : expected, name);
  }
});

Deno.test("auditedFetch() releases the reserved amount of a call that the server refused, even if the caller never reads the response", async () => {
  const { held, spent } = await withBudget({ usd: 1 }, async (audited) => {
    const fetch: FetchFunction = () => Promise.resolve(Response.json({}, { status: 429 }));
    await audited({ fetch })(CHAT, chatRequest());
  });
  assertEquals([held, spent], [0, 0]);
});

Deno.test("auditedFetch() charges a budget for the requested model, even if the response names the dated model", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const budget = await log.budget({ name: "small", limit: { usd: 1 }, where: { model: "small" } });
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const audited = auditedFetch(log, { prices: PRICES, budget, fetch: withUsage(usage) });
  await (await audited(CHAT, chatRequest())).text();
  await log.flush();
  const [event] = await log.lastEvents(1, { eventType: "llm_call" });
  assertEquals([event?.model, event?.response_model, event?.cost], [
    "small",
    "small-2026-02-13",
    0.00006,
  ]);
  assertEquals((await budget.state()).spent, 0.00006);
});

Deno.test("auditedFetch() reserves the estimated cost on each of several budgets", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const run = await log.budget({ name: "run", limit: { usd: 1 } });
  const calls = await log.budget({ name: "calls", limit: { calls: 1 } });
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const audited = auditedFetch(log, {
    prices: PRICES,
    budget: [run, calls],
    fetch: withUsage(usage),
  });
  await (await audited(CHAT, chatRequest())).text();
  await assertRejects(() => audited(CHAT, chatRequest()), BudgetError, '"calls"');
  assertEquals([(await run.state()).spent, (await calls.state()).spent], [0.00006, 1]);
});

Deno.test("auditedFetch() explains in the BudgetError why the estimate is unknown or large", async () => {
  const cases: readonly [request: RequestInit, prices: PriceTable | undefined, note: string][] = [
    [chatRequest(), undefined, "no prices were passed"],
    [
      post({ model: "small", messages: [] }),
      { small: { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 } },
      "the request does not set max_tokens, and the prices of the model not max_output_tokens",
    ],
    [
      post({ model: "small", messages: [] }),
      { small: { ...PRICES.small, output_cost_per_token: 0.009 } },
      "max_tokens is not set, so the maximum of the model is held, 1000 output tokens",
    ],
  ];
  for (const [request, prices, note] of cases) {
    using dir = tempDir();
    await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
    const budget = await log.budget({ name: "run", limit: { usd: 1 } });
    const audited = auditedFetch(log, { budget, ...(prices === undefined ? {} : { prices }) });
    await assertRejects(() => audited(CHAT, request), BudgetError, `; ${note}`);
  }
});
