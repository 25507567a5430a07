/**
 * Tests auditedFetch() with unusual responses, requests and errors, which providers normally do not send.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AuditEvent, AuditLog } from "@vivarium/scout";
import {
  aiTelemetry,
  auditedFetch,
  type AuditedFetchOptions,
  type FetchFunction,
} from "@vivarium/scout/llm";
import { gathering, silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { CHAT, chatRequest, post, PRICES, withUsage } from "./calls.ts";

/**
 * Opens a log with a budget and calls `run`. Returns the model calls, and the amounts that the budget has spent and
 * holds.
 */
async function callsOf(
  run: (
    audited: (options: AuditedFetchOptions) => FetchFunction,
    log: AuditLog,
  ) => Promise<unknown>,
  where: object = {},
): Promise<{ events: AuditEvent[]; spent: number; held: number }> {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const budget = await log.budget({ name: "run", limit: { usd: 1 }, where });
  const estimate = () => ({ usd: 0.25 });
  await run((options) => auditedFetch(log, { prices: PRICES, budget, estimate, ...options }), log);
  // Ending a hold (reserved amount) may take several attempts, so the test waits with flush() until all events are
  // logged.
  await log.flush();
  const { spent, held } = await budget.state();
  return { events: await log.query({ eventType: "llm_call" }).toArray(), spent, held };
}

const encoder = new TextEncoder();

function streaming(...texts: readonly string[]): FetchFunction {
  const headers = { "content-type": "text/event-stream" };
  return () =>
    Promise.resolve(
      new Response(ReadableStream.from(texts.map((text) => encoder.encode(text))), { headers }),
    );
}

function dataOf(...events: readonly object[]): string {
  return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
}

Deno.test("auditedFetch() does not detach a buffer that the source of a body still uses", async () => {
  const bytes = encoder.encode(
    '{"model":"small","usage":{"prompt_tokens":1,"completion_tokens":2}}',
  );
  const { events } = await callsOf(async (audited) => {
    const fetch: FetchFunction = () =>
      Promise.resolve(new Response(ReadableStream.from([bytes.subarray(0, 5), bytes.subarray(5)])));
    assertEquals(await (await audited({ fetch })(CHAT, chatRequest())).bytes(), bytes);
  });
  assertEquals([bytes.length, events[0]?.output_t], [67, 2]);
});

Deno.test("auditedFetch() ends the hold of a call with a changed event if the original event would be invalid", async () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const provider: FetchFunction = () =>
    Promise.resolve(
      Response.json({ provider: "DeepInfra", model: "small", usage: { ...usage, cost: 0.125 } }),
    );
  const stated = await callsOf(async (audited) => {
    await (await audited({ fetch: provider })(CHAT, chatRequest())).text();
  }, { provider: "openai" });
  assertEquals([stated.spent, stated.held], [0.125, 0]);
  assertEquals(
    stated.events.map(({ provider, response_provider }) => [provider, response_provider]),
    [
      ["openai", "DeepInfra"],
    ],
  );

  const tooLong = await callsOf(async (audited) => {
    const content = "x".repeat(17 * 1024 * 1024);
    const fetch = audited({ fetch: withUsage(usage), text: true });
    await (await fetch(CHAT, post({ model: "small", messages: [{ role: "user", content }] })))
      .text();
  });
  assertEquals([tooLong.spent, tooLong.held], [0.00006, 0]);
  assertEquals(tooLong.events.map(({ input_t, prompt, status }) => [input_t, prompt, status]), [
    [10, undefined, "ok"],
  ]);
});

Deno.test("auditedFetch() logs a call without a hold whose prompt is too long for a line", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), maxLineBytes: 2_000 });
  const fetch = auditedFetch(log, {
    text: true,
    fetch: withUsage({ prompt_tokens: 10, completion_tokens: 5 }),
  });
  const messages = [{ role: "user", content: "x".repeat(3_000) }];
  await (await fetch(CHAT, post({ model: "small", messages }))).text();
  await log.flush();
  const [event] = await log.lastEvents(1);
  assertEquals([event?.event, event?.input_t, event?.prompt], ["llm_call", 10, undefined]);
});

