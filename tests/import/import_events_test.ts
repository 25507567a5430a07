/**
 * Each test is about one trap in the format of a transcript, shown with a few lines.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AuditEvent, stats } from "@vivarium/scout";
import { importEvents, type ImportFormat, type ImportOptions } from "@vivarium/scout/import";
import { claudeMessage, otlpLine, otlpSpan } from "./fixtures.ts";

/** Returns records as the bytes of a source. */
function source(...records: readonly unknown[]): AsyncIterable<Uint8Array> {
  const text = records.map((record) =>
    `${typeof record === "string" ? record : JSON.stringify(record)}\n`
  );
  return new Blob(text).stream();
}

/** Imports sources, and resolves with the named fields of each event. */
async function fieldsIn(
  sources: readonly AsyncIterable<Uint8Array>[],
  { format, names, ...options }: ImportOptions & {
    readonly format: ImportFormat;
    readonly names: readonly string[];
  },
): Promise<unknown[]> {
  const events = await Array.fromAsync(importEvents(sources, format, options));
  return events.map((event) => names.map((name) => event[name]));
}

const claude = { format: "claude-code", names: ["import_id", "input_t", "output_t"] } as const;
const line = { session: "s1", seconds: 0, output: 5 };

Deno.test("importEvents() counts a message of Claude Code once, with its largest output and the time of its first line", async () => {
  const lines = [2, 9, 4].map((output, n) =>
    claudeMessage("msg_1", { ...line, seconds: n, output })
  );
  const events = await Array.fromAsync(importEvents(source(...lines), "claude-code"));
  assertEquals(events, [{
    ts: "2026-02-13T14:00:00.000Z",
    event: "llm_call",
    session_id: "s1",
    model: "claude-x",
    provider: "anthropic",
    input_t: 1310,
    output_t: 9,
    cache_read_t: 1000,
    cache_write_t: 300,
    cache_write_1h_t: 100,
    project: "/home/me/game",
    client: "claude-code",
    client_version: "2.1.0",
    status: "ok",
    response_id: "msg_1",
    import_id: "claude-code-msg_1",
  }]);
});

Deno.test("importEvents() recognizes a message of Claude Code without a requestId, or with another one", async () => {
  const lines = [{}, { requestId: "a" }, { requestId: "b" }].map((more) =>
    claudeMessage("msg_1", { ...line, ...more })
  );
  assertEquals(await fieldsIn([source(...lines)], claude), [["claude-code-msg_1", 1310, 5]]);
  assertEquals(
    await fieldsIn(lines.map((each) => source(each)), claude),
    [["claude-code-msg_1", 1310, 5]],
  );
});

Deno.test("importEvents() yields a message of Claude Code once if a resumed session and a sidechain repeat it", async () => {
  const original = claudeMessage("msg_1", line);
  const resumed = { ...original, sessionId: "s2" };
  const sidechain = { ...original, isSidechain: true, agentId: "helper", requestId: "x" };
  const found = await fieldsIn([source(original), source(resumed), source(sidechain)], {
    ...{ format: "claude-code", names: ["session_id", "agent"] },
  });
  assertEquals(found, [["s1", undefined]]);
});

Deno.test("importEvents() prices cache writes of Claude Code for 5 minutes and for an hour differently", async () => {
  const prices = {
    "claude-x": {
      input_cost_per_token: 3e-6,
      output_cost_per_token: 15e-6,
      cache_read_input_token_cost: 3e-7,
      cache_creation_input_token_cost: 3.75e-6,
      cache_creation_input_token_cost_above_1hr: 6e-6,
    },
  };
  // 10 x 3e-6 + 1,000 x 3e-7 + 200 x 3.75e-6 + 100 x 6e-6 + 50 x 15e-6
  const found = await fieldsIn([source(claudeMessage("msg_1", { ...line, output: 50 }))], {
    ...{ format: "claude-code", names: ["cost", "cost_source"], prices },
  });
  assertEquals(found, [[0.00243, "prices"]]);
});

Deno.test("importEvents() uses the cost that old versions of Claude Code state, not that of the prices", async () => {
  const prices = { "claude-x": { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 } };
  const found = await fieldsIn([source(claudeMessage("msg_1", { ...line, costUSD: 0.25 }))], {
    ...{ format: "claude-code", names: ["cost", "cost_source"], prices },
  });
  assertEquals(found, [[0.25, "provider"]]);
});

