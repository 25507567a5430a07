/**
 * Runs an SDK twice against a server on this machine, with the plain `fetch` and with `auditedFetch`, and compares the
 * runs. Also has the answers of that server, and tests with budgets that refuse calls.
 *
 * @module
 */
import {
  type AuditEvent,
  AuditLog,
  type Budget,
  BudgetError,
  type BudgetStatus,
} from "@vivarium/scout";
import {
  auditedFetch,
  type AuditedFetchOptions,
  type FetchFunction,
  type PriceTable,
} from "@vivarium/scout/llm";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { silent } from "../../loggers.ts";
import { gzipped, tempDir } from "../../temp_dir.ts";

/** Prices in USD per token. The servers answer with the dated name of the model. */
export const PRICES: PriceTable = {
  small: {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 4e-6,
    cache_read_input_token_cost: 0.1e-6,
    cache_creation_input_token_cost: 1.25e-6,
    max_output_tokens: 1_000,
  },
  embedder: { input_cost_per_token: 0.5e-6, output_cost_per_token: 0 },
};

/** The name of the model in requests. */
export const MODEL = "small";

/** The name of the model in responses. */
export const DATED_MODEL = "small-2026-02-13";

/**
 * A function that answers one request. `runEnd` resolves when the SDK has returned, so an answer can wait until then.
 */
export type Answer = (runEnd: Promise<void>) => Response | Promise<Response>;

/** Every response has this date, so that the headers of two responses can be compared. */
const DATE = { date: "Fri, 13 Feb 2026 10:00:00 GMT" };

/** Returns an answer with a JSON body. */
export function json(body: object, { status = 200, headers = {} }: ResponseInit = {}): Answer {
  return () => Response.json(body, { status, headers: { ...DATE, ...headers } });
}

/** Returns an answer with a JSON body that is compressed with gzip. */
export function gzippedJson(body: object): Answer {
  const headers = { ...DATE, "content-type": "application/json", "content-encoding": "gzip" };
  return async () => new Response(await gzipped(JSON.stringify(body)), { headers });
}

/** Returns an answer with an error status. Its headers make an SDK retry after only a millisecond. */
export function failure(status: number, body: object): Answer {
  return json(body, { status, headers: { "retry-after-ms": "1" } });
}

/** An event of a stream. */
export interface StreamEvent {
  /** The type; by default none. */
  readonly type?: string;
  /** The data, as JSON or text. */
  readonly data: object | string;
}

/** The end of a stream after its events: the stream ends, it sends nothing more, or its connection fails. */
export type StreamEnd = "ends" | "hangs" | "fails";

/** Size of the pieces of a stream, in bytes. Most pieces end within a line, and some within a character. */
const PIECE_BYTES = 61;

/** Returns an answer with a stream of events. With `perEvent`, each piece is a whole event. */
export function stream(
  events: readonly StreamEvent[],
  end: StreamEnd = "ends",
  { perEvent = false }: { perEvent?: boolean } = {},
): Answer {
  const encoder = new TextEncoder();
  const encoded = events.map((event) => encoder.encode(textOf(event)));
  const pieces = perEvent ? encoded : inPieces(encoded);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return () => {
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const piece = pieces[sent++];
        if (piece !== undefined) controller.enqueue(piece);
        else if (end === "hangs") await new Promise(() => {});
        else controller.close();
      },
    });
    // If the body is shorter than its length, the connection fails.
    const headers = new Headers({ ...DATE, "content-type": "text/event-stream" });
    if (end === "fails") headers.set("content-length", String(length + 1));
    return new Response(body, { headers });
  };
}

function textOf({ type, data }: StreamEvent): string {
  const line = typeof data === "string" ? data : JSON.stringify(data);
  return `${type === undefined ? "" : `event: ${type}\n`}data: ${line}\n\n`;
}

function inPieces(encoded: readonly Uint8Array[]): Uint8Array[] {
  const bytes = new Uint8Array(encoded.flatMap((each) => [...each]));
  const count = Math.ceil(bytes.length / PIECE_BYTES);
  return Array.from(
    { length: count },
    (_, n) => bytes.slice(n * PIECE_BYTES, (n + 1) * PIECE_BYTES),
  );
}

/** An answer that comes only after the SDK has stopped waiting for it. */
export const silence: Answer = async (runEnd) => {
  await runEnd;
  return new Response(null);
};

