import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AuditEvent, AuditLog } from "@vivarium/scout";
import { auditedFetch, type AuditedFetchOptions, type FetchFunction } from "@vivarium/scout/llm";
import { fromFileUrl } from "@std/path";
import { startProvider } from "../../examples/llm/provider.ts";
import { gathering, silent } from "../loggers.ts";
import { runProgram } from "../run_program.ts";
import { gzipped, tempDir } from "../temp_dir.ts";
import {
  CHAT,
  chatRequest,
  MESSAGES,
  post,
  PRICES,
  startHangingServer,
  withUsage,
} from "./calls.ts";

/** The requests to each API, one for a JSON response and one for a stream: name for the test, path and body. */
const REQUESTS: readonly [name: string, path: string, body: object][] = [
  ["OpenAI's chat", "/v1/chat/completions", { model: "small", messages: MESSAGES }],
  ["a stream of OpenAI's chat", "/v1/chat/completions", {
    model: "small",
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  }],
  ["OpenAI's responses", "/v1/responses", { model: "small", input: "Hi" }],
  ["a stream of OpenAI's responses", "/v1/responses", {
    model: "small",
    input: "Hi",
    stream: true,
  }],
  ["Anthropic's messages", "/v1/messages", { model: "small", max_tokens: 9, messages: MESSAGES }],
  ["a stream of Anthropic's messages", "/v1/messages", {
    model: "small",
    max_tokens: 9,
    messages: MESSAGES,
    stream: true,
  }],
  ["Gemini", "/v1beta/models/small:generateContent", { contents: [{ parts: [{ text: "Hi" }] }] }],
  ["a stream of Gemini", "/v1beta/models/small:streamGenerateContent?alt=sse&key=secret", {
    contents: [{ parts: [{ text: "Hi" }] }],
  }],
];

/** Opens a log, calls `run`, and returns the events that it logged, without those of budgets. */
async function eventsOf(
  run: (log: AuditLog) => Promise<unknown>,
  options: { logger?: typeof silent } = {},
): Promise<AuditEvent[]> {
  using dir = tempDir();
  await using log = await AuditLog.open({
    path: dir.path("audit.jsonl"),
    logger: silent,
    ...options,
  });
  await run(log);
  const events = await log.query().toArray();
  return events.filter(({ event }) => event !== "prices" && !event!.startsWith("budget_"));
}

/** Returns a fetch function whose response has the pieces as its body and `type` as its content type. */
function answering(pieces: readonly Uint8Array[], type: string): FetchFunction {
  return () =>
    Promise.resolve(
      new Response(ReadableStream.from(pieces), { headers: { "content-type": type } }),
    );
}

/** Returns the fields of an event that are the same in every run. The measured times are replaced by their types. */
function lasting(
  { ts: _, session_id: _id, duration_ms, ttft_ms, host: _host, ...rest }: AuditEvent,
) {
  return { ...rest, isTimed: typeof duration_ms, hasTtft: typeof ttft_ms };
}

