/**
 * Logs the model calls of the Vercel AI SDK, versions 6 and 7, from its telemetry.
 *
 * Version 7 reports the start and the end of each model call, errors and aborts. Version 6 reports the start and the end of
 * each step, which is one model call, and no errors. So a start is kept until its end is reported.
 *
 * @module
 */
import type { AuditLogger } from "../audit_logger.ts";
import { BudgetError } from "../errors.ts";
import { anything, checkOptions, flag, type OptionChecks } from "../options/option_checks.ts";
import { CallLog, type CallStatus, errorFields, roundedMs } from "./call_log.ts";
import type { PriceTable } from "./price_table.ts";
import { type JsonObject, objectOf, type TokenUsage, usageOf } from "./usage.ts";

/** Options of {@linkcode aiTelemetry}. */
export interface AiTelemetryOptions {
  /**
   * Prices of the models, in the schema of LiteLLM's `model_prices_and_context_window.json`. Without them, an event has
   * a cost only if the provider states it.
   *
   * @default {undefined}
   */
  prices?: PriceTable;
  /**
   * Fields of every event, such as the agent.
   *
   * @default {{}}
   */
  fields?: object;
  /**
   * If `true`, each tool that the SDK runs is logged too, as an event `tool_call`.
   *
   * @default {true}
   */
  toolCalls?: boolean;
}

/** A function that the AI SDK calls with an event. */
export type AiTelemetryCallback = (event: unknown) => void;

/**
 * An integration for the telemetry of the AI SDK. When it is disposed, calls without an end are logged with the status
 * "aborted".
 */
export interface AiTelemetry extends Disposable {
  /** Called when a step begins, in version 6. */
  readonly onStepStart: AiTelemetryCallback;
  /** Called when a step ends, in version 6. */
  readonly onStepFinish: AiTelemetryCallback;
  /** Called when a model call begins, in version 7. */
  readonly onLanguageModelCallStart: AiTelemetryCallback;
  /** Called when a model call ends, in version 7. */
  readonly onLanguageModelCallEnd: AiTelemetryCallback;
  /** Called when an embedding call begins, in version 7. */
  readonly onEmbedStart: AiTelemetryCallback;
  /** Called when an embedding call ends, in version 7. */
  readonly onEmbedEnd: AiTelemetryCallback;
  /** Called when a step fails, in version 7. */
  readonly onStepError: AiTelemetryCallback;
  /** Called when a generation fails, in version 7. */
  readonly onError: AiTelemetryCallback;
  /** Called when a generation is aborted, in version 7. */
  readonly onAbort: AiTelemetryCallback;
  /** Called when a generation has ended, in version 7. */
  readonly onEnd: AiTelemetryCallback;
  /** Called when a tool has run, in version 6. */
  readonly onToolCallFinish: AiTelemetryCallback;
  /** Called when a tool has run, in version 7. */
  readonly onToolExecutionEnd: AiTelemetryCallback;
}

const CHECKS: OptionChecks<AiTelemetryOptions> = {
  prices: anything,
  fields: anything,
  toolCalls: flag,
};

/**
 * Returns an integration for the telemetry of the Vercel AI SDK, versions 6 and 7, that logs each model call as one event
 * `llm_call`. Register it with `registerTelemetry()` in version 7 and `registerTelemetryIntegration()` in version 6.
 *
 * A call that {@linkcode auditedFetch} of the same log has logged is not logged again. Version 6 does not
 * report a failed call: it is logged when its `abortSignal` aborts, or when the integration is disposed. To log every
 * failure at once, pass an `auditedFetch` to the provider too.
 *
 * @param log The log, or a logger with bound fields.
 * @param options Prices and fields; by default none.
 * @returns The integration. Dispose it at the end of the program, or declare it with `using`.
 * @throws {TypeError} If `log` is not a log, an option is unknown or of the wrong type, or a price is not a number.
 *
 * @example
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { aiTelemetry } from "@vivarium/scout/llm";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * using telemetry = aiTelemetry(log, { fields: { agent: "critic" } });
 * // With the SDK: registerTelemetry(telemetry). It then makes calls such as these.
 * const call = { callId: "1", provider: "openai.chat", modelId: "small" };
 * const usage = { inputTokens: 812, outputTokens: 40 };
 * telemetry.onLanguageModelCallStart(call);
 * telemetry.onLanguageModelCallEnd({ ...call, usage, responseId: "r1", finishReason: "stop" });
 *
 * const [event] = await log.lastEvents(1);
 * assertEquals([event?.event, event?.agent, event?.input_t], ["llm_call", "critic", 812]);
 * ```
 */
