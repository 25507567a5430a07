/**
 * Logs the model calls of the Vercel AI SDK, versions 6 and 7, from its telemetry.
 *
 * Version 7 reports the start and the end of each model call, errors and aborts. Version 6 reports only the start and
 * the end of each step, which is one model call. The integration remembers the start of a call until its end is
 * reported. So it can also log a call whose end is never reported.
 *
 * @module
 */
import type { AuditLogger } from "../audit_logger.ts";
import { BudgetError } from "../errors.ts";
import { checkOptions } from "../options/option_checks.ts";
import { CallLog, type CallStatus } from "./call_log.ts";
import { errorFields, isAbort, roundedMs } from "./event_values.ts";
import { amountOf, type JsonObject, objectOf, textOf } from "./json_values.ts";
import type { OpenCalls, TakenCall } from "./open_calls.ts";
import { TELEMETRY_CHECKS, type TelemetryOptions } from "./telemetry_options.ts";
import { type TokenUsage, usageOf } from "./usage.ts";

/** A function that the AI SDK calls with an event, such as the start of a model call. */
export type AiTelemetryCallback = (event: unknown) => void;

/**
 * An integration for the telemetry of the AI SDK. When the integration is disposed, it logs the calls without an end
 * with the status "aborted".
 */
export interface AiTelemetry extends Disposable {
  /** Called by AI SDK 6 when a step begins. */
  readonly onStepStart: AiTelemetryCallback;
  /** Called by AI SDK 6 when a step ends. */
  readonly onStepFinish: AiTelemetryCallback;
  /** Called by AI SDK 7 when a model call begins. */
  readonly onLanguageModelCallStart: AiTelemetryCallback;
  /** Called by AI SDK 7 when a model call ends. */
  readonly onLanguageModelCallEnd: AiTelemetryCallback;
  /**
   * Runs a model call of AI SDK 7. While the call runs, {@linkcode auditedFetch} can read its ID, and so knows to which
   * call a request belongs. A call that both see is then logged only once.
   *
   * @param call The ID of the call, and the function that makes it.
   * @returns The result of the function.
   */
  executeLanguageModelCall<T>(
    call: { readonly callId: string; readonly execute: () => PromiseLike<T> },
  ): PromiseLike<T>;
  /** Called by AI SDK 7 when a model call of `generateObject()` or `streamObject()` begins. */
  readonly onObjectStepStart: AiTelemetryCallback;
  /** Called by AI SDK 7 when a model call of `generateObject()` or `streamObject()` ends. */
  readonly onObjectStepEnd: AiTelemetryCallback;
  /** Called by AI SDK 7 when an embedding call begins. */
  readonly onEmbedStart: AiTelemetryCallback;
  /** Called by AI SDK 7 when an embedding call ends. */
  readonly onEmbedEnd: AiTelemetryCallback;
  /** Called by AI SDK 7 when a step fails. */
  readonly onStepError: AiTelemetryCallback;
  /** Called by AI SDK 7 when a generation of text fails. */
  readonly onError: AiTelemetryCallback;
  /** Called by AI SDK 7 when a generation of text is aborted. */
  readonly onAbort: AiTelemetryCallback;
  /** Called by AI SDK 7 when a generation of text has ended. */
  readonly onEnd: AiTelemetryCallback;
  /** Called by AI SDK 6 when a tool has run. */
  readonly onToolCallFinish: AiTelemetryCallback;
  /** Called by AI SDK 7 when a tool has run. */
  readonly onToolExecutionEnd: AiTelemetryCallback;
}

