/**
 * Made-up transcripts with all the traps of the real ones. Their numbers are round, so that their sums can be counted by
 * hand.
 *
 * @module
 */

/** The files of a fixture, by their path. */
export type Files = Readonly<Record<string, string>>;

function lines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}

const START_MS = Date.UTC(2026, 1, 13, 14);

/** Returns the time some seconds after the start of a fixture. */
function at(seconds: number): string {
  return new Date(START_MS + 1000 * seconds).toISOString();
}

/** What a line of Claude Code states besides its message. */
interface ClaudeLine {
  readonly session: string;
  readonly seconds: number;
  readonly [name: string]: unknown;
}

let uuids = 0;

function claudeLine(type: string, { session, seconds, ...more }: ClaudeLine, message: object) {
  return {
    uuid: `uuid-${++uuids}`,
    sessionId: session,
    timestamp: at(seconds),
    cwd: "/home/me/game",
    version: "2.1.0",
    type,
    ...more,
    message,
  };
}

/** The usage of a message of Claude Code: 10 + 1,000 + 200 + 100 = 1,310 input tokens. */
function claudeUsage(output: number) {
  return {
    input_tokens: 10,
    cache_read_input_tokens: 1_000,
    cache_creation_input_tokens: 300,
    cache_creation: { ephemeral_5m_input_tokens: 200, ephemeral_1h_input_tokens: 100 },
    output_tokens: output,
    service_tier: "standard",
  };
}

/** Returns a line of a message of a model, with one content block. */
export function claudeMessage(
  id: string,
  line: ClaudeLine & { readonly output: number; readonly block?: object },
) {
  const { output, block = { type: "text", text: `secret answer of ${id}` }, ...rest } = line;
  return claudeLine("assistant", rest, {
    id,
    role: "assistant",
    model: "claude-x",
    content: [block],
    stop_reason: null,
    usage: claudeUsage(output),
  });
}

/**
 * Returns 100 calls of Claude Code in 5 sessions, each with a tool call:
 *
 * - Each message has three lines, whose output grows: 1, 20, 50. So a call has 1,310 input and 50 output tokens.
 * - The last session repeats the lines of the first one, as a resumed session does, with its own session ID.
 * - A sidechain repeats the messages of the second session with another requestId.
 * - Half of the lines have no requestId.
 * - There are a message that Claude Code wrote itself, an error of the API, a summary, and a tool call without a result.
 */
export function claudeCodeFixture(): Files {
  const sessions = ["s1", "s2", "s3", "s4", "s5"].map((session, s) => {
    const records: object[] = [{ type: "summary", summary: "secret summary", leafUuid: "x" }];
    for (let n = 0; n < 20; n++) {
      const id = `msg_${s}_${n}`;
      const seconds = 600 * s + 10 * n;
      const more = n % 2 === 0 ? { requestId: `req_${id}` } : {};
      const prompt = claudeLine("user", { session, seconds }, { role: "user", content: "secret" });
      const tool = {
        type: "tool_use",
        id: `toolu_${s}_${n}`,
        name: "Bash",
        input: { a: "secret" },
      };
      const line = (after: number, output: number, block?: object) =>
        claudeMessage(id, {
          ...{ session, seconds: seconds + after, output, ...more, parentUuid: prompt.uuid },
          ...(block === undefined ? {} : { block }),
        });
      const result = {
        type: "tool_result",
        tool_use_id: tool.id,
        is_error: n === 0,
        content: "secret output",
      };
      records.push(
        prompt,
        line(1, 1),
        line(2, 20, tool),
        claudeLine("user", { session, seconds: seconds + 4 }, { role: "user", content: [result] }),
        line(3, 50),
      );
    }
    return records;
  });
  const [first = [], second = []] = sessions;
  const resumed = first.map((record) => ({ ...record, sessionId: "s6", requestId: "other" }));
  const sidechain = second.map((record) => ({
    ...record,
    isSidechain: true,
    agentId: "helper",
    requestId: "replayed",
  }));
  const none = claudeLine("assistant", { session: "s5", seconds: 2_900 }, {
    id: "none",
    model: "<synthetic>",
    content: [{ type: "text", text: "No response requested." }],
    usage: { input_tokens: 0, output_tokens: 0 },
  });
  const error = claudeLine(
    "assistant",
    { session: "s5", seconds: 2_901, isApiErrorMessage: true },
    {
      id: "error",
      model: "<synthetic>",
      content: [{ type: "text", text: "API Error: 529 overloaded" }],
      usage: { input_tokens: 0, output_tokens: 0 },
    },
  );
  const open = { type: "tool_use", id: "toolu_open", name: "Read", input: {} };
  const unfinished = claudeMessage("msg_last", {
    ...{ session: "s5", seconds: 2_902, output: 50, block: open },
  });
  return {
    "project/s1.jsonl": lines(first),
    "project/s2.jsonl": lines(second),
    "project/s3.jsonl": lines(sessions[2]!),
    "project/s4.jsonl": lines(sessions[3]!),
    "project/s5.jsonl": lines([...sessions[4]!, none, error, unfinished]),
    "project/s6.jsonl": lines(resumed),
    "project/s2/subagents/workflows/agent-helper.jsonl": lines(sidechain),
    "project/history.json": '{"version":1}\n',
  };
}