for (const [name, path, body] of REQUESTS) {
  Deno.test(`auditedFetch() logs ${name}, and returns the response as it is`, async () => {
    await using provider = startProvider();
    const url = provider.origin + path;
    const plain = await fetch(url, post(body));
    const expected = (await plain.text()).replaceAll(/(chatcmpl-|resp_|msg_|gemini-)\d+/g, "ID");
    const events = await eventsOf(async (log) => {
      const audited = auditedFetch(log, { prices: PRICES, fields: { agent: "critic" } });
      const response = await audited(url, post(body));
      assertEquals(
        [response.url, response.type, response.redirected, response.status, response.statusText],
        [plain.url, plain.type, plain.redirected, plain.status, plain.statusText],
      );
      const headers = ({ headers }: Response) => [...headers].filter(([name]) => name !== "date");
      assertEquals(headers(response), headers(plain));
      const text = await response.text();
      assertEquals(text.replaceAll(/(chatcmpl-|resp_|msg_|gemini-)\d+/g, "ID"), expected);
    });
    assertEquals(events.length, 1);
    const [event] = events;
    const output_t = name.includes("Anthropic") ? 9 : 13;
    const { event: type, model, agent, status, cost_source } = event!;
    assertEquals([type, model, agent, status, cost_source, event!.output_t], [
      "llm_call",
      "small-2026-02-13",
      "critic",
      "ok",
      "prices",
      output_t,
    ]);
    const input_t = event!.input_t!;
    assertEquals(event!.cost, Number((input_t * 2e-6 + output_t * 8e-6).toPrecision(12)));
    assertEquals(typeof event!.ttft_ms, name.includes("stream") ? "number" : "undefined");
    assert(!JSON.stringify(event).includes("secret"));
    assert(!("prompt" in event!) && !("answer" in event!));
  });

  Deno.test(`auditedFetch() logs the same event wherever ${name} is cut`, async () => {
    await using provider = startProvider();
    const response = await fetch(provider.origin + path, post(body));
    const type = response.headers.get("content-type")!;
    // Each response contains characters of two and four bytes, so that some cuts are within a character.
    const bytes = new TextEncoder().encode(
      (await response.text()).replaceAll("parses", "élève 😀"),
    );
    const cuts = [[bytes], [...bytes].map((byte) => new Uint8Array([byte]))];
    for (let n = 1; n < bytes.length; n++) cuts.push([bytes.slice(0, n), bytes.slice(n)]);
    const events = await eventsOf(async (log) => {
      for (const text of [false, true]) {
        for (const pieces of cuts) {
          const audited = auditedFetch(log, {
            prices: PRICES,
            text,
            fetch: answering(pieces.map((piece) => piece.slice()), type),
          });
          const read = await (await audited("http://localhost" + path, post(body))).bytes();
          assertEquals(read.length, bytes.length);
        }
      }
    });
    assertEquals(events.length, 2 * cuts.length);
    const [first] = events;
    for (const event of events.slice(1, cuts.length)) assertEquals(lasting(event), lasting(first!));
    const [withText] = events.slice(cuts.length);
    for (const event of events.slice(cuts.length)) assertEquals(lasting(event), lasting(withText!));
    assert(
      String(withText!.answer).startsWith("The module élève 😀 the log"),
      String(withText!.answer),
    );
    assertEquals({ ...lasting(withText!), prompt: 0, answer: 0 }, {
      ...lasting(first!),
      prompt: 0,
      answer: 0,
    });
  });

  Deno.test(`auditedFetch() logs ${name} as aborted if the caller stops at any byte`, async () => {
    await using provider = startProvider();
    const response = await fetch(provider.origin + path, post(body));
    const type = response.headers.get("content-type")!;
    const bytes = await response.bytes();
    // The test stops reading after each number of bytes. The call is complete (status "ok") once the last events, which
    // contain the usage, have arrived, even if more bytes follow.
    const lengths = Array.from({ length: bytes.length - 1 }, (_, n) => n);
    const events = await eventsOf(async (log) => {
      for (const length of lengths) {
        const pieces = [bytes.slice(0, length), bytes.slice(length)];
        const audited = auditedFetch(log, { prices: PRICES, fetch: answering(pieces, type) });
        const reader = (await audited("http://localhost" + path, post(body))).body!.getReader();
        if (length > 0) await reader.read();
        await reader.cancel();
      }
    });
    assertEquals(events.length, lengths.length);
    for (const event of events) {
      const isWhole = event.status === "ok";
      assertEquals(typeof event.cost, isWhole ? "number" : "undefined");
      assertEquals(event.usage, isWhole ? undefined : "missing");
      if (!isWhole) assertEquals(event.status, "aborted");
    }
    assertEquals(events[0]?.status, "aborted");
  });
}

Deno.test("auditedFetch() reads a body that is compressed with gzip", async () => {
  const answer = { model: "small", usage: { prompt_tokens: 3, completion_tokens: 4 }, text: "é" };
  const compressed = await gzipped(JSON.stringify(answer));
  const headers = { "content-type": "application/json", "content-encoding": "gzip" };
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(options, () => new Response(compressed, { headers }));
  const events = await eventsOf(async (log) => {
    const url = `http://127.0.0.1:${server.addr.port}/v1/chat/completions`;
    assertEquals(await (await auditedFetch(log)(url, chatRequest())).json(), answer);
  });
  await server.shutdown();
  assertEquals([events[0]?.status, events[0]?.output_t], ["ok", 4]);
});