Deno.test("auditedFetch() returns a response that it cannot copy as it is, and ends the hold", async () => {
  const locked = new Response("{}");
  locked.body!.getReader();
  const used = Response.json({});
  await used.text();
  // The constructor of Response rejects the status 600, but a server may send it, so the test overrides the status.
  const odd = Object.defineProperty(Response.json({}), "status", { value: 600 });
  for (const response of [locked, used, odd, Response.error(), undefined as unknown as Response]) {
    const { events, held } = await callsOf(async (audited) => {
      const fetch: FetchFunction = () => Promise.resolve(response);
      assertEquals(await audited({ fetch })(CHAT, chatRequest()), response);
    });
    assertEquals([held, events.length], [0, 1]);
    assert(events[0]?.status !== "ok", events[0]?.status as string);
  }
});

Deno.test("auditedFetch() logs thrown values that are not Error objects, and rethrows them", async () => {
  const thrown: readonly unknown[] = [
    undefined,
    "text",
    Object.create(null),
    Object.assign(new Error(), { message: 5 }),
    { toString: null },
  ];
  for (const error of thrown) {
    const { events, held } = await callsOf(async (audited) => {
      let cancelled: unknown = "never";
      const failing: FetchFunction = () => Promise.reject(error);
      const broken: FetchFunction = () =>
        Promise.resolve(
          new Response(new ReadableStream({ pull: (controller) => controller.error(error) })),
        );
      const open: FetchFunction = () =>
        Promise.resolve(
          new Response(
            new ReadableStream({ cancel: (reason) => void (cancelled = reason) }),
          ),
        );
      const caught: unknown[] = [];
      await audited({ fetch: failing })(CHAT, chatRequest()).catch((each) => caught.push(each));
      const response = await audited({ fetch: broken })(CHAT, chatRequest());
      await response.body!.getReader().read().catch((each) => caught.push(each));
      assertEquals(caught.map((each) => each === error), [true, true]);
      await (await audited({ fetch: open })(CHAT, chatRequest())).body!.cancel(error);
      assert(cancelled === error);
    });
    assertEquals([events.map(({ status }) => status), held], [["error", "error", "aborted"], 0]);
  }
});

Deno.test("auditedFetch() counts a stream as complete only after its last event", async () => {
  const usage = { prompt_tokens: 10, completion_tokens: 2 };
  // The server vLLM states the usage so far in each event, so only the last event has the whole usage.
  const first = dataOf({
    id: "c1",
    choices: [{ index: 0, delta: { content: "a" }, finish_reason: "stop" }],
    usage,
  });
  const second = dataOf({
    id: "c1",
    choices: [{ index: 1, delta: { content: "b" }, finish_reason: "stop" }],
    usage: { ...usage, completion_tokens: 4 },
  });
  const { events } = await callsOf(async (audited) => {
    const reader = (await audited({ fetch: streaming(first, second) })(CHAT, chatRequest())).body!
      .getReader();
    await reader.read();
    await reader.cancel();
    await (await audited({ fetch: streaming(first, second) })(CHAT, chatRequest())).text();
  });
  assertEquals(events.map(({ status, output_t }) => [status, output_t]), [
    ["aborted", undefined],
    ["ok", 4],
  ]);
});

Deno.test("auditedFetch() keeps a count that a later event of a stream states as 0", async () => {
  const start = {
    type: "message_start",
    message: { id: "m1", usage: { input_tokens: 1_500, output_tokens: 1 } },
  };
  const delta = {
    type: "message_delta",
    delta: { stop_reason: "end_turn" },
    usage: { input_tokens: 0, output_tokens: 20 },
  };
  const { events } = await callsOf(async (audited) => {
    const fetch = audited({ fetch: streaming(dataOf(start, delta, { type: "message_stop" })) });
    await (await fetch("http://localhost/v1/messages", chatRequest())).text();
  });
  assertEquals([events[0]?.input_t, events[0]?.output_t], [1_500, 20]);
});