Deno.test("importEvents() leaves out messages that Claude Code wrote itself, and yields errors of the API without tokens", async () => {
  const synthetic = (id: string, more: object) => ({
    ...{ type: "assistant", sessionId: "s1", timestamp: "2026-02-13T14:00:00Z", uuid: id, ...more },
    message: {
      ...{ id, model: "<synthetic>", content: [{ type: "text", text: "Overloaded" }] },
      usage: { input_tokens: 0, output_tokens: 0 },
    },
  });
  const found = await fieldsIn(
    [source(synthetic("none", {}), synthetic("failed", { isApiErrorMessage: true }))],
    { ...claude, names: ["import_id", "status", "error", "usage", "model", "input_t"] },
  );
  assertEquals(found, [
    ["claude-code-failed", "error", { message: "Overloaded" }, "missing", undefined, undefined],
  ]);
});

Deno.test("importEvents() yields a tool call of Claude Code when its result comes, with its status and duration", async () => {
  const use = { type: "tool_use", id: "toolu_1", name: "Bash", input: { command: "ls" } };
  const call = claudeMessage("msg_1", { ...line, block: use });
  const result = (seconds: number, more: object) => ({
    ...{ type: "user", sessionId: "s1", timestamp: `2026-02-13T14:00:0${seconds}.500Z` },
    message: { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", ...more }] },
  });
  const names = ["event", "tool", "status", "duration_ms", "input", "output"];
  const failed = result(2, { is_error: true, content: [{ type: "text", text: "no such file" }] });
  const records = [call, failed, result(3, {})];
  assertEquals(await fieldsIn([source(...records)], { ...claude, names }), [
    ["tool_call", "Bash", "error", 2500, undefined, undefined],
    ["llm_call", undefined, "ok", undefined, undefined, undefined],
  ]);
  assertEquals((await fieldsIn([source(...records)], { ...claude, names, text: true }))[0], [
    ...["tool_call", "Bash", "error", 2500, { command: "ls" }, "no such file"],
  ]);
  assertEquals((await fieldsIn([source(call)], { ...claude, names })).length, 1);
});

Deno.test("importEvents() measures the duration of a message from the line that it answers, and keeps texts only if asked", async () => {
  const prompt = {
    ...{ type: "user", uuid: "u1", sessionId: "s1", timestamp: "2026-02-13T13:59:58Z" },
    message: { role: "user", content: "How many?" },
  };
  const answer = (seconds: number, text: string) =>
    claudeMessage("msg_1", {
      ...{ ...line, seconds, parentUuid: "u1", block: { type: "text", text } },
    });
  const records = [prompt, answer(0, "Two"), answer(1, "or three")];
  const names = ["duration_ms", "prompt", "answer"];
  assertEquals(await fieldsIn([source(...records)], { ...claude, names }), [
    [3000, undefined, undefined],
  ]);
  assertEquals(await fieldsIn([source(...records)], { ...claude, names, text: true }), [
    [3000, "How many?", "Two\nor three"],
  ]);
});

Deno.test("importEvents() yields the growth of a message that another source states with more output, and stats() counts one call", async () => {
  const sources = () =>
    [5, 12, 12, 8].map((output) => source(claudeMessage("msg_1", { ...line, output })));
  const found = await fieldsIn(sources(), { ...claude, names: ["output_t", "input_t", "adjusts"] });
  assertEquals(found, [[5, 1310, undefined], [7, undefined, "claude-code-msg_1"]]);
  const { total } = await stats(importEvents(sources(), "claude-code"));
  assertEquals([total.calls, total.inputTokens, total.outputTokens], [1, 1310, 12]);
});

/** Returns a record of Codex. */
function codex(type: string, payload: object, seconds = 0): object {
  return {
    timestamp: new Date(Date.UTC(2026, 1, 13, 14, 0, seconds)).toISOString(),
    type,
    payload,
  };
}

function counters(input: number, output: number, more: object = {}): object {
  return { input_tokens: input, output_tokens: output, cached_input_tokens: 0, ...more };
}

function tokenCount(total: object, last: object = {}, seconds = 0): object {
  const info = { total_token_usage: total, last_token_usage: last };
  return codex("event_msg", { type: "token_count", info }, seconds);
}

const codexCalls = { format: "codex", names: ["session_id", "input_t", "output_t"] } as const;

Deno.test("importEvents() uses the change of Codex's counters, not the usage of the last call, which repeats", async () => {
  const records = [
    codex("session_meta", { id: "c1" }),
    tokenCount(counters(100, 10), counters(100, 10)),
    tokenCount(counters(100, 10), counters(100, 10)),
    codex("event_msg", { type: "token_count", info: null }),
    tokenCount(counters(250, 25), counters(100, 10)),
  ];
  assertEquals(await fieldsIn([source(...records)], codexCalls), [
    ["c1", 100, 10],
    ["c1", 150, 15],
  ]);
});

Deno.test("importEvents() counts cached input and reasoning of Codex as parts, not in addition", async () => {
  const usage = counters(100, 10, { cached_input_tokens: 80, reasoning_output_tokens: 6 });
  const names = ["input_t", "cache_read_t", "output_t", "reasoning_t", "model", "provider"];
  const records = [
    codex("session_meta", { id: "c1" }),
    codex("turn_context", { model: "gpt-x" }),
    tokenCount(usage),
  ];
  assertEquals(await fieldsIn([source(...records)], { ...codexCalls, names }), [
    [100, 80, 10, 6, "gpt-x", "openai"],
  ]);
});

Deno.test("importEvents() starts again from the new counters if the counters of Codex fall", async () => {
  const records = [
    codex("session_meta", { id: "c1" }),
    tokenCount(counters(100, 10)),
    tokenCount(counters(40, 4)),
    tokenCount(counters(90, 9)),
  ];
  assertEquals(await fieldsIn([source(...records)], codexCalls), [
    ["c1", 100, 10],
    ["c1", 40, 4],
    ["c1", 50, 5],
  ]);
});

Deno.test("importEvents() reads the newer counters of Codex by turn, and counts a call once that both kinds state", async () => {
  const records = [
    codex("session_meta", { id: "c1" }),
    codex("turn_context", { model: "gpt-x" }),
    codex("token_usage_record", { usage: counters(100, 10), turn_token_usage: counters(100, 10) }),
    codex("token_usage_record", { usage: counters(60, 6), turn_token_usage: counters(160, 16) }),
    tokenCount(counters(160, 16), counters(60, 6)),
    codex("turn_context", { model: "gpt-x" }),
    codex("token_usage_record", {
      ...{ usage: counters(70, 7), turn_token_usage: counters(70, 7) },
      thread_token_usage: counters(230, 23),
    }),
  ];
  assertEquals(await fieldsIn([source(...records)], codexCalls), [
    ["c1", 100, 10],
    ["c1", 60, 6],
    ["c1", 70, 7],
  ]);
});

/** Returns the records of a parent with three calls, and of its fork after two of them, which makes one more call. */
function forked({ copiedAt, ownTotal = counters(330, 33), copiesMeta = true, turns = false }: {
  readonly copiedAt: number;
  readonly ownTotal?: object;
  readonly copiesMeta?: boolean;
  readonly turns?: boolean;
}) {
  const meta = codex("session_meta", { id: "parent" });
  const calls = [100, 200, 300].map((input, n) =>
    tokenCount(counters(input, input / 10), {}, n + 1)
  );
  const at = (record: object, seconds: number) => ({ ...record, timestamp: timeAt(seconds) });
  const turn = (seconds: number) => {
    const digits = Date.parse(timeAt(seconds)).toString(16).padStart(12, "0");
    const turn_id = `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-000000000000`;
    return [codex("turn_context", { model: "gpt-x", ...turns ? { turn_id } : {} }, seconds)];
  };
  const fork = [
    codex("session_meta", { id: "fork", forked_from_id: "parent" }, 30),
    ...copiesMeta ? [at(meta, copiedAt)] : [],
    ...turn(1),
    ...calls.slice(0, 2).map((call) => at(call, copiedAt)),
    ...turn(31),
    tokenCount(ownTotal, {}, turns ? 31 : 40),
  ];
  return { parent: [meta, ...calls], fork };
}

function timeAt(seconds: number): string {
  return new Date(Date.UTC(2026, 1, 13, 14, 0, seconds)).toISOString();
}

Deno.test("importEvents() counts the calls once that the file of a fork of Codex copies from its parent", async () => {
  const expected = [["parent", 100, 10], ["parent", 100, 10], ["parent", 100, 10], [
    "fork",
    130,
    13,
  ]];
  for (
    const { parent, fork } of [
      // With the time of the fork, with the original time, and without the session_meta of the parent.
      forked({ copiedAt: 30 }),
      forked({ copiedAt: 1 }),
      forked({ copiedAt: 30, copiesMeta: false }),
      forked({ copiedAt: 30, turns: true }),
    ]
  ) {
    assertEquals(await fieldsIn([source(...parent), source(...fork)], codexCalls), expected);
  }
});

Deno.test("importEvents() counts the own call of a fork of Codex even if its counters are those of a call of the parent", async () => {
  for (const turns of [false, true]) {
    const { parent, fork } = forked({ copiedAt: 30, ownTotal: counters(300, 30), turns });
    const calls = await fieldsIn([source(...parent), source(...fork)], codexCalls);
    assertEquals(calls.at(-1), ["fork", 100, 10]);
    assertEquals(calls.length, 4);
  }
});

Deno.test("importEvents() counts the calls of a fork of Codex once that a fork of the fork copies", async () => {
  const { parent, fork } = forked({ copiedAt: 30 });
  const [meta, ...copied] = fork;
  const second = [
    codex("session_meta", { id: "second", forked_from_id: "fork" }, 50),
    ...[meta!, ...copied].map((record) => ({ ...record, timestamp: timeAt(50) })),
    codex("turn_context", { model: "gpt-x" }, 51),
    tokenCount(counters(400, 40), {}, 59),
  ];
  const found = await fieldsIn([parent, fork, second].map((each) => source(...each)), codexCalls);
  assertEquals(found.slice(3), [["fork", 130, 13], ["second", 70, 7]]);
});

Deno.test("importEvents() yields the tool calls of Codex, and recognizes a failure by the exit code", async () => {
  const call = (id: string, exit_code: number) => [
    codex("response_item", { type: "function_call", name: "shell", call_id: id, arguments: "{}" }),
    codex("response_item", {
      ...{ type: "function_call_output", call_id: id },
      output: JSON.stringify({ output: "text", metadata: { exit_code } }),
    }, 2),
  ];
  const open = codex("response_item", { type: "custom_tool_call", name: "patch", call_id: "c" });
  const records = [codex("session_meta", { id: "c1" }), ...call("a", 0), ...call("b", 1), open];
  const names = ["import_id", "tool", "status", "duration_ms", "output"];
  assertEquals(await fieldsIn([source(...records)], { ...codexCalls, names }), [
    ["codex-c1-a", "shell", "ok", 2000, undefined],
    ["codex-c1-b", "shell", "error", 2000, undefined],
  ]);
});

const MODEL_CALL = {
  "gen_ai.operation.name": "chat",
  "gen_ai.response.model": "gpt-x",
  "gen_ai.usage.input_tokens": 700,
  "gen_ai.usage.output_tokens": 20,
};
const otlp = { format: "otlp", names: ["span", "input_t", "output_t"] } as const;

Deno.test("importEvents() reads spans of OTLP JSON, whose integers are strings", async () => {
  const span = otlpSpan({ trace: "t1", id: "a", attributes: MODEL_CALL });
  const [event] = await Array.fromAsync(importEvents(source(otlpLine(span)), "otlp"));
  assertEquals(event, {
    ts: "2026-02-13T14:00:01.500Z",
    event: "llm_call",
    session_id: "t1",
    model: "gpt-x",
    input_t: 700,
    output_t: 20,
    service: "game",
    trace_id: "t1",
    span: "a",
    status: "ok",
    duration_ms: 1500,
    import_id: "otlp-t1-a",
  });
});

Deno.test("importEvents() reads the old and the new names of OpenTelemetry, and those of OpenInference", async () => {
  const old = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-x",
    "gen_ai.usage.prompt_tokens": 7,
    "gen_ai.usage.completion_tokens": 2,
  };
  const inference = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-x",
    "llm.token_count.prompt": 8,
    "llm.token_count.completion": 3,
  };
  const spans = [old, inference].map((attributes, n) =>
    otlpSpan({ trace: "t1", id: `${n}`, attributes })
  );
  const names = ["span", "model", "input_t", "output_t"];
  assertEquals(await fieldsIn([source(otlpLine(...spans))], { ...otlp, names }), [
    ["0", "gpt-x", 7, 2],
    ["1", "gpt-x", 8, 3],
  ]);
});

