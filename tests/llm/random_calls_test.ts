/**
 * Makes random calls, many at a time. Servers fail or split responses at random, and callers read, cancel or abort at
 * random. Each call must leave exactly one event with the right status, tokens and cost, and the total charged must be
 * exact.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type AuditEvent, AuditLog, BudgetError } from "@vivarium/scout";
import { auditedFetch, type FetchFunction } from "@vivarium/scout/llm";
import { sampledTest } from "../extent.ts";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";
import { PRICES } from "./calls.ts";

const ESTIMATE_USD = 0.25;
const encoder = new TextEncoder();

/**
 * The course of a call: the answer and the behaviour of the caller. Also states the event that must be in the log
 * afterwards.
 */
interface Plan {
  readonly path: string;
  readonly body: object;
  /** The pieces of the answer; `null` if the connection is refused. */
  readonly answer: {
    readonly status: number;
    readonly type: string;
    readonly pieces: readonly Uint8Array[];
  } | null;
  /** Number of pieces that the caller reads before it stops reading; `Infinity` if it reads to the end. */
  readonly reads: number;
  /** The way in which the caller stops reading. */
  readonly leaves: "cancel" | "abort";
  /** If `true`, the connection fails after the pieces. */
  readonly fails: boolean;
  readonly expected: Expected;
}

interface Expected {
  readonly status: "ok" | "error" | "aborted";
  readonly input_t: number | undefined;
  readonly output_t: number | undefined;
  readonly cost: number | undefined;
  /** Amount in USD that the budget is charged. */
  readonly charged: number;
}

/**
 * A request to one API and its responses, as JSON and as a stream. The final usage is in the last events of the stream.
 */
interface Answer {
  readonly path: string;
  readonly request: object;
  readonly whole: (input: number, output: number) => object;
  readonly events: (input: number, output: number) => readonly string[];
}

function data(event: object, type?: string): string {
  return `${type === undefined ? "" : `event: ${type}\n`}data: ${JSON.stringify(event)}\n\n`;
}

const ANSWERS: readonly Answer[] = [
  {
    path: "/v1/chat/completions",
    request: { model: "small", messages: [] },
    whole: (input, output) => ({
      id: "x",
      model: "small",
      choices: [{ message: { content: "é😀" }, finish_reason: "stop" }],
      usage: { prompt_tokens: input, completion_tokens: output },
    }),
    events: (input, output) => [
      data({ id: "x", model: "small", choices: [{ delta: { role: "assistant", content: "" } }] }),
      ...["é", "😀", "c"].map((content) =>
        data({ id: "x", choices: [{ delta: { content } }], usage: null })
      ),
      data({ id: "x", choices: [{ delta: {}, finish_reason: "stop" }], usage: null }),
      data({ id: "x", choices: [], usage: { prompt_tokens: input, completion_tokens: output } }),
      "data: [DONE]\n\n",
    ],
  },
  {
    path: "/v1/messages",
    request: { model: "small", messages: [], max_tokens: 5 },
    whole: (input, output) => ({
      type: "message",
      id: "x",
      model: "small",
      content: [{ type: "text", text: "é😀" }],
      stop_reason: "end_turn",
      usage: { input_tokens: input, output_tokens: output },
    }),
    events: (input, output) => [
      data({
        type: "message_start",
        message: { id: "x", model: "small", usage: { input_tokens: input, output_tokens: 1 } },
      }, "message_start"),
      data({ type: "ping" }, "ping"),
      ...["é", "😀", "c"].map((text) =>
        data({ type: "content_block_delta", delta: { text } }, "content_block_delta")
      ),
      data({
        type: "message_delta",
        delta: { stop_reason: "end_turn" },
        usage: { output_tokens: output },
      }, "message_delta"),
      data({ type: "message_stop" }, "message_stop"),
    ],
  },
  {
    path: "/v1/responses",
    request: { model: "small", input: "Hi" },
    whole: (input, output) => ({
      object: "response",
      id: "x",
      status: "completed",
      model: "small",
      usage: { input_tokens: input, output_tokens: output },
    }),
    events: (input, output) => [
      data({ type: "response.created", response: { id: "x", model: "small" } }),
      ...["é", "😀", "c"].map((delta) => data({ type: "response.output_text.delta", delta })),
      data({
        type: "response.completed",
        response: {
          id: "x",
          model: "small",
          status: "completed",
          usage: { input_tokens: input, output_tokens: output },
        },
      }),
    ],
  },
];

/** Cuts bytes into pieces at random places. */
function cut(bytes: Uint8Array, random: SeededRandom): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const length = 1 + random.below(random.below(2) === 0 ? 8 : 120);
    pieces.push(bytes.slice(start, start + length));
    start += length;
  }
  return pieces;
}