Deno.test("auditedFetch() recognizes an event stream by the start of its body if the content type is missing or wrong", async () => {
  const text = dataOf(
    { choices: [{ delta: {}, finish_reason: "stop" }] },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } },
  );
  const types = [undefined, "text/plain", "Text/Event-Stream; charset=utf-8"];
  const { events } = await callsOf(async (audited) => {
    for (const type of types) {
      const headers = type === undefined ? [] : [["content-type", type] as [string, string]];
      const body = ReadableStream.from([encoder.encode(text)]);
      const fetch: FetchFunction = () => Promise.resolve(new Response(body, { headers }));
      await (await audited({ fetch })(CHAT, chatRequest())).text();
    }
  });
  assertEquals(events.map(({ output_t }) => output_t), [4, 4, 4]);
});

Deno.test("auditedFetch() reads an event that comes in thousands of pieces", async () => {
  const usage = { prompt_tokens: 3, completion_tokens: 4 };
  const event = dataOf({
    id: "c1",
    choices: [{ delta: {}, image: "x".repeat(2_000_000), finish_reason: "stop" }],
  });
  const pieces = (event + dataOf({ choices: [], usage })).match(/.{1,500}|\n/gs)!;
  const { events } = await callsOf(async (audited) => {
    await (await audited({ fetch: streaming(...pieces) })(CHAT, chatRequest())).text();
  });
  assertEquals([events[0]?.status, events[0]?.output_t, events[0]?.response_id], ["ok", 4, "c1"]);
});

Deno.test("auditedFetch() does not consume headers that can be read only once", async () => {
  let sent: Headers | undefined;
  const fetch: FetchFunction = (_, init) => {
    sent = new Headers(init?.headers);
    return Promise.resolve(Response.json({}));
  };
  await callsOf(async (audited) => {
    const headers = new Map([["authorization", "Bearer 1"]]).entries() as unknown as HeadersInit;
    await (await audited({ fetch })(CHAT, { ...chatRequest(), headers })).text();
  });
  assertEquals(sent?.get("authorization"), "Bearer 1");
});

Deno.test("auditedFetch() passes an abort on while it reads the body of a Request", async () => {
  const { events } = await callsOf(async (audited) => {
    const controller = new AbortController();
    // The body of this request never ends, so only the abort can end the call.
    const request = new Request("http://127.0.0.1:9/v1/chat/completions", {
      method: "POST",
      body: new ReadableStream(),
      signal: controller.signal,
    });
    const call = audited({})(request);
    controller.abort();
    await assertRejects(() => call, DOMException, "abort");
  });
  assertEquals(events, []);
});

Deno.test("auditedFetch() charges a call that failed after a redirect", async () => {
  const cause = new Error(
    "error sending request for url (http://127.0.0.1:1/): client error (Connect): refused",
  );
  const { spent, held } = await callsOf(async (audited) => {
    const fetch: FetchFunction = () => Promise.reject(new TypeError("fetch failed", { cause }));
    await audited({ fetch })(CHAT, chatRequest()).catch(() => {});
    const blocked: FetchFunction = () =>
      Promise.reject(new TypeError("Fetch failed: Requests to port 9 are blocked"));
    await audited({ fetch: blocked })(CHAT, chatRequest()).catch(() => {});
  });
  assertEquals([spent, held], [0.5, 0]);
});

Deno.test("auditedFetch() rejects a budget of another log, and bound fields that each call sets itself", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  await using other = await AuditLog.open({ path: dir.path("b.jsonl"), logger: silent });
  const budget = await other.budget({ name: "run", limit: { usd: 1 } });
  assertThrows(() => auditedFetch(log, { budget }), TypeError, "budget must be of the log");
  for (const fields of [{ cost: 0 }, { input_t: 3 }, { status: "ok" }, { model: "small" }]) {
    const [name = ""] = Object.keys(fields);
    const message = `the field "${name}" must not be bound`;
    assertThrows(() => auditedFetch(log, { fields }), TypeError, message);
    assertThrows(() => aiTelemetry(log.child(fields)), TypeError, message);
  }
});