interface Counters {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
}

function codexUsage({ input, cached, output, reasoning }: Counters) {
  return {
    input_tokens: input,
    cached_input_tokens: cached,
    output_tokens: output,
    reasoning_output_tokens: reasoning,
    total_tokens: input + output,
  };
}

const CODEX_CALL: Counters = { input: 1_000, cached: 600, output: 30, reasoning: 10 };

function times(counters: Counters, factor: number): Counters {
  return {
    input: factor * counters.input,
    cached: factor * counters.cached,
    output: factor * counters.output,
    reasoning: factor * counters.reasoning,
  };
}

function codexLine(seconds: number, type: string, payload: object) {
  return { timestamp: at(seconds), type, payload };
}

function codexCounters(seconds: number, total: Counters, last: Counters) {
  const info = { total_token_usage: codexUsage(total), last_token_usage: codexUsage(last) };
  return codexLine(seconds, "event_msg", { type: "token_count", info, rate_limits: {} });
}

/** Returns the lines of the n-th call of a session of Codex, with a tool call, and its counters twice. */
function codexCall(n: number, seconds: number, session: string): object[] {
  const counters = (after: number) =>
    codexCounters(seconds + after, times(CODEX_CALL, n), CODEX_CALL);
  const id = `call_${session}_${n}`;
  const output = JSON.stringify({ output: "secret", metadata: { exit_code: n === 1 ? 1 : 0 } });
  return [
    codexLine(seconds, "event_msg", { type: "user_message", message: "secret prompt" }),
    codexLine(seconds + 2, "response_item", {
      ...{ type: "function_call", name: "shell", arguments: '{"a":"secret"}', call_id: id },
    }),
    counters(2),
    codexLine(seconds + 3, "response_item", { type: "function_call_output", call_id: id, output }),
    // The counters are written again, for example when the limits of the account change.
    counters(4),
  ];
}

function codexMeta(id: string, seconds: number, more: object = {}) {
  return codexLine(seconds, "session_meta", {
    ...{ id, cwd: "/home/me/game", cli_version: "0.150.0", model_provider: "openai", ...more },
  });
}

/**
 * Returns 3 sessions of Codex with 40 calls each, and a fork of the first one, which repeats its first 30 calls with
 * other times and then makes 10 calls. So there are 130 calls, each with 1,000 input and 30 output tokens.
 */
export function codexFixture(): Files {
  const turn = (seconds: number) => codexLine(seconds, "turn_context", { model: "gpt-x" });
  const session = (id: string, start: number) => {
    const calls = Array.from({ length: 40 }, (_, n) => codexCall(n + 1, start + 10 * n, id));
    return [codexMeta(id, start), turn(start), ...calls.flat()];
  };
  const limits = codexLine(0, "event_msg", { type: "token_count", info: null, rate_limits: {} });
  const first = session("c1", 0);
  // Each call has 5 records, after the session_meta and the turn_context.
  const copied = first.slice(0, 2 + 5 * 30).map((record) => ({ ...record, timestamp: at(5_000) }));
  const own = Array.from({ length: 10 }, (_, n) => codexCall(31 + n, 5_010 + 10 * n, "fork"));
  return {
    "2026/02/13/rollout-1-c1.jsonl": lines([first[0]!, limits, ...first.slice(1)]),
    "2026/02/13/rollout-2-c2.jsonl": lines(session("c2", 1_000)),
    "2026/02/13/rollout-3-c3.jsonl": lines(session("c3", 2_000)),
    "2026/02/13/rollout-4-fork.jsonl": lines([
      codexMeta("fork", 5_000, { forked_from_id: "c1" }),
      ...copied,
      turn(5_009),
      ...own.flat(),
    ]),
  };
}