function planOf(random: SeededRandom): Plan {
  const { path, request, whole, events } = ANSWERS[random.below(ANSWERS.length)]!;
  const [input, output] = [random.below(5_000), 1 + random.below(500)];
  const cost = Number((input * 2e-6 + output * 8e-6).toPrecision(12));
  const none = { input_t: undefined, output_t: undefined, cost: undefined };
  const leaves: Plan["leaves"] = random.below(2) === 0 ? "cancel" : "abort";
  const common = { path, leaves, reads: Infinity, fails: false };
  const isStream = random.below(3) > 0;
  const body = { ...request, stream: isStream, stream_options: { include_usage: true } };
  const kind = random.below(10);
  if (kind === 0) {
    return { ...common, body, answer: null, expected: { status: "error", ...none, charged: 0 } };
  }
  if (kind === 1) {
    const status = [400, 429, 500, 529][random.below(4)]!;
    const pieces = cut(encoder.encode(JSON.stringify({ error: { message: "é" } })), random);
    const charged = status < 500 ? 0 : ESTIMATE_USD;
    const reads = random.below(2) === 0 ? Infinity : random.below(pieces.length);
    // The server has responded with an error status. So the call is logged as an error, even if the caller aborts
    // before it has read the response.
    const answer = { status, type: "application/json", pieces };
    return { ...common, body, reads, answer, expected: { status: "error", ...none, charged } };
  }
  const texts = isStream ? events(input, output) : [JSON.stringify(whole(input, output))];
  const bytes = encoder.encode(texts.join(""));
  const pieces = cut(bytes, random);
  const type = isStream ? "text/event-stream" : "application/json";
  const answer = { status: 200, type, pieces };
  const full = { status: "ok" as const, input_t: input, output_t: output, cost, charged: cost };
  if (kind < 5) return { ...common, body, answer, expected: full };
  // The call is complete when its last event, or the whole JSON, has come.
  const completeAt = isStream ? completeBytes(texts, path) : bytes.length;
  const kept = random.below(pieces.length + 1);
  const seen = pieces.slice(0, kept).reduce((sum, { length }) => sum + length, 0);
  const isComplete = seen >= completeAt;
  const partial = (status: "error" | "aborted") =>
    isComplete ? full : { status, ...none, charged: ESTIMATE_USD };
  if (kind < 8) return { ...common, body, answer, reads: kept, expected: partial("aborted") };
  // The connection fails after some of the pieces.
  const failing = { ...answer, pieces: pieces.slice(0, kept) };
  return { ...common, body, answer: failing, fails: true, expected: partial("error") };
}

/** Returns the number of bytes up to the end of the event with which a stream is complete. */
function completeBytes(texts: readonly string[], path: string): number {
  // A stream of OpenAI's chat API is complete with the event that states the usage, before the last event "[DONE]".
  const count = path.endsWith("/completions") ? texts.length - 1 : texts.length;
  return encoder.encode(texts.slice(0, count).join("")).length;
}

function fetchOf({ answer, fails }: Plan): FetchFunction {
  return (url, init) => {
    if (answer === null) {
      const message = `error sending request for url (${url}): client error (Connect): refused`;
      return Promise.reject(new TypeError("fetch failed", { cause: new Error(message) }));
    }
    let n = 0;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        init?.signal?.addEventListener("abort", () => controller.error(init.signal!.reason));
      },
      pull(controller) {
        const piece = answer.pieces[n++];
        if (piece !== undefined) controller.enqueue(piece);
        else if (fails) controller.error(new TypeError("connection reset"));
        else controller.close();
      },
    }, { highWaterMark: 0 });
    return Promise.resolve(
      new Response(body, { status: answer.status, headers: { "content-type": answer.type } }),
    );
  };
}

/** Makes the call of a plan, and reads or cancels the response as the plan states. */
async function play(plan: Plan, fetch: FetchFunction): Promise<void> {
  const controller = new AbortController();
  const response = await fetch(`http://localhost${plan.path}`, {
    method: "POST",
    body: JSON.stringify(plan.body),
    signal: controller.signal,
  });
  const reader = response.body!.getReader();
  for (let n = 0; n < plan.reads; n++) {
    const { done } = await reader.read();
    if (done) return;
  }
  if (plan.leaves === "abort") controller.abort();
  await reader.cancel();
}

await sampledTest(
  "auditedFetch() logs each of many random calls once, and ends each hold once",
  0.1,
  async (extent) => {
    for (const seed of extent.seeds(200)) {
      const random = new SeededRandom(`${seed} calls`);
      const plans = Array.from({ length: 40 }, () => planOf(random));
      using dir = tempDir();
      await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger: silent });
      const budget = await log.budget({ name: "run", limit: { usd: 1_000 } });
      await Promise.all(plans.map(async (plan, n) => {
        const fetch = auditedFetch(log, {
          prices: PRICES,
          budget,
          estimate: () => ({ usd: ESTIMATE_USD }),
          fields: { call: n },
          fetch: fetchOf(plan),
        });
        await play(plan, fetch).catch((error) => {
          if (error instanceof BudgetError) throw error;
        });
      }));
      await log.flush();
      const events = await log.query({ eventType: "llm_call" }).toArray();
      const found = new Map<unknown, AuditEvent[]>();
      for (const event of events) found.set(event.call, [...found.get(event.call) ?? [], event]);
      for (const [n, { expected }] of plans.entries()) {
        const calls = found.get(n) ?? [];
        const { status, input_t, output_t, cost } = expected;
        const logged = calls.map((
          event,
        ) => [event.status, event.input_t, event.output_t, event.cost]);
        assertEquals(logged, [[status, input_t, output_t, cost]], `seed ${seed}, call ${n}`);
      }
      const { spent, held } = await budget.state();
      const charged = plans.reduce((sum, { expected }) => sum + expected.charged, 0);
      assertEquals(
        [Number(spent.toFixed(9)), held],
        [Number(charged.toFixed(9)), 0],
        `seed ${seed}`,
      );
    }
  },
);