/**
 * Makes calls through `auditedFetch()`, while telemetry reports each call too. Returns the statuses of the logged
 * events.
 */
async function reported(
  answer: FetchFunction,
  report: (telemetry: ReturnType<typeof aiTelemetry>, response: Response) => Promise<unknown>,
): Promise<unknown[]> {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  {
    using telemetry = aiTelemetry(log);
    telemetry.onLanguageModelCallStart({ callId: "c", provider: "openai.chat", modelId: "small" });
    const controller = new AbortController();
    const request = { ...chatRequest(), signal: controller.signal };
    await report(telemetry, await auditedFetch(log, { fetch: answer })(CHAT, request));
  }
  return (await log.query({ eventType: "llm_call" }).toArray()).map(({ status }) => status);
}

const END = {
  callId: "c",
  provider: "openai.chat",
  modelId: "small-2026-02-13",
  finishReason: "stop",
  usage: { inputTokens: 3, outputTokens: 4 },
};

Deno.test("A call that telemetry reports before its body ends is logged once", async () => {
  const text = dataOf({
    id: "r1",
    model: "small-2026-02-13",
    choices: [{ delta: { content: "a" } }],
  });
  const statuses = await reported(
    streaming(text, "data: [DONE]\n\n"),
    async (telemetry, response) => {
      const reader = response.body!.getReader();
      await reader.read();
      telemetry.onLanguageModelCallEnd({ ...END, responseId: "r1" });
      while (!(await reader.read()).done);
    },
  );
  assertEquals(statuses, ["ok"]);
});

Deno.test("A call whose response has an empty ID or none is logged once", async () => {
  const model = "small-2026-02-13";
  const chunk = { model, choices: [{ delta: { content: "a" }, finish_reason: "stop" }] };
  for (const id of ["", undefined]) {
    const statuses = await reported(
      streaming(dataOf({ ...chunk, id })),
      async (telemetry, response) => {
        await response.text();
        telemetry.onLanguageModelCallEnd({ ...END, responseId: "invented" });
      },
    );
    assertEquals(statuses, ["ok"]);
  }
});

Deno.test("An aborted stream is logged once, whether telemetry or auditedFetch() reports it first", async () => {
  const text = dataOf({
    id: "r1",
    model: "small-2026-02-13",
    choices: [{ delta: { content: "a" } }],
  });
  for (const isTelemetryFirst of [true, false]) {
    const statuses = await reported(streaming(text, text), async (telemetry, response) => {
      const reader = response.body!.getReader();
      await reader.read();
      if (isTelemetryFirst) telemetry.onAbort({ callId: "c" });
      await reader.cancel();
      if (!isTelemetryFirst) telemetry.onAbort({ callId: "c" });
    });
    assertEquals(statuses, ["aborted"]);
  }
});

Deno.test("A call that two telemetry integrations report is logged once, with and without auditedFetch()", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  using first = aiTelemetry(log);
  using second = aiTelemetry(log);
  const usage = { prompt_tokens: 3, completion_tokens: 4 };
  const fetch = auditedFetch(log, { fetch: withUsage(usage) });
  const call = { callId: "c", provider: "google.generative-ai", modelId: "small" };
  for (const isFetched of [true, false]) {
    for (const telemetry of [first, second]) telemetry.onLanguageModelCallStart(call);
    if (isFetched) await (await fetch(CHAT, chatRequest())).text();
    // The AI SDK invents an ID such as "aitxt-1" if the response has none.
    const end = { ...END, responseId: "aitxt-1", modelId: isFetched ? "small" : "other" };
    for (const telemetry of [first, second]) telemetry.onLanguageModelCallEnd(end);
  }
  const events = await log.query({ eventType: "llm_call" }).toArray();
  assertEquals(events.map(({ model }) => model), ["small-2026-02-13", "other"]);
});

