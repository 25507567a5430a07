/**
 * Collects the facts that the response of a model states, such as its ID and token usage, from its JSON or from the
 * events of its stream. Pure.
 *
 * Invariant: the token usage is known only when the response is complete, because earlier counts of a stream are too
 * low.
 *
 * @module
 */
import { type JsonObject, objectOf, parsed, textOf } from "./json_values.ts";
import { type TokenUsage, usageOf } from "./usage.ts";

/** The facts that one response of a model states. */
export class ResponseFacts {
  /** ID of the response. */
  id: string | undefined;
  /** Name of the model that answered. */
  model: string | undefined;
  /** Name of the provider that ran the model, which gateways such as OpenRouter state. */
  provider: string | undefined;
  /** Reason why the model stopped, such as "stop", "end_turn" or "MAX_TOKENS". */
  finishReason: string | undefined;
  /** The error that the response states; `undefined` if it states none. */
  error: JsonObject | undefined;
  /** `true` if the response has output of the model so far: text, reasoning or a tool call. */
  hasOutput = false;
  /** The pieces of the text of the answer; `null` if the text is not kept. */
  readonly text: string[] | null;
  /** `true` after the last event of a stream, or the JSON of a whole response, was read. */
  isComplete = false;
  /** The token usage that the response has stated so far, with the field names of the provider. */
  readonly #stated: Record<string, unknown> = {};

  /**
   * Creates an instance without facts, before any part of the response is read.
   *
   * @param keepsText If `true`, keeps the text of the answer.
   */
  constructor(keepsText: boolean) {
    this.text = keepsText ? [] : null;
  }

  /** The token usage; `undefined` if the response states none or is not complete yet. */
  get usage(): TokenUsage | undefined {
    return this.isComplete ? usageOf(this.#stated) : undefined;
  }

  /**
   * Reads the JSON of a whole response. A stream of Gemini without server-sent events is one JSON array of responses,
   * each with a piece of the output.
   */
  takeWhole(json: unknown): void {
    for (const part of Array.isArray(json) ? json : [json]) this.#take(part);
    this.isComplete = true;
  }

  /** Reads the data of a server-sent event of a stream. */
  takeEvent(data: string): void {
    // The streams of OpenAI's chat completions end with an event that has the data "[DONE]" instead of JSON.
    if (data === "[DONE]") this.isComplete = true;
    else this.#take(parsed(data));
  }

  /**
   * Ends a stream. If the stream stated a finish reason, it is complete, because some servers send no event after the
   * finish reason.
   */
  end(): void {
    if (this.finishReason !== undefined) this.isComplete = true;
  }

  #take(json: unknown): void {
    const event = objectOf(json);
    if (event === undefined) return;
    // Some events of OpenAI's streams contain the response, and some events of Anthropic's streams the message.
    const response = objectOf(event.response) ?? objectOf(event.message) ?? event;
    this.id ??= nameOf(response.id) ?? nameOf(response.responseId);
    this.model = nameOf(response.model) ?? nameOf(response.modelVersion) ?? this.model;
    this.provider ??= nameOf(response.provider);
    this.error ??= errorIn(event) ?? errorIn(response);
    this.#takeUsage(event, response);
    this.#takeOutput(event);
    this.#takeEnd(event, response);
  }

  /**
   * Keeps the newest value of each token count. If a later event does not state a count, as in Anthropic's streams, the
   * earlier value stays.
   */
  #takeUsage(event: JsonObject, response: JsonObject): void {
    const { usageMetadata, service_tier } = response;
    const usage = objectOf(response.usage) ?? objectOf(event.usage);
    if (usage !== undefined) {
      this.#stated.usage = newest(objectOf(this.#stated.usage) ?? {}, usage);
    }
    const metadata = objectOf(usageMetadata);
    if (metadata !== undefined) {
      this.#stated.usageMetadata = newest(objectOf(this.#stated.usageMetadata) ?? {}, metadata);
    }
    if (service_tier !== undefined) this.#stated.service_tier = service_tier;
  }

  #takeOutput(event: JsonObject): void {
    for (const { text, isOutput } of outputOf(event)) {
      this.hasOutput ||= isOutput;
      if (text !== undefined) this.text?.push(text);
    }
  }

  #takeEnd(event: JsonObject, response: JsonObject): void {
    const { type } = event;
    const candidate = firstOf(response.choices) ?? firstOf(response.candidates);
    const reason = textOf(candidate?.finish_reason) ?? textOf(candidate?.finishReason) ??
      textOf(objectOf(event.delta)?.stop_reason) ?? textOf(response.stop_reason) ??
      textOf(objectOf(response.incomplete_details)?.reason) ?? finalStatus(event, response);
    this.finishReason = reason ?? this.finishReason;
    // In streams of OpenAI's chat completions, an event without choices has the usage. It follows the events with the
    // finish reasons.
    const isUsage = type === undefined && Array.isArray(event.choices) &&
      event.choices.length === 0 && objectOf(event.usage) !== undefined;
    // In a stream, the final token counts come with the finish reason or after it. If no finish reason was read, some
    // of these counts may be missing, so the stream does not count as complete.
    const mayEnd = this.finishReason !== undefined && (isUsage || type === "message_stop");
    if (mayEnd || isFinal(type)) this.isComplete = true;
  }
}