Deno.test("auditedFetch() logs usage from the end of a long stream, whose middle is not kept", async () => {
  const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
  const delta = (n: number) =>
    event({ id: "c1", model: "small", choices: [{ delta: { content: `${n}` } }] });
  const usage = { prompt_tokens: 7, completion_tokens: 5_000, total_tokens: 5_007 };
  const texts = [
    ...Array.from({ length: 5_000 }, (_, n) => delta(n)),
    event({ id: "c1", model: "small", choices: [{ delta: {}, finish_reason: "length" }] }),
    event({ id: "c1", model: "small", choices: [], usage }),
    "data: [DONE]\n\n",
  ];
  const encoder = new TextEncoder();
  // The stream is split first into whole events, and then into pieces of 101 characters, which end anywhere in an
  // event.
  for (const shift of [0, 3]) {
    const whole = texts.join("");
    const pieces = shift === 0
      ? texts.map((text) => encoder.encode(text))
      : Array.from({ length: Math.ceil(whole.length / 101) }, (_, n) =>
        encoder.encode(whole.slice(n * 101, n * 101 + 101)));
    const [logged] = await eventsOf(async (log) => {
      const audited = auditedFetch(log, {
        prices: PRICES,
        fetch: answering(pieces, "text/event-stream"),
      });
      await (await audited(CHAT, chatRequest({ stream: true }))).text();
    });
    const { status, output_t, finish_reason, response_id } = logged!;
    assertEquals([status, output_t, finish_reason, response_id], ["ok", 5_000, "length", "c1"]);
  }
});

Deno.test("auditedFetch() reads a stream with any kind of line break, with comments, and with fields other than data", async () => {
  const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } });
  const choice = JSON.stringify({
    id: "c1",
    choices: [{ delta: { content: "x" }, finish_reason: "stop" }],
  });
  for (const end of ["\n", "\r\n", "\r"]) {
    const lines = [
      ": keep-alive",
      "id: 1",
      `data:${choice}`,
      "",
      "event: x",
      `data: ${usage}`,
      "",
      "retry: 5",
    ];
    const bytes = new TextEncoder().encode(lines.join(end));
    const [event] = await eventsOf(async (log) => {
      const audited = auditedFetch(log, {
        fetch: answering([...bytes].map((byte) => new Uint8Array([byte])), "text/event-stream"),
      });
      await (await audited(CHAT, chatRequest({ stream: true }))).text();
    });
    assertEquals(
      [event?.status, event?.input_t, event?.output_t],
      ["ok", 3, 4],
      JSON.stringify(end),
    );
  }
});

Deno.test("auditedFetch() logs a stream that ends early as an error without usage", async () => {
  await using provider = startProvider();
  const [, path, body] = REQUESTS[5]!;
  const bytes = await (await fetch(provider.origin + path, post(body))).bytes();
  const events = await eventsOf(async (log) => {
    const half = bytes.slice(0, bytes.length / 2);
    const audited = auditedFetch(log, {
      prices: PRICES,
      fetch: answering([half], "text/event-stream"),
    });
    await (await audited("http://localhost" + path, post(body))).text();
  });
  assertEquals(events.length, 1);
  const { status, error, usage, input_t, cost, response_id } = events[0]!;
  assertEquals([status, usage, input_t, cost], ["error", "missing", undefined, undefined]);
  assertEquals(error, { message: "The stream ended before its last event" });
  assert(String(response_id).startsWith("msg_"));
});

Deno.test("auditedFetch() logs the error that a response or a stream states", async () => {
  const error = { type: "overloaded_error", message: "Overloaded" };
  const json = (status: number, body: unknown): FetchFunction => () =>
    Promise.resolve(Response.json(body, { status }));
  const stream = new TextEncoder().encode(
    `event: error\ndata: ${JSON.stringify({ type: "error", error })}\n\n`,
  );
  const answers: readonly FetchFunction[] = [
    json(529, { type: "error", error }),
    answering([stream], "text/event-stream"),
    json(400, { error: { message: "Bad", code: "invalid_value", param: null } }),
    json(500, "not an object"),
    () => Promise.resolve(new Response("<html>", { status: 502 })),
    () => Promise.resolve(new Response(null, { status: 503 })),
  ];
  const events = await eventsOf(async (log) => {
    for (const answer of answers) {
      await (await auditedFetch(log, { fetch: answer })(CHAT, chatRequest())).text();
    }
  });
  assertEquals(
    events.map(({ status, usage }) => [status, usage]),
    answers.map(() => ["error", "missing"]),
  );
  assertEquals(events.map(({ error }) => error), [
    { status: 529, ...error },
    { status: 200, ...error },
    { status: 400, code: "invalid_value", message: "Bad" },
    { status: 500 },
    { status: 502 },
    { status: 503 },
  ]);
});