/** A request as the server received it. */
interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A server on 127.0.0.1 that answers each request with the next answer. */
class ScriptedServer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #answers: Answer[] = [];
  #requests: ReceivedRequest[] = [];
  #completed: Promise<void>[] = [];
  #received = Promise.withResolvers<void>();
  #runEnd = Promise.withResolvers<void>();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request, { completed }) => this.#answer(request, completed),
    );
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /**
   * Sets the answers to the next requests. Returns a promise that resolves when the server has received the first of
   * them.
   */
  expect(answers: readonly Answer[]): Promise<void> {
    this.#answers = [...answers];
    this.#requests = [];
    this.#completed = [];
    this.#received = Promise.withResolvers();
    this.#runEnd = Promise.withResolvers();
    return this.#received.promise;
  }

  /**
   * Resolves with the requests since `expect()`, once their responses are read or their connections are closed. Call it
   * when the SDK has returned.
   */
  async finished(): Promise<readonly ReceivedRequest[]> {
    this.#runEnd.resolve();
    await Promise.allSettled(this.#completed);
    return this.#requests;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }

  async #answer(request: Request, completed: Promise<void>): Promise<Response> {
    const answer = this.#answers.shift();
    this.#completed.push(completed);
    const { pathname, search } = new URL(request.url);
    this.#requests.push({
      method: request.method,
      path: pathname + search,
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    });
    this.#received.resolve();
    if (answer === undefined) return new Response("No answer is left", { status: 404 });
    return await answer(this.#runEnd.promise);
  }
}

/** A `fetch` that counts its calls. */
interface CountingFetch {
  readonly fetch: FetchFunction;
  count: number;
}

function countingFetch(fetch: FetchFunction = globalThis.fetch): CountingFetch {
  const counting: CountingFetch = {
    count: 0,
    fetch: (...args) => {
      counting.count++;
      return fetch(...args);
    },
  };
  return counting;
}

/** The functions and addresses that an SDK needs for a run. */
export interface Connection {
  /** The origin of the server: `http://127.0.0.1:PORT`. */
  readonly origin: string;
  readonly fetch: FetchFunction;
  /** Resolves when the server has received a request. */
  readonly received: Promise<void>;
}

/** The result of a run: the value, or the error as plain data. */
export type Outcome<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: PlainError };

/** A thrown error as plain data, without its stack. */
export interface PlainError {
  readonly type: string;
  readonly name: string;
  readonly message: string;
  readonly status?: unknown;
  readonly code?: unknown;
  readonly cause?: PlainError;
}

/** Returns a thrown value as plain data. */
export function plainError(thrown: unknown): PlainError {
  assert(thrown instanceof Error, `A value that is not an error was thrown: ${thrown}`);
  const { name, message, cause } = thrown;
  const { status, statusCode, code } = thrown as Error & Record<string, unknown>;
  return {
    type: thrown.constructor.name,
    name,
    message,
    status: status ?? statusCode,
    code,
    ...(cause === undefined ? {} : { cause: plainError(cause) }),
  };
}

/** Options of `auditedFetch` with at most one budget. */
type ComparedOptions = Omit<AuditedFetchOptions, "budget"> & { readonly budget?: Budget };

/** Returns the field `error` of an event for an error that `fetch` or the body of a response has thrown. */
export function loggedError({ name, message, cause }: PlainError): object {
  return { name, message, ...(cause === undefined ? {} : { cause: cause.message }) };
}

/** A comparison of two runs of an SDK: with the plain `fetch`, and with `auditedFetch`. */
export interface Comparison<T> {
  /** The answers of the server, in the order of the requests. */
  readonly answers: readonly Answer[];
  /** Makes the calls. It is called once for each of the two runs. */
  readonly run: (connection: Connection) => Promise<T>;
  /** Returns the options of `auditedFetch` besides `prices` and `fetch`; by default none. */
  readonly options?: (log: AuditLog) => ComparedOptions | Promise<ComparedOptions>;
  /** Number of HTTP calls. The default is the number of answers. */
  readonly httpCalls?: number;
  /** Number of the HTTP calls that are calls of a model. By default all are. */
  readonly modelCalls?: number;
}