export function aiTelemetry(log: AuditLogger, options: AiTelemetryOptions = {}): AiTelemetry {
  checkOptions(options, CHECKS, ACTION);
  const open = new OpenCalls(new CallLog(log, options, ACTION));
  const { toolCalls = true } = options;
  // Both versions share one list of integrations, so a program that registers with both gets each event twice.
  const taken = new WeakSet<object>();
  // Version 7 reports steps too, and the model call in each step.
  const ofVersion6 = (take: (event: JsonObject) => void) => (event: unknown) => {
    const object = objectOf(event);
    if (object === undefined || object.callId !== undefined || taken.has(object)) return;
    taken.add(object);
    take(object);
  };
  const ofVersion7 = (take: (event: JsonObject, callId: string) => void) => (event: unknown) => {
    const object = objectOf(event);
    if (typeof object?.callId === "string") take(object, object.callId);
  };
  const tool = (event: JsonObject) => {
    if (toolCalls) open.logTool(event);
  };
  return {
    onStepStart: ofVersion6((event) => open.begin(stepKey(event), event)),
    onStepFinish: ofVersion6((event) => open.end(stepKey(event), event)),
    onLanguageModelCallStart: ofVersion7((event, id) => open.beginOnce(id, event)),
    onLanguageModelCallEnd: ofVersion7((event, id) => open.endOnce(id, event)),
    onEmbedStart: ofVersion7((event, id) => open.beginOnce(`${id} ${event.embedCallId}`, event)),
    onEmbedEnd: ofVersion7((event, id) => open.endOnce(`${id} ${event.embedCallId}`, event)),
    onStepError: ofVersion7((event, id) => open.fail(id, event.error)),
    onError: ofVersion7((event, id) => open.fail(id, event.error)),
    onAbort: ofVersion7((_, id) => open.leave(id)),
    // When a generation has ended, its unfinished calls never will.
    onEnd: ofVersion7((_, id) => open.leave(id)),
    onToolCallFinish: ofVersion6(tool),
    onToolExecutionEnd: ofVersion7(tool),
    [Symbol.dispose]: () => open.leaveAll(),
  };
}

const ACTION = "log telemetry of the AI SDK";

/** The start of the IDs that the SDK invents if it has none of the response, as for streams of Gemini. */
const INVENTED = "aitxt-";

/** Maximum number of calls without an end to keep. */
const OPEN_MAX = 10_000;

/** Number of calls that have ended to remember. A second event about the end comes right after the first. */
const ENDED_MAX = 100;

/** A call that has begun. */
interface OpenCall {
  readonly event: JsonObject;
  readonly beganMs: number;
  /** Ends the watch for an abort. */
  readonly unwatch: () => void;
}

/** A call that is not open any more, with its duration. */
interface TakenCall extends OpenCall {
  readonly ms: number;
}

/** Keeps the model calls that have begun, and logs them when they end. */
class OpenCalls {
  readonly #calls: CallLog;
  /** The calls by their key, oldest first. Version 6 has equal keys for calls at the same time. */
  readonly #open = new Map<string, OpenCall[]>();
  #count = 0;
  /** The keys of the last calls that ended and that have a key of their own, oldest first. */
  readonly #ended = new Set<string>();