Deno.test("importEvents() counts only the innermost span of a call, in any order of the spans", async () => {
  const agent = otlpSpan({
    ...{
      trace: "t1",
      id: "agent",
      attributes: { ...MODEL_CALL, "gen_ai.operation.name": "invoke_agent" },
    },
  });
  const outer = otlpSpan({ trace: "t1", id: "outer", parent: "agent", attributes: MODEL_CALL });
  const inner = otlpSpan({
    ...{ trace: "t1", id: "inner", parent: "outer" },
    attributes: { ...MODEL_CALL, "gen_ai.response.id": "r1" },
  });
  for (const spans of [[agent, outer, inner], [inner, outer, agent], [outer, agent, inner]]) {
    assertEquals(await fieldsIn([source(otlpLine(...spans))], otlp), [["inner", 700, 20]]);
    assertEquals(
      await fieldsIn([source(...spans.map((span) => otlpLine(span)))], otlp),
      [["inner", 700, 20]],
    );
  }
});

Deno.test("importEvents() yields a span once that was exported twice, and nothing of metrics and logs", async () => {
  const span = otlpLine(otlpSpan({ trace: "t1", id: "a", attributes: MODEL_CALL }));
  const metrics = { resourceMetrics: [] };
  assertEquals(await fieldsIn([source(span, metrics, span)], otlp), [["a", 700, 20]]);
});