Deno.test("auditedFetch() reads the body of a response only when the caller reads it, and passes a cancellation by the caller on", async () => {
  let pulls = 0;
  let cancelled: unknown;
  const source = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        pulls++;
        controller.enqueue(new TextEncoder().encode("data: {}\n\n"));
      },
      cancel(reason) {
        cancelled = reason;
      },
    }, { highWaterMark: 0 });
  const answer: FetchFunction = () =>
    Promise.resolve(new Response(source(), { headers: { "content-type": "text/event-stream" } }));
  const events = await eventsOf(async (log) => {
    const { body } = await auditedFetch(log, { fetch: answer })(
      CHAT,
      chatRequest({ stream: true }),
    );
    const reader = body!.getReader();
    assertEquals(pulls, 0);
    for (let n = 1; n <= 3; n++) {
      await reader.read();
      assertEquals(pulls, n);
    }
    await reader.cancel("enough");
  });
  assertEquals(cancelled, "enough");
  assertEquals(events.map(({ status, error }) => [status, error]), [["aborted", {
    message: "enough",
  }]]);
});

Deno.test("auditedFetch() returns a response that the caller can read into a buffer or clone, even if the body has empty pieces", async () => {
  const bytes = new TextEncoder().encode(
    '{"model":"small","usage":{"prompt_tokens":1,"completion_tokens":2}}',
  );
  const pieces = () => [bytes.slice(0, 9), new Uint8Array(), bytes.slice(9)];
  const events = await eventsOf(async (log) => {
    const audited = auditedFetch(log, {
      fetch: () => answering(pieces(), "application/json")(CHAT),
    });
    const reader = (await audited(CHAT, chatRequest())).body!.getReader({ mode: "byob" });
    const read: number[] = [];
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(7));
      if (done) break;
      read.push(...value);
    }
    assertEquals(new Uint8Array(read), bytes);
    const response = await audited(CHAT, chatRequest());
    const clone = response.clone();
    assertEquals([clone.url, clone.type], [response.url, response.type]);
    assertEquals(await clone.bytes(), await response.bytes());
  });
  assertEquals(events.map(({ status, output_t }) => [status, output_t]), [["ok", 2], ["ok", 2]]);
});

Deno.test("auditedFetch() returns a body that the caller can read with several readers in turn, and then cancel without a reader", async () => {
  let cancelled: unknown;
  const source = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array([1, 2, 3, 4])),
      cancel: (reason) => void (cancelled = reason),
    });
  const events = await eventsOf(async (log) => {
    const fetch = auditedFetch(log, { fetch: () => Promise.resolve(new Response(source())) });
    const body = (await fetch(CHAT, chatRequest())).body!;
    const byob = body.getReader({ mode: "byob" });
    assertEquals([...(await byob.read(new Uint8Array(3))).value!], [1, 2, 3]);
    assertEquals(body.locked, true);
    byob.releaseLock();
    assertEquals(body.locked, false);
    const reader = body.getReader();
    assertEquals([...(await reader.read()).value!], [4]);
    reader.releaseLock();
    await body.cancel("enough");
  });
  assertEquals([cancelled, events.map(({ status }) => status)], ["enough", ["aborted"]]);
});