  constructor(calls: CallLog) {
    this.#calls = calls;
  }

  /** Begins a call whose key no other call has at the same time. The event may come twice. */
  beginOnce(key: string, event: JsonObject): void {
    if (this.#open.has(key)) return;
    this.#ended.delete(key);
    this.begin(key, event);
  }

  /** Ends a call whose key no other call has at the same time. The event may come twice. */
  endOnce(key: string, event: JsonObject): void {
    if (this.#ended.has(key)) return;
    this.#ended.add(key);
    const [oldest] = this.#ended;
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(oldest!);
    this.end(key, event);
  }

  begin(key: string, event: JsonObject): void {
    const { abortSignal: signal } = event;
    const abort = () => this.#abort(key, call);
    const call: OpenCall = {
      event,
      beganMs: performance.now(),
      unwatch: () => signal instanceof AbortSignal && signal.removeEventListener("abort", abort),
    };
    if (signal instanceof AbortSignal) signal.addEventListener("abort", abort, { once: true });
    this.#open.set(key, [...this.#open.get(key) ?? [], call]);
    this.#count++;
    const [oldest] = this.#open.keys();
    if (this.#count > OPEN_MAX) this.leave(oldest!);
  }

  /** Logs the end of a call, unless `fetch` has logged it. */
  end(key: string, event: JsonObject): void {
    const call = this.#take(key);
    const response = objectOf(event.response) ?? {};
    const id = textOf(event.responseId) ?? textOf(response.id) ?? "";
    const responseId = id === "" || id.startsWith(INVENTED) ? undefined : id;
    const asked = modelOf(event);
    const model = textOf(response.modelId) ?? asked.model;
    const beganMs = call?.beganMs ?? -Infinity;
    const hasFailed = event.finishReason === "error";
    if (this.#calls.isLogged({ id: responseId, model, beganMs, hasFailed })) return;
    const performance = objectOf(event.performance) ?? {};
    void this.#calls.record({
      ...asked,
      model,
      status: hasFailed ? "error" : "ok",
      usage: usageIn(event),
      durationMs: msOf(performance.responseTimeMs) ?? call?.ms,
      ttftMs: msOf(performance.timeToFirstOutputMs),
      responseId,
      more: { ...namesOf(event), finish_reason: event.finishReason },
    });
  }

  /** Logs the calls of a generation that has failed, unless `fetch` has logged them. */
  fail(id: string, error: unknown): void {
    const status = isAbort(error) ? "aborted" : "error";
    for (const call of this.#takeAll(id)) {
      // A call that a budget refused was not made. The log has a line of the refusal.
      if (!isRefusal(error)) this.#logFailure(call, status, error);
    }
  }

  /** Logs the unfinished calls of an ended generation as aborted. */
  leave(id: string): void {
    for (const call of this.#takeAll(id)) this.#logFailure(call, "aborted", undefined);
  }

  leaveAll(): void {
    for (const key of [...this.#open.keys()]) this.leave(key);
  }

  logTool(event: JsonObject): void {
    const call = objectOf(event.toolCall) ?? {};
    const output = objectOf(event.toolOutput) ?? event;
    const hasFailed = event.success === false || output.type === "tool-error";
    void this.#calls.log("tool_call", {
      ...namesOf(event),
      tool: call.toolName,
      tool_call_id: call.toolCallId,
      status: hasFailed ? "error" : "ok",
      error: hasFailed ? errorFields(output.error) : undefined,
      duration_ms: msOf(event.toolExecutionMs) ?? msOf(event.durationMs),
    });
  }

  #abort(key: string, call: OpenCall): void {
    const ended = this.#take(key, call);
    if (ended !== undefined) this.#logFailure(ended, "aborted", undefined);
  }

  /** Removes the calls of a generation. Its embedding calls have its ID and one of their own. */
  #takeAll(id: string): TakenCall[] {
    const keys = [...this.#open.keys()].filter((key) => key === id || key.startsWith(`${id} `));
    const calls = keys.flatMap((key) => this.#open.get(key)!.map((call) => this.#take(key, call)));
    return calls.filter((call) => call !== undefined);
  }

  /** Removes a call, by default the oldest one with this key. Returns it with its duration. */
  #take(key: string, which?: OpenCall): TakenCall | undefined {
    const calls = this.#open.get(key) ?? [];
    const call = which ?? calls[0];
    if (call === undefined || !calls.includes(call)) return undefined;
    const rest = calls.filter((each) => each !== call);
    if (rest.length === 0) this.#open.delete(key);
    else this.#open.set(key, rest);
    this.#count--;
    call.unwatch();
    return { ...call, ms: roundedMs(performance.now() - call.beganMs) };
  }

  #logFailure(
    { event, beganMs, ms }: TakenCall,
    status: CallStatus,
    error: unknown,
  ): void {
    const named = modelOf(event);
    const { model } = named;
    if (this.#calls.isLogged({ id: undefined, model, beganMs, hasFailed: true })) return;
    void this.#calls.record({
      ...named,
      status,
      usage: undefined,
      durationMs: ms,
      error: error === undefined ? undefined : errorFields(error),
      more: namesOf(event),
    });
  }
}