function attribute(key: string, value: string | number) {
  return {
    key,
    value: typeof value === "number" ? { intValue: `${value}` } : { stringValue: value },
  };
}

/** The members of a span in OTLP JSON. */
export function otlpSpan(
  { trace, id, parent, seconds = 0, ...more }: {
    readonly trace: string;
    readonly id: string;
    readonly parent?: string;
    readonly seconds?: number;
    readonly attributes?: Readonly<Record<string, string | number>>;
    readonly name?: string;
    readonly status?: object;
  },
) {
  const startNs = BigInt(START_MS + 1000 * seconds) * 1_000_000n;
  return {
    traceId: trace,
    spanId: id,
    parentSpanId: parent ?? "",
    name: more.name ?? "chat",
    startTimeUnixNano: `${startNs}`,
    endTimeUnixNano: `${startNs + 1_500_000_000n}`,
    attributes: Object.entries(more.attributes ?? {}).map(([key, value]) => attribute(key, value)),
    status: more.status ?? {},
  };
}

/** Returns a line of OTLP JSON with spans. */
export function otlpLine(...spans: readonly object[]): object {
  const resource = { attributes: [attribute("service.name", "game")] };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "x" }, spans }] }] };
}

/** The usage of a model call under the new names of the conventions, or the old ones. */
function genAi(isOld: boolean): Record<string, string | number> {
  const [input, output, provider] = isOld
    ? ["prompt_tokens", "completion_tokens", "gen_ai.system"]
    : ["input_tokens", "output_tokens", "gen_ai.provider.name"];
  return {
    "gen_ai.operation.name": "chat",
    [provider!]: "openai",
    "gen_ai.response.model": "gpt-x",
    [`gen_ai.usage.${input}`]: 700,
    [`gen_ai.usage.${output}`]: 20,
    ...(isOld ? {} : { "gen_ai.usage.cache_read.input_tokens": 500 }),
    "gen_ai.prompt": "secret",
  };
}

/**
 * Returns 120 model calls with 700 input and 20 output tokens each, and a tool call in every trace:
 *
 * - The span of an agent repeats the usage of the two model calls in it.
 * - In every second trace, each call is also in an outer span of another instrumentation.
 * - The outer spans are in the file before or after the inner ones.
 * - Every third trace has the old names of the attributes.
 * - The first line is there twice, as after an export that was tried again.
 */
export function otlpFixture(): Files {
  const records = Array.from({ length: 60 }, (_, t) => {
    const trace = `${t}`.padStart(32, "0");
    const usage = genAi(t % 3 === 0);
    const agent = otlpSpan({
      ...{ trace, id: "a", seconds: 10 * t, name: "invoke_agent" },
      attributes: { ...usage, "gen_ai.operation.name": "invoke_agent" },
    });
    const calls = [1, 2].flatMap((n) => {
      const attributes = { ...usage, "gen_ai.response.id": `resp-${t}-${n}` };
      const seconds = 10 * t + 2 * n;
      const isTwice = t % 2 === 0;
      const inner = { trace, id: `b${n}`, parent: isTwice ? `o${n}` : "a", seconds, attributes };
      const outer = { trace, id: `o${n}`, parent: "a", seconds, attributes };
      return isTwice ? [otlpSpan(outer), otlpSpan(inner)] : [otlpSpan(inner)];
    });
    const tool = otlpSpan({
      ...{ trace, id: "t", parent: "a", seconds: 10 * t + 3, name: "execute_tool" },
      attributes: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search" },
      status: t === 0 ? { code: "STATUS_CODE_ERROR", message: "no result" } : {},
    });
    const spans = [agent, ...calls, tool];
    return otlpLine(...(t % 4 < 2 ? spans : spans.reverse()));
  });
  return {
    "traces.jsonl": lines([records[0]!, ...records]),
    "metrics.jsonl": lines([{ resourceMetrics: [{ resource: {}, scopeMetrics: [] }] }]),
  };
}