Deno.test("auditedFetch() logs an abort before the call, during it, and while the caller reads", async () => {
  await using server = startHangingServer();
  const { url } = server;
  const events = await eventsOf(async (log) => {
    const audited = auditedFetch(log);
    await assertRejects(
      () => audited(url, { ...chatRequest(), signal: AbortSignal.abort() }),
      DOMException,
    );
    const during = new AbortController();
    const call = audited(url, { ...chatRequest(), signal: during.signal });
    during.abort();
    await assertRejects(() => call, DOMException);
    const reading = new AbortController();
    const response = await audited(url, {
      ...chatRequest({ stream: true }),
      signal: reading.signal,
    });
    const reader = response.body!.getReader();
    await reader.read();
    reading.abort();
    await assertRejects(async () => {
      while (!(await reader.read()).done);
    }, DOMException);
  });
  assertEquals(events.map(({ status }) => status), ["aborted", "aborted", "aborted"]);
});

Deno.test("auditedFetch() logs a timeout and a refused connection as errors", async () => {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr;
  const events = await eventsOf(async (log) => {
    const audited = auditedFetch(log);
    const url = `http://127.0.0.1:${port}/v1/chat/completions`;
    await assertRejects(
      () => audited(url, { ...chatRequest(), signal: AbortSignal.timeout(10) }),
      DOMException,
    );
    server.close();
    await assertRejects(() => audited(url, chatRequest()), TypeError);
  });
  assertEquals(events.map(({ status }) => status), ["error", "error"]);
  assertEquals(events.map(({ error }) => (error as Error).name), ["TimeoutError", "TypeError"]);
  assert(String((events[1]!.error as Error).cause).includes("Connection refused"));
});

Deno.test("auditedFetch() recognizes a request in every form that fetch takes", async () => {
  await using provider = startProvider();
  const url = `${provider.origin}/v1/chat/completions`;
  const { body } = chatRequest();
  const text = body as string;
  const events = await eventsOf(async (log) => {
    const audited = auditedFetch(log);
    for (
      const args of [
        [url, { method: "post", body: text }],
        [new URL(url), { method: "POST", body: new TextEncoder().encode(text) }],
        [new Request(url, { method: "POST", body: text })],
        [new Request(url), { method: "POST", body: new Blob([text]) }],
        [url, { method: "POST", body: new TextEncoder().encode(text).buffer }],
        [url, {
          method: "POST",
          body: ReadableStream.from([new TextEncoder().encode(text)]),
          headers: { "Content-Type": "application/json; charset=utf-8" },
        }],
      ] as Parameters<FetchFunction>[]
    ) {
      const answer = await (await audited(...args)).json();
      assertEquals(answer.choices.length, 1);
    }
  });
  assertEquals(
    events.map(({ model, api }) => [model, api]),
    Array(6).fill(["small-2026-02-13", "openai.chat"]),
  );
});

Deno.test("auditedFetch() passes requests that are not model calls on, and logs them if the option httpCalls is set", async () => {
  const answer: FetchFunction = (input) =>
    String(input).includes("broken") ? Promise.reject(new TypeError("no route")) : Promise.resolve(
      Response.json({}, { status: String(input).includes("missing") ? 404 : 200 }),
    );
  const requests: Parameters<FetchFunction>[] = [
    ["http://localhost/v1/models?key=secret"],
    ["http://localhost/v1/threads/t1/messages", post({ role: "user", content: "Hi" })],
    ["http://localhost/v1/chat/completions", { method: "POST", body: "not JSON" }],
    ["http://localhost/v1/messages/count_tokens", post({ model: "small", messages: [] })],
    ["http://localhost/responses", post({ model: "a form of another program" })],
    ["http://localhost/v3/messages", { method: "POST", body: new FormData() }],
    ["http://localhost/v3/messages", { method: "POST", body: new URLSearchParams("to=x") }],
    ["http://localhost/v1/forms/1/responses", { method: "POST" }],
    ["http://localhost/v1/messages", {
      method: "POST",
      body: ReadableStream.from([new Uint8Array(9)]),
    }],
    ["http://localhost/missing"],
    ["http://localhost/broken"],
  ];
  const run = (options: AuditedFetchOptions) =>
    eventsOf(async (log) => {
      const audited = auditedFetch(log, { ...options, fetch: answer });
      for (const args of requests) await audited(...args).then((each) => each.text(), () => {});
    });
  assertEquals(await run({}), []);
  const events = await run({ httpCalls: true, fields: { agent: "critic" } });
  assertEquals(events.map(({ event, agent, status }) => [event, agent, status]), [
    ...Array(9).fill(["http_call", "critic", "ok"]),
    ["http_call", "critic", "error"],
    ["http_call", "critic", "error"],
  ]);
  const [first] = events;
  const [missing, broken] = events.slice(-2);
  assertEquals([first?.method, first?.path, first?.http_status], ["GET", "/v1/models", 200]);
  assertEquals([missing?.http_status, broken?.error], [404, {
    name: "TypeError",
    message: "no route",
  }]);
  assert(!JSON.stringify(events).includes("secret"));
});