/**
 * Merges the token counts of a later event of a stream into the counts of earlier events. A lower count is ignored,
 * because some gateways later state 0 for a count that they have stated before.
 */
function newest(before: JsonObject, after: JsonObject): JsonObject {
  const counts: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(after)) {
    const had = counts[name];
    if (value === null || typeof value === "number" && typeof had === "number" && value < had) {
      continue;
    }
    counts[name] = value;
  }
  return counts;
}

/** The types of the last event in a stream of OpenAI's Responses API. */
const FINAL = ["response.completed", "response.incomplete", "response.failed"];

function isFinal(type: unknown): boolean {
  return FINAL.includes(type as string);
}

/**
 * Returns the status of a response of OpenAI's Responses API, such as "completed"; `undefined` if the response has not
 * ended.
 */
function finalStatus(event: JsonObject, response: JsonObject): string | undefined {
  const isWhole = response.object === "response" && event === response;
  return isWhole || isFinal(event.type) ? textOf(response.status) : undefined;
}

/**
 * Returns the error that an object states; `undefined` if it states none. OpenAI states `error: null` in a response
 * without an error.
 */
function errorIn(object: JsonObject): JsonObject | undefined {
  if (object.type === "error" && object.error === undefined) return object;
  return objectOf(object.error) ??
    (typeof object.error === "string" ? { message: object.error } : undefined);
}

/** A piece of the output of a model. */
interface Output {
  /** Text of the answer; `undefined` for reasoning and tool calls. */
  readonly text: string | undefined;
  /**
   * `false` if the piece has no content, as the first piece of some streams. It then does not count as the first
   * output.
   */
  readonly isOutput: boolean;
}

/** Yields the pieces of output in a response or in an event of a stream. */
function* outputOf(event: JsonObject): Generator<Output> {
  // Reads OpenAI's chat completions, whole or in pieces.
  for (const choice of objectsOf(event.choices)) {
    const message = objectOf(choice.delta) ?? objectOf(choice.message);
    const text = textOf(message?.content) ?? textOf(choice.text);
    const isOutput = Boolean(text) || isAny(message?.tool_calls) || isAny(message?.reasoning) ||
      isAny(message?.reasoning_content) || isAny(message?.refusal);
    yield { text: text || undefined, isOutput };
  }
  // Reads responses of Gemini.
  for (const candidate of objectsOf(event.candidates)) {
    for (const part of objectsOf(objectOf(candidate.content)?.parts)) {
      yield { text: part.thought === true ? undefined : textOf(part.text), isOutput: true };
    }
  }
  // Reads streams of Anthropic and of OpenAI's Responses API, in which each event has a `type`.
  const delta = objectOf(event.delta);
  if (event.type === "content_block_delta") yield { text: textOf(delta?.text), isOutput: true };
  if (typeof event.type === "string" && /^response\..*\.delta$/.test(event.type)) {
    const isText = event.type === "response.output_text.delta";
    yield { text: isText ? textOf(event.delta) : undefined, isOutput: true };
  }
  // Reads whole messages of Anthropic, and whole responses of OpenAI's Responses API.
  for (const block of objectsOf(event.content)) yield { text: textOf(block.text), isOutput: true };
  for (const item of objectsOf(event.output)) {
    for (const part of objectsOf(item.content)) yield { text: textOf(part.text), isOutput: true };
  }
}

function isAny(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : typeof value === "string" && value !== "";
}

function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf).filter((each) => each !== undefined) : [];
}

function firstOf(value: unknown): JsonObject | undefined {
  return Array.isArray(value) ? objectOf(value[0]) : undefined;
}

/**
 * Returns a value if it is a non-empty text, else `undefined`. An empty ID is ignored, because some servers state one
 * in the first event of a stream.
 */
function nameOf(value: unknown): string | undefined {
  return textOf(value) || undefined;
}