Deno.test("importEvents() yields tool calls and failures of OpenTelemetry", async () => {
  const spans = [
    otlpSpan({
      ...{ trace: "t1", id: "a", name: "execute_tool x" },
      attributes: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search" },
    }),
    otlpSpan({
      ...{ trace: "t1", id: "b", attributes: { ...MODEL_CALL, "error.type": "timeout" } },
      status: { code: 2, message: "too slow" },
    }),
  ];
  const names = ["event", "tool", "status", "error"];
  assertEquals(await fieldsIn([source(otlpLine(...spans))], { ...otlp, names }), [
    ["tool_call", "search", "ok", undefined],
    ["llm_call", undefined, "error", { type: "timeout", message: "too slow" }],
  ]);
});

Deno.test("importEvents() yields the events of a log with an ID that depends on the lines before", async () => {
  const events = [1, 2].map((n) => ({ ts: "2026-02-13T14:00:00Z", event: "nav", n }));
  const found = await fieldsIn([source(...events)], {
    format: "scout",
    names: ["event", "n", "import_id"],
  });
  const [[, , first = ""] = [], [, , second = ""] = []] = found as string[][];
  assertEquals(found, [["nav", 1, first], ["nav", 2, second]]);
  assertEquals([first.endsWith("-1"), second.endsWith("-2")], [true, true]);
  const again = await fieldsIn([source(...events)], { format: "scout", names: ["import_id"] });
  assertEquals(again, [[first], [second]]);
});