Deno.test("aiTelemetry() logs every call, even if two responses have the same ID", async () => {
  using dir = tempDir();
  const { logger, warnings } = gathering();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger });
  using telemetry = aiTelemetry(log);
  for (const [callId, responseId] of ["chatcmpl-1", "chatcmpl-2", "chatcmpl-1"].entries()) {
    telemetry.onLanguageModelCallEnd({ ...END, callId: `call-${callId}`, responseId });
  }
  assertEquals((await log.query({ eventType: "llm_call" }).toArray()).length, 3);
  assertEquals(warnings, []);
});

Deno.test("auditedFetch() copies the pieces of a body whose slices share their memory", async () => {
  await callsOf(async (audited) => {
    const piece = Buffer.from('{"model":"small"}');
    const fetch: FetchFunction = () => Promise.resolve(new Response(ReadableStream.from([piece])));
    const { body } = await audited({ fetch })(CHAT, chatRequest());
    const { value } = await body!.getReader().read();
    assert(value!.buffer !== piece.buffer, "the piece has the memory of its source");
    assertEquals(new TextDecoder().decode(value), '{"model":"small"}');
  });
});

Deno.test("auditedFetch() leaves out the prompt and the answer of a call that are too long for a line", async () => {
  const prompt = "x".repeat(17 * 1024 * 1024);
  const { events } = await callsOf(async (audited) => {
    const fetch = withUsage({ prompt_tokens: 10, completion_tokens: 5 });
    const messages = [{ role: "user", content: prompt }];
    await (await audited({ fetch, text: true })(CHAT, chatRequest({ messages }))).text();
  });
  const [{ model, input_t, api, prompt: logged } = {}] = events;
  assertEquals([model, input_t, api, logged], ["small-2026-02-13", 10, "openai.chat", undefined]);
});

Deno.test("auditedFetch() logs a call although the logger of the log throws", async () => {
  using dir = tempDir();
  let isBroken = false;
  const warn = () => {
    if (isBroken) throw new Error("the logger is broken");
  };
  await using log = await AuditLog.open({
    path: dir.path("audit.jsonl"),
    logger: { ...silent, warn },
  });
  isBroken = true;
  const fetch = auditedFetch(log, { prices: PRICES, fetch: withUsage({ prompt_tokens: 1 }, "x") });
  await (await fetch(CHAT, chatRequest({ model: "x" }))).text();
  const unpriced = auditedFetch(log, {
    prices: PRICES,
    fetch: withUsage({ prompt_tokens: 1, completion_tokens: 1 }, "x"),
  });
  await (await unpriced(CHAT, chatRequest({ model: "x" }))).text();
  await assertRejects(() => log.flush(), Error, "the logger is broken");
  isBroken = false;
  assertEquals((await log.query({ eventType: "llm_call" }).toArray()).length, 2);
});

Deno.test("auditedFetch() merges the token counts of Gemini's events if a later event lacks counts of an earlier event", async () => {
  const { events } = await callsOf(async (audited) => {
    const candidates = (finishReason?: string) => [{
      content: { parts: [{ text: "a" }] },
      finishReason,
    }];
    const fetch = streaming(
      dataOf(
        {
          candidates: candidates(),
          usageMetadata: { promptTokenCount: 100, cachedContentTokenCount: 60 },
        },
        {
          candidates: candidates("STOP"),
          usageMetadata: { candidatesTokenCount: 10, totalTokenCount: 110 },
        },
      ),
    );
    const url = "http://localhost/v1beta/models/small:streamGenerateContent?alt=sse";
    await (await audited({ fetch })(url, post({ contents: [] }))).text();
  });
  const [{ input_t, output_t, cache_read_t } = {}] = events;
  assertEquals([input_t, output_t, cache_read_t], [100, 10, 60]);
});