/** The result of a comparison of two runs. */
export interface Compared<T> {
  /** The outcome of both runs. */
  readonly outcome: Outcome<T>;
  /** The logged fields of every `llm_call`, in the order of the log. */
  readonly calls: readonly Record<string, unknown>[];
  /** The state of the budget after the calls; `undefined` without a budget. */
  readonly budget: BudgetStatus | undefined;
}

/**
 * Makes the same calls with the plain `fetch` and with `auditedFetch`. Asserts that the server gets the same requests,
 * that the results or the errors are deep-equal, and that the log has one `llm_call` for each HTTP call.
 */
export async function compare<T>(
  { answers, run, options = () => ({}), httpCalls = answers.length, modelCalls = httpCalls }:
    Comparison<T>,
): Promise<Compared<T>> {
  await using server = new ScriptedServer();
  const runWith = async (fetch: FetchFunction) => {
    const received = server.expect(answers);
    const outcome = await outcomeOf(() => run({ origin: server.origin, fetch, received }));
    return { outcome, requests: await server.finished() };
  };
  const plain = countingFetch();
  const expected = await runWith(plain.fetch);
  using dir = tempDir();
  await using log = await openLog(dir.path("audit.jsonl"));
  const inner = countingFetch();
  const { budget, ...rest } = await options(log);
  const fetch = auditedFetch(log, {
    prices: PRICES,
    fetch: inner.fetch,
    ...(budget === undefined ? {} : { budget }),
    ...rest,
  });
  const actual = await runWith(fetch);
  assertEquals(actual, expected);
  assertEquals([plain.count, inner.count], [httpCalls, httpCalls]);
  const events = await eventsOf(log);
  const calls = events.filter(({ event }) => event === "llm_call").map(factsOf);
  assertEquals(calls.length, modelCalls);
  return { outcome: actual.outcome, calls, budget: await budget?.state() };
}

/** Returns the value of a comparison whose calls do not fail. */
export async function compareValues<T>(
  comparison: Comparison<T>,
): Promise<Compared<T> & { readonly value: T }> {
  const compared = await compare(comparison);
  const { error } = compared.outcome;
  assert(error === undefined, `The call failed: ${JSON.stringify(error)}`);
  return { ...compared, value: compared.outcome.value as T };
}

/** Returns the error of a comparison whose calls fail. */
export async function compareErrors<T>(
  comparison: Comparison<T>,
): Promise<Compared<T> & { readonly error: PlainError }> {
  const compared = await compare(comparison);
  const { error } = compared.outcome;
  assert(error !== undefined, "The call did not fail");
  return { ...compared, error };
}

/** Returns everything that a caller can see of a response, with its bytes. */
export async function visibleOf(response: Response): Promise<object> {
  const { status, statusText, ok, url, redirected, type, headers } = response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status, statusText, ok, url, redirected, type, headers: [...headers], bytes };
}

/** Returns the logged fields of calls without their errors. */
export function withoutErrors(
  calls: readonly Record<string, unknown>[],
): Record<string, unknown>[] {
  return calls.map(({ error: _, ...rest }) => rest);
}

/** Returns the values of an async iterable. */
export async function collected<T>(values: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(values);
}