Deno.test("importEvents() counts messages without an ID by the ID of their request or line, and sessions without an ID apart", async () => {
  const lines = [1, 2, 3].map((seconds) =>
    claudeMessage("", { ...line, seconds, ...seconds === 1 ? { requestId: "r1" } : {} })
  );
  assertEquals((await fieldsIn([source(...lines)], claude)).length, 3);
  const unnamed = (seconds: number) => source(tokenCount(counters(100, 10), {}, seconds));
  assertEquals((await fieldsIn([unnamed(1), unnamed(2)], codexCalls)).length, 2);
});

Deno.test("importEvents() counts the innermost span of a call even if it is in another file, or beside another call", async () => {
  const span = (id: string, parent: string, response: string) =>
    otlpLine(otlpSpan({
      ...{ trace: "t1", id, parent },
      attributes: { ...MODEL_CALL, "gen_ai.response.id": response },
    }));
  const [outer, inner, other] = [
    span("out", "", "r1"),
    span("in", "out", "r1"),
    span("b", "out", "r2"),
  ];
  for (const sources of [[outer, inner], [inner, outer]]) {
    const found = await fieldsIn(sources.map((each) => source(each)), otlp);
    assertEquals(found, [["in", 700, 20]]);
  }
  const found = await fieldsIn([source(outer, inner, other)], otlp);
  assertEquals(found.map((fields) => (fields as string[])[0]), ["in", "b"]);
});