Deno.test("auditedFetch() lets fetch reject a URL that cannot be parsed", async () => {
  const events = await eventsOf(async (log) => {
    await assertRejects(
      () => auditedFetch(log, { httpCalls: true })("/v1/chat/completions"),
      TypeError,
    );
  });
  assertEquals(events, []);
});

Deno.test("auditedFetch() logs a call without a cost if the price is unknown, and warns once for each model", async () => {
  const { logger, warnings } = gathering();
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const events = await eventsOf(async (log) => {
    for (const model of ["large", "large", "huge"]) {
      const audited = auditedFetch(log, { prices: PRICES, fetch: withUsage(usage, model) });
      await (await audited(CHAT, chatRequest())).text();
    }
  }, { logger });
  assertEquals(
    events.map(({ cost, cost_source }) => [cost, cost_source]),
    Array(3).fill([undefined, undefined]),
  );
  assertEquals(warnings.length, 2, warnings.join("\n"));
  assert(warnings[0]!.includes('because model "large" is not in prices'), warnings[0]);
});

Deno.test("auditedFetch() warns once that a stream of OpenAI's chat was not asked for its usage", async () => {
  await using provider = startProvider();
  const { logger, warnings } = gathering();
  const events = await eventsOf(async (log) => {
    const audited = auditedFetch(log, { prices: PRICES });
    const url = `${provider.origin}/v1/chat/completions`;
    for (let n = 0; n < 2; n++) await (await audited(url, chatRequest({ stream: true }))).text();
  }, { logger });
  assertEquals(
    events.map(({ status, usage, cost }) => [status, usage, cost]),
    Array(2).fill(["ok", "missing", undefined]),
  );
  assertEquals(warnings.length, 1);
  assert(warnings[0]!.includes("include_usage"), warnings[0]);
});

Deno.test("auditedFetch() prefers the cost and the provider that the response states", async () => {
  const answer: FetchFunction = () =>
    Promise.resolve(Response.json({
      id: "gen-1",
      provider: "DeepInfra",
      model: "small",
      usage: { prompt_tokens: 10, completion_tokens: 5, cost: 0.0125 },
    }));
  const [event] = await eventsOf(async (log) => {
    await (await auditedFetch(log, { prices: PRICES, fetch: answer })(CHAT, chatRequest())).text();
  });
  assertEquals([event?.cost, event?.cost_source, event?.provider], [
    0.0125,
    "provider",
    "DeepInfra",
  ]);
});

Deno.test("auditedFetch() uses the prices of the provider that the option fields names", async () => {
  const prices = {
    ...PRICES,
    "groq/small": { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 },
  };
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const [event] = await eventsOf(async (log) => {
    const fields = { provider: "groq" };
    await (await auditedFetch(log, { prices, fields, fetch: withUsage(usage) })(
      CHAT,
      chatRequest(),
    )).text();
  });
  assertEquals([event?.cost, event?.provider], [0.000015, "groq"]);
});

Deno.test("auditedFetch() logs the digest of each different price table once per log", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const usage = { prompt_tokens: 10, completion_tokens: 5 };
  const tables = [PRICES, structuredClone(PRICES), { ...PRICES, large: PRICES.small }];
  for (const prices of [...tables, ...tables]) {
    const audited = auditedFetch(log.child({ agent: "critic" }), {
      prices,
      fetch: withUsage(usage),
    });
    await (await audited(CHAT, chatRequest())).text();
  }
  const events = await log.query({ eventType: ["prices", "llm_call"] }).toArray();
  assertEquals(events.map(({ event }) => event).join(" ").match(/prices/g)?.length, 2);
  assertEquals(events[0]?.event, "prices");
  assertEquals([events[0]?.models, events[0]?.agent], [1, undefined]);
  const bytes = new TextEncoder().encode(JSON.stringify(PRICES));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  assertEquals(events[0]?.sha256, digest);
});