/**
 * Returns an integration for the telemetry of the Vercel AI SDK, versions 6 and 7, that logs each model call as one
 * event `llm_call`. Register it with `registerTelemetry()` in version 7 and `registerTelemetryIntegration()` in version
 * 6.
 *
 * If {@linkcode auditedFetch} of the same log has logged a call, the integration does not log the call again. Version 6
 * does not report failed calls, so the integration logs a failed call when its `abortSignal` aborts, or when the
 * integration is disposed. Version 6 also does not report `generateObject()`, `streamObject()` and embeddings. To log
 * everything, pass an `auditedFetch` to the provider too.
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
export function aiTelemetry(log: AuditLogger, options: TelemetryOptions = {}): AiTelemetry {
  checkOptions(options, TELEMETRY_CHECKS, ACTION);
  const calls = new CallLog(log, options, ACTION);
  const { open } = calls;
  const telemetry = new TelemetryLog(calls);
  const { toolCalls = true } = options;
  // AI SDK 7 reports steps in addition to model calls. The steps of version 7 have a `callId` and are ignored here,
  // because their model calls are logged already.
  const ofVersion6 = (take: (event: JsonObject) => void) => (event: unknown) => {
    const object = objectOf(event);
    if (object !== undefined && object.callId === undefined && open.isNew(object)) take(object);
  };
  const ofVersion7 = (take: (event: JsonObject, callId: string) => void) => (event: unknown) => {
    const object = objectOf(event);
    if (typeof object?.callId === "string") take(object, object.callId);
  };
  const tool = (event: JsonObject) => {
    // If two integrations are registered, both get each tool call, but the call must be logged once. In AI SDK 7 they
    // get different events with the same `toolCall` object, so the object identifies the call.
    if (toolCalls && open.isNew(objectOf(event.toolCall) ?? event)) telemetry.logTool(event);
  };
  const begin = (key: (event: JsonObject) => string) =>
    ofVersion7((event, id) => telemetry.beginOnce(id + key(event), event));
  const end = (key: (event: JsonObject) => string) =>
    ofVersion7((event, id) => telemetry.endOnce(id + key(event), event));
  return {
    onStepStart: ofVersion6((event) => telemetry.begin(stepKey(event), event)),
    onStepFinish: ofVersion6((event) => {
      // If the signal aborts a step while one of its tools runs, the step is logged as aborted at once. Its end, which
      // the SDK reports later, is not logged again.
      if (!open.wasLeft(stepKey(event))) telemetry.end(stepKey(event), event);
    }),
    onLanguageModelCallStart: begin(() => ""),
    onLanguageModelCallEnd: end(() => ""),
    executeLanguageModelCall: ({ callId, execute }) => open.within(callId, execute),
    onObjectStepStart: begin(() => " object"),
    onObjectStepEnd: end(() => " object"),
    onEmbedStart: begin(({ embedCallId }) => ` ${embedCallId}`),
    onEmbedEnd: end(({ embedCallId }) => ` ${embedCallId}`),
    onStepError: ofVersion7((event, id) => telemetry.fail(id, event.error)),
    onError: ofVersion7((event, id) => telemetry.fail(id, event.error)),
    onAbort: ofVersion7((_, id) => telemetry.leave(id)),
    // After the end of a generation, the SDK reports no more ends of its calls. So its unfinished calls are logged as
    // aborted now.
    onEnd: ofVersion7((_, id) => telemetry.leave(id)),
    onToolCallFinish: ofVersion6(tool),
    onToolExecutionEnd: ofVersion7(tool),
    [Symbol.dispose]: () => telemetry.leaveAll(),
  };
}

const ACTION = "log telemetry of the AI SDK";

/**
 * The start of the response IDs that the SDK generates if a response has no ID, as in streams of Gemini. Such an ID
 * cannot identify the call, because `auditedFetch()` does not see it.
 */
const INVENTED = "aitxt-";

/** Logs the model calls and tool calls that the SDK reports to one integration. */
class TelemetryLog {
  readonly #calls: CallLog;
  readonly #open: OpenCalls;

  constructor(calls: CallLog) {
    this.#calls = calls;
    this.#open = calls.open;
  }

  /**
   * Begins a call. In AI SDK 6, calls that run at the same time may have the same key, because their events have no ID.
   */
  begin(key: string, event: JsonObject): void {
    const left = this.#open.add(
      key,
      this,
      event,
      (call) => this.#logFailure(call, "aborted", undefined),
    );
    if (left !== undefined) this.#logFailure(left, "aborted", undefined);
  }

  /**
   * Begins a call whose key is unique among the open calls. If another integration of the log has reported the start,
   * ignores the event, so that the call is logged once.
   */
  beginOnce(key: string, event: JsonObject): void {
    if (!this.#open.has(key)) this.begin(key, event);
  }

  /**
   * Logs the end of a call whose key is unique among the open calls. If another integration of the log has reported the
   * end, ignores the event, so that the call is logged once.
   */
  endOnce(key: string, event: JsonObject): void {
    if (!this.#open.hasEnded(key)) this.end(key, event);
  }

  /** Logs the end of a call, unless another observer, such as `auditedFetch()`, has logged the call. */
  end(key: string, event: JsonObject): void {
    const call = this.#open.take(key);
    const response = objectOf(event.response) ?? {};
    const id = textOf(event.responseId) ?? textOf(response.id) ?? "";
    const responseId = id === "" || id.startsWith(INVENTED) ? undefined : id;
    const asked = modelOf(event);
    const model = textOf(response.modelId) ?? asked.model;
    const hasFailed = event.finishReason === "error";
    if (
      this.#calls.isLogged({
        id: responseId,
        callId: call?.isWithin ? key : undefined,
        model,
        askedModel: call === undefined ? undefined : modelOf(call.event).model,
        beganMs: call?.beganAfterMs ?? -Infinity,
        outcome: hasFailed ? "failed" : "ok",
      })
    ) return;
    const performance = objectOf(event.performance) ?? {};
    void this.#calls.record({
      ...asked,
      model,
      status: hasFailed ? "error" : "ok",
      usage: usageIn(event),
      durationMs: msOf(performance.responseTimeMs) ?? call?.durationMs,
      ttftMs: msOf(performance.timeToFirstOutputMs) ?? msOf(event.msToFirstChunk),
      responseId,
      more: { ...namesOf(event), finish_reason: event.finishReason },
    });
  }

  /**
   * Logs the unfinished calls of a generation that has failed. Calls that another observer, such as `auditedFetch()`,
   * has logged are not logged again.
   */
  fail(id: string, error: unknown): void {
    const status = isAbort(error, undefined) ? "aborted" : "error";
    for (const call of this.#open.takeAll(id)) {
      // If a budget refused the call, the call was not made, and the log already counts the refusal. So the call is not
      // logged.
      if (!isRefusal(error)) this.#logFailure(call, status, error);
    }
  }

  /** Logs the unfinished calls of a generation that has ended or was aborted. Their status is "aborted". */
  leave(id: string): void {
    for (const call of this.#open.takeAll(id)) this.#logFailure(call, "aborted", undefined);
  }

  /** Logs the unfinished calls that the SDK has reported to this integration. Their status is "aborted". */
  leaveAll(): void {
    for (const call of this.#open.takeOf(this)) this.#logFailure(call, "aborted", undefined);
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

  #logFailure(call: TakenCall, status: CallStatus, error: unknown): void {
    const { event, beganMs, isWithin } = call;
    const named = modelOf(event);
    const callId = isWithin ? textOf(event.callId) : undefined;
    const { model } = named;
    const outcome = error === undefined ? "left" : "failed";
    if (this.#calls.isLogged({ id: undefined, callId, model, beganMs, outcome })) return;
    void this.#calls.record({
      ...named,
      status,
      // If `generateObject()` fails because the answer is not a valid object, the error of the SDK has the usage of the
      // answer.
      usage: usageIn(objectOf(error) ?? {}),
      durationMs: call.durationMs,
      error: error === undefined ? undefined : errorFields(error),
      more: namesOf(event),
    });
  }
}