Deno.test("importEvents() does not fail for values of an unexpected type", async () => {
  const odd = { toString: 1, valueOf: 1 };
  const usage = counters(-5, 10, { cached_input_tokens: odd });
  const records = [
    codex("session_meta", { id: odd, forked_from_id: odd }),
    codex("turn_context", { turn_id: odd, model: odd }),
    codex("response_item", { type: odd, call_id: "c" }),
    tokenCount(usage, counters(-1, 2)),
  ];
  assertEquals(await fieldsIn([source(...records)], codexCalls), [[undefined, 0, 10]]);
  const attributes = [{ key: "gen_ai.usage.input_tokens", value: { intValue: odd } }];
  const span = { ...otlpSpan({ trace: "t", id: "s" }), attributes, status: { code: odd } };
  assertEquals(await fieldsIn([source(otlpLine(span))], otlp), []);
  const timed = otlpLine({ ...span, startTimeUnixNano: odd });
  await assertRejects(
    () => fieldsIn([source(timed)], otlp),
    Error,
    "startTimeUnixNano must be a time in nanoseconds since 1970, got an object",
  );
  const content = [odd, { type: "tool_use", id: odd }, { type: "text", text: odd }];
  const message = claudeMessage("m", { ...line, costUSD: -1, agentId: odd, parentUuid: odd });
  const oddMessage = { ...message, message: { ...message.message, content, model: odd } };
  assertEquals(await fieldsIn([source(oddMessage)], { ...claude, names: ["cost", "model"] }), [
    [undefined, undefined],
  ]);
});

Deno.test("importEvents() leaves out a last line that its program is still writing", async () => {
  const lines = [claudeMessage("msg_1", line), claudeMessage("msg_2", line)];
  const text = lines.map((each) => JSON.stringify(each)).join("\n");
  const found = await fieldsIn([new Blob([text.slice(0, -1)]).stream()], claude);
  assertEquals(found, [["claude-code-msg_1", 1310, 5]]);
  // A complete last line needs no line break.
  assertEquals((await fieldsIn([new Blob([text]).stream()], claude)).length, 2);
});

Deno.test("importEvents() states no duration if more than 30 minutes have passed since the line that a message answers", async () => {
  const asked = (minutes: number) => ({
    ...{ type: "user", uuid: "u1", message: { role: "user", content: "Go on" } },
    timestamp: new Date(Date.UTC(2026, 1, 13, 14) - 60_000 * minutes).toISOString(),
  });
  for (const [minutes, expected] of [[30, 1_800_000], [31, undefined]] as const) {
    const records = [asked(minutes), claudeMessage("msg_1", { ...line, parentUuid: "u1" })];
    const found = await fieldsIn([source(...records)], { ...claude, names: ["duration_ms"] });
    assertEquals(found, [[expected]]);
  }
});

Deno.test("importEvents() rejects an invalid line with its number, or passes it to onInvalid", async () => {
  const valid = claudeMessage("msg_1", line);
  const untimed = { ...claudeMessage("msg_2", line), timestamp: "yesterday" };
  const read = (options: ImportOptions) =>
    Array.fromAsync(importEvents(source(valid, "{", untimed), "claude-code", options));
  await assertRejects(
    () => read({}),
    Error,
    "Cannot import events: line 2 is invalid: not JSON",
  );
  const invalid: unknown[] = [];
  assertEquals((await read({ onInvalid: (record) => invalid.push(record) })).length, 1);
  assertEquals(invalid, [
    { source: 0, line: 2, problem: "not JSON" },
    { source: 0, line: 3, problem: 'timestamp must be a time, got "yesterday"' },
  ]);
});

Deno.test("importEvents() rejects invalid arguments at once, and names them", () => {
  const bytes = source();
  const cases: [() => AsyncIterable<AuditEvent>, string][] = [
    [
      () => importEvents("file.jsonl" as never, "codex"),
      "source must be an async iterable of bytes",
    ],
    [() => importEvents(bytes, "claude" as never), "format must be"],
    [() => importEvents(bytes, "codex", { texts: true } as never), 'did you mean "text"?'],
    [() => importEvents(bytes, "codex", { prices: {} }), "prices must have a model"],
  ];
  for (const [act, message] of cases) assertThrows(act, Error, message);
});