Deno.test("auditedFetch() rejects invalid arguments, and names them", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
  const wrong: readonly [options: object, message: string][] = [
    [{ price: {} }, 'unknown option "price"; did you mean "prices"?'],
    [{ prices: [] }, "prices must be an object with a member for each model"],
    [{ prices: {} }, "prices must have a model with input_cost_per_token"],
    [
      { prices: { small: { input_cost_per_token: "2e-6" } } },
      'invalid prices of model "small": input_cost_per_token must be a number',
    ],
    [
      { prices: { small: { input_cost_per_token: 2.5 } } },
      "a price per million tokens is 2.5 / 1e6",
    ],
    [{ budget: {} }, "budget must be a budget of log.budget()"],
    [{ budget: [null] }, "budget must be a budget of log.budget()"],
    [{ estimate: 5 }, "estimate must be a function"],
    [{ refusal: "retry" }, 'refusal must be "throw" or "respond"'],
    [{ maxSec: 0 }, "maxSec must be a number > 0 (seconds)"],
    [{ fields: { cost: -1 } }, 'the field "cost" must be a finite number >= 0 (USD)'],
  ];
  for (const [options, message] of wrong) {
    const error = assertThrows(
      () => auditedFetch(log, options as AuditedFetchOptions),
      Error,
      message,
    );
    assert(error instanceof TypeError || error instanceof RangeError);
  }
  assertThrows(() => auditedFetch({} as AuditLog), TypeError, "log must be an AuditLog");
  const promise = Promise.resolve(log) as unknown as AuditLog;
  assertThrows(() => auditedFetch(promise), TypeError, "a Promise; await AuditLog.open()");
  const encoder = new TextEncoder() as unknown as AuditLog;
  assertThrows(() => auditedFetch(encoder), TypeError, "an object of class TextEncoder");
  assertThrows(
    () => auditedFetch(undefined as unknown as AuditLog),
    TypeError,
    "log must be an AuditLog",
  );
});

Deno.test("auditedFetch() logs the error of a response whose body the caller cancels", async () => {
  const error = { type: "overloaded_error", message: "Overloaded" };
  const event = new TextEncoder().encode(
    `event: error\ndata: ${JSON.stringify({ type: "error", error })}\n\n`,
  );
  const more = new TextEncoder().encode(": more\n\n");
  const answers: readonly FetchFunction[] = [
    () => Promise.resolve(Response.json({ error }, { status: 529 })),
    answering([event, more], "text/event-stream"),
  ];
  const events = await eventsOf(async (log) => {
    for (const answer of answers) {
      const reader = (await auditedFetch(log, { fetch: answer })(CHAT, chatRequest())).body!
        .getReader();
      await reader.read();
      await reader.cancel();
    }
    const unread = auditedFetch(log, { fetch: answers[0]! });
    await (await unread(CHAT, chatRequest())).body!.cancel();
  });
  assertEquals(events.map(({ status, error }) => [status, error]), [
    ["error", { status: 529, ...error }],
    ["error", { status: 200, ...error }],
    ["error", { status: 529 }],
  ]);
});

Deno.test("auditedFetch() logs an abort at once if nothing is reading the response", async () => {
  await using server = startHangingServer();
  const { url } = server;
  const events = await eventsOf(async (log) => {
    const controller = new AbortController();
    const { signal } = controller;
    await auditedFetch(log)(url, { ...chatRequest({ stream: true }), signal });
    controller.abort();
    for await (const { event } of log.follow({ last: 1 })) if (event === "llm_call") break;
  });
  assertEquals(events.map(({ status }) => status), ["aborted"]);
});

Deno.test("auditedFetch() logs a response that the program drops when it is garbage collected", async () => {
  using dir = tempDir();
  const program = fromFileUrl(new URL("../programs/dropped_response.ts", import.meta.url));
  const { code, stdout, stderr } = await runProgram(program, {
    dir: dir.path(""),
    args: [dir.path("audit.jsonl")],
    flags: [
      "--v8-flags=--expose-gc",
      `--allow-read=${dir.path("")}`,
      `--allow-write=${dir.path("")}`,
    ],
  });
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout, "aborted The response was not read to its end\n");
});