/**
 * Returns the key of a step (a model call) of AI SDK 6, whose events have no ID. The key contains the names of the
 * provider and the model, because the end of a stream has another `model` object than its start.
 */
function stepKey(event: JsonObject): string {
  const { provider, model } = modelOf(event);
  return JSON.stringify([provider, model, event.functionId, event.stepNumber]);
}

/** The names of providers in LiteLLM's price tables, by their names in the AI SDK. */
const PROVIDERS: ReadonlyMap<string, string> = new Map([
  ["google", "gemini"],
  ["azure-openai", "azure"],
  ["amazon-bedrock", "bedrock"],
]);

/**
 * Returns the model and the provider of an event. For the provider "openai.chat", returns "openai", its name in price
 * tables.
 */
function modelOf(event: JsonObject): { model: string | undefined; provider: string | undefined } {
  const named = objectOf(event.model) ?? event;
  const [provider] = textOf(named.provider)?.split(".") ?? [];
  return {
    model: textOf(named.modelId),
    provider: provider === undefined ? undefined : PROVIDERS.get(provider) ?? provider,
  };
}

/** Returns the fields `call_id` and `function_id`, with the IDs in an event of the AI SDK. */
function namesOf({ callId: call_id, functionId: function_id }: JsonObject): object {
  return { call_id, function_id };
}

/**
 * Returns the token usage of an event. If the event also has the provider's own usage with the same totals, returns the
 * provider's. It has more details, such as the tokens that Anthropic caches for an hour.
 */
function usageIn(event: JsonObject): TokenUsage | undefined {
  const metadata = objectOf(event.providerMetadata) ?? {};
  const service_tier = objectOf(metadata.openai)?.serviceTier;
  const usage = objectOf(event.usage);
  const own = usageOf({ usage, service_tier });
  const raw = usageOf({ usage: objectOf(usage?.raw), service_tier });
  const isSame = raw?.input_t === own?.input_t && raw?.output_t === own?.output_t;
  const cost = costIn(metadata);
  const found = raw !== undefined && isSame ? raw : own;
  return cost === undefined || found === undefined ? found : { ...found, cost };
}

/** Returns the cost in USD that Vercel's AI gateway or the OpenRouter provider of the AI SDK states in an event. */
function costIn(metadata: JsonObject): number | undefined {
  const stated = objectOf(metadata.gateway)?.cost;
  return amountOf(typeof stated === "string" ? Number(stated) : stated) ??
    usageOf({ usage: objectOf(metadata.openrouter)?.usage })?.cost;
}

/**
 * Checks whether a budget refused a call: the error is a `BudgetError`, or contains the response with which
 * `auditedFetch()` refuses a call.
 */
function isRefusal(error: unknown): boolean {
  if (error instanceof BudgetError) return true;
  if (!(error instanceof Error)) return false;
  // If all retries have failed, the SDK throws an error whose `lastError` is the error of the last try.
  const { responseBody, lastError } = error as { responseBody?: unknown; lastError?: unknown };
  const isResponse = typeof responseBody === "string" && responseBody.includes('"budget_error"');
  return isResponse || isRefusal(error.cause) || isRefusal(lastError);
}

function msOf(value: unknown): number | undefined {
  const ms = amountOf(value);
  return ms === undefined ? undefined : roundedMs(ms);
}