/** Returns the key of a step of version 6, which has no ID. The end of a stream has another object for the same model. */
function stepKey(event: JsonObject): string {
  const { provider, model } = modelOf(event);
  return JSON.stringify([provider, model, event.functionId, event.stepNumber]);
}

/** The names of providers in LiteLLM's tables, by their names in the AI SDK. */
const PROVIDERS: ReadonlyMap<string, string> = new Map([
  ["google", "gemini"],
  ["azure-openai", "azure"],
  ["amazon-bedrock", "bedrock"],
]);

/** Returns the model and the provider of an event: "openai" of "openai.chat". */
function modelOf(event: JsonObject): { model: string | undefined; provider: string | undefined } {
  const named = objectOf(event.model) ?? event;
  const [provider] = textOf(named.provider)?.split(".") ?? [];
  return {
    model: textOf(named.modelId),
    provider: provider === undefined ? undefined : PROVIDERS.get(provider) ?? provider,
  };
}

/** Returns the IDs by which a program finds its own calls. */
function namesOf({ callId: call_id, functionId: function_id }: JsonObject): object {
  return { call_id, function_id };
}

/** Returns the usage of an event. The provider's own has more details, such as the hours of Anthropic's cache. */
function usageIn(event: JsonObject): TokenUsage | undefined {
  const usage = objectOf(event.usage);
  const own = usageOf(usage);
  const raw = usageOf(usage?.raw);
  const isSame = raw?.input_t === own?.input_t && raw?.output_t === own?.output_t;
  const cost = costIn(objectOf(event.providerMetadata) ?? {});
  const found = raw !== undefined && isSame ? raw : own;
  return cost === undefined || found === undefined ? found : { ...found, cost };
}

/** Returns the cost that Vercel's gateway or OpenRouter's provider states. */
function costIn(metadata: JsonObject): number | undefined {
  const stated = objectOf(metadata.gateway)?.cost;
  const cost = typeof stated === "string" ? Number(stated) : stated;
  if (typeof cost === "number" && cost >= 0 && Number.isFinite(cost)) return cost;
  return usageOf({ usage: objectOf(metadata.openrouter)?.usage })?.cost;
}

/** Checks whether an error is a refusal by a budget, thrown or as the response of `auditedFetch()`. */
function isRefusal(error: unknown): boolean {
  if (error instanceof BudgetError) return true;
  if (!(error instanceof Error)) return false;
  const { responseBody } = error as { responseBody?: unknown };
  const isResponse = typeof responseBody === "string" && responseBody.includes('"budget_error"');
  return isResponse || isRefusal(error.cause);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function msOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 && Number.isFinite(value)
    ? roundedMs(value)
    : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