/** Returns an origin on this machine that refuses connections. */
export function refusedOrigin(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${listener.addr.port}`;
}

/** A call that a budget refuses. */
export interface RefusedCall {
  /** Makes the call. The SDK retries a failed call up to `retries` times. */
  readonly run: (connection: Connection, retries: number) => Promise<unknown>;
  /** The type of the error that the SDK throws for the status 402. */
  readonly apiError: string;
}

/**
 * Asserts that a spent budget refuses a call without an HTTP call. By default, the error of the SDK has the {@linkcode
 * BudgetError} as a cause. With `refusal: "respond"`, the SDK throws the error of its API with the message of the
 * budget, and does not retry.
 */
export async function assertSpentBudgetRefuses({ run, apiError }: RefusedCall): Promise<void> {
  await using server = new ScriptedServer();
  using dir = tempDir();
  await using log = await openLog(dir.path("audit.jsonl"));
  const budget = await log.budget({ name: "run", limit: { usd: 1 } });
  await (await budget.hold({ usd: 1 })).settle("nav", { cost: 1 });
  const inner = countingFetch();
  const runWith = async (options: AuditedFetchOptions, retries: number) => {
    const audited = auditedFetch(log, { prices: PRICES, budget, fetch: inner.fetch, ...options });
    const outer = countingFetch(audited);
    const { origin } = server;
    const received = server.expect([]);
    const thrown = await thrownBy(() => run({ origin, fetch: outer.fetch, received }, retries));
    assertEquals(outer.count, 1, "The SDK retried the call");
    return thrown;
  };

  // A rejected call makes the SDKs wait before they retry it. So retries are turned off here.
  const thrown = await runWith({}, 0);
  const refusal = budgetErrorIn(thrown);
  assert(refusal !== undefined, `No cause is a BudgetError: ${Deno.inspect(thrown)}`);
  assertEquals([refusal.kind, refusal.budget], ["spent", "run"]);

  const error = plainError(await runWith({ refusal: "respond" }, 2));
  assertEquals([error.type, error.status], [apiError, 402]);
  assertStringIncludes(error.message, "1 of 1 is spent");

  assertEquals(inner.count, 0);
  const events = await eventsOf(log);
  assertEquals(events.filter(({ event }) => event === "llm_call"), []);
  assertEquals((await budget.state()).held, 0);
}

/** A call that has to wait, because another call has reserved the whole budget. */
export interface DelayedCall<T> {
  /** The answer of the server to the call. */
  readonly answer: Answer;
  /** Makes the call, and retries it at least once. */
  readonly run: (connection: Connection) => Promise<T>;
}

/**
 * Asserts that, with `refusal: "respond"`, the SDK delays a call while another hold reserves the rest of the budget,
 * and makes the call when that hold has ended.
 *
 * @returns The value of the call, and the logged fields of its events.
 */
export async function assertHeldBudgetDelays<T>(
  { answer, run }: DelayedCall<T>,
): Promise<{ readonly value: T; readonly calls: readonly Record<string, unknown>[] }> {
  await using server = new ScriptedServer();
  using dir = tempDir();
  await using log = await openLog(dir.path("audit.jsonl"));
  const budget = await log.budget({ name: "run", limit: { usd: 1 } });
  const other = await budget.hold({ usd: 1 });
  const inner = countingFetch();
  const options = { prices: PRICES, budget, refusal: "respond", fetch: inner.fetch } as const;
  const audited = auditedFetch(log, options);
  const statuses: number[] = [];
  const fetch: FetchFunction = async (...args) => {
    const response = await audited(...args);
    statuses.push(response.status);
    if (response.status === 429) await other.release();
    return response;
  };
  const received = server.expect([answer]);
  const value = await run({ origin: server.origin, fetch, received });
  await server.finished();
  assertEquals([statuses, inner.count], [[429, 200], 1]);
  const events = await eventsOf(log);
  return { value, calls: events.filter(({ event }) => event === "llm_call").map(factsOf) };
}

/** Returns the first error that a budget has thrown in a chain of causes. */
function budgetErrorIn(thrown: unknown): BudgetError | undefined {
  if (thrown instanceof BudgetError || !(thrown instanceof Error)) return thrown as undefined;
  return budgetErrorIn(thrown.cause);
}

/** Opens a log that reports nothing. */
async function openLog(path: string): Promise<AuditLog> {
  return await AuditLog.open({ path, logger: silent });
}

/** Returns the events of a log, in their order. */
async function eventsOf(log: AuditLog): Promise<AuditEvent[]> {
  await log.flush();
  return await collected(log.query());
}

/** Returns the fields of an event that are the same in each run. Asserts that the other fields have the right types. */
function factsOf(event: AuditEvent): Record<string, unknown> {
  const { event: _, ts: _ts, session_id: _id, hold: _hold, ...rest } = event;
  const { duration_ms, ttft_ms, host, cost, ...facts } = rest;
  assertEquals(typeof duration_ms, "number");
  assert(ttft_ms === undefined || typeof ttft_ms === "number");
  assertStringIncludes(String(host), "127.0.0.1:");
  // Sums of floating-point prices may differ from the exact decimal number in the last digit, so the cost is rounded.
  return { ...facts, ...(typeof cost === "number" ? { cost: Number(cost.toFixed(12)) } : {}) };
}

async function outcomeOf<T>(run: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await run() };
  } catch (error) {
    return { error: plainError(error) };
  }
}

async function thrownBy(run: () => Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await run();
  } catch (thrown) {
    return thrown;
  }
  throw new Error(`The call did not fail: ${Deno.inspect(value)}`);
}