Deno.test("auditedFetch() does not count the usage of an Anthropic message that ends without a stop_reason", async () => {
  const { events } = await callsOf(async (audited) => {
    const message = { id: "m1", model: "small", usage: { input_tokens: 10, output_tokens: 1 } };
    const fetch = streaming(
      dataOf(
        { type: "message_start", message },
        { type: "content_block_delta", delta: { type: "text_delta", text: "a" } },
        { type: "message_stop" },
      ),
    );
    const url = "http://localhost/v1/messages";
    await (await audited({ fetch })(url, chatRequest({ stream: true }))).text();
  });
  assertEquals(events.map(({ status, usage }) => [status, usage]), [["error", "missing"]]);
});

Deno.test("auditedFetch() recognizes a model call by a path with a slash at its end, and one with percent-encoding", async () => {
  const { events } = await callsOf(async (audited) => {
    const fetch = withUsage({ prompt_tokens: 10, completion_tokens: 5 });
    await (await audited({ fetch })(`${CHAT}/`, chatRequest())).text();
    const url = "http://localhost/v1beta/models/small%3AgenerateContent";
    await (await audited({ fetch })(url, post({ contents: [] }))).text();
    const body = "\uFEFF" + JSON.stringify({ model: "small", messages: [] });
    await (await audited({ fetch })(CHAT, { method: "POST", body })).text();
  });
  assertEquals(events.map(({ api }) => api), ["openai.chat", "gemini.generate", "openai.chat"]);
});

Deno.test("auditedFetch() charges nothing for a refused connection, even if the URL has a fragment or a password", async () => {
  const { spent } = await callsOf(async (audited) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    for (
      const url of [
        `http://127.0.0.1:${port}/v1/chat/completions#a`,
        `http://user:word@127.0.0.1:${port}/v1/chat/completions`,
      ]
    ) {
      await assertRejects(() => audited({})(url, chatRequest()), TypeError);
    }
  });
  assertEquals(spent, 0);
});

Deno.test("auditedFetch() logs an error whose getters throw", async () => {
  class Odd extends Error {
    override get message(): string {
      throw new Error("no message");
    }
  }
  const odd = Object.create(Odd.prototype);
  const { events } = await callsOf(async (audited) => {
    const fetch: FetchFunction = () => Promise.reject(odd);
    const thrown = await audited({ fetch })(CHAT, chatRequest()).catch((error) => error);
    assert(thrown === odd, "the caller gets the same error");
  });
  assertEquals(events.map(({ status, error }) => [status, error]), [
    ["error", { message: "unknown, because the error cannot be read" }],
  ]);
});

Deno.test("auditedFetch() logs an error whose name or cause cannot be read, and ends its hold", async () => {
  const { events, held } = await callsOf(async (audited) => {
    for (const name of ["name", "cause"]) {
      const odd = Object.defineProperty(new TypeError("no route"), name, {
        get() {
          throw new Error(`no ${name}`);
        },
      });
      const fetch: FetchFunction = () => Promise.reject(odd);
      const thrown = await audited({ fetch })(CHAT, chatRequest()).catch((error) => error);
      assert(thrown === odd, "the caller gets the same error");
    }
  });
  assertEquals(events.map(({ status, charged_usd }) => [status, charged_usd]), [
    ["error", 0.25],
    ["error", 0.25],
  ]);
  assertEquals(held, 0);
});

Deno.test("auditedFetch() checks a table of prices again after a change", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const prices = { small: { ...PRICES.small } };
  auditedFetch(log, { prices });
  prices.small.input_cost_per_token = 2.5;
  assertThrows(() => auditedFetch(log, { prices }), TypeError, "must be in USD per token, got 2.5");
});

Deno.test("auditedFetch() refuses prices that are not JSON", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const prices = { small: { ...PRICES.small, note: 5n } };
  assertThrows(
    () => auditedFetch(log, { prices }),
    TypeError,
    "Cannot audit fetch: prices must be JSON",
  );
});
