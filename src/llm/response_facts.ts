/**
 * Gathers what a response of a model states, from its JSON or from the events of its stream. Pure.
 *
 * Invariant: usage counts only if the response is complete. Counts before the end of a stream are too low.
 *
 * @module
 */
import { type JsonObject, objectOf, type TokenUsage, usageOf } from "./usage.ts";

/** The facts of one response. */
export class ResponseFacts {
  /** ID of the response. */
  id: string | undefined;
  /** Name of the model that answered. */
  model: string | undefined;
  /** Name of the provider, which gateways such as OpenRouter state. */
  provider: string | undefined;
  /** Why the model stopped: "stop", "end_turn", "MAX_TOKENS". */
  finishReason: string | undefined;
  /** The error that the response states. */
  error: JsonObject | undefined;
  /** `true` if the response states output of the model: text, reasoning or a tool call. */
  hasOutput = false;
  /** The text of the answer; `null` if it is not kept. */
  readonly text: string[] | null;
  /** `true` after the last event of a stream, or a whole JSON. */
  isComplete = false;
  /** The stated usage, in the provider's names. */
  readonly #stated: Record<string, unknown> = {};

  /**
   * Creates the facts of a response that has not come yet.
   *
   * @param keepsText If `true`, keeps the text of the answer.
   */
  constructor(keepsText: boolean) {
    this.text = keepsText ? [] : null;
  }

  /** The token usage; `undefined` if the response states none, or is not complete. */
  get usage(): TokenUsage | undefined {
    return this.isComplete ? usageOf(this.#stated) : undefined;
  }

  /** Reads the JSON of a whole response. Gemini sends an array of parts, if a stream is not asked for as events. */
  takeWhole(json: unknown): void {
    for (const part of Array.isArray(json) ? json : [json]) this.#take(part);
    this.isComplete = true;
  }

  /** Reads the data of an event of a stream. */
  takeEvent(data: string): void {
    // The end of OpenAI's streams.
    if (data === "[DONE]") this.isComplete = true;
    else this.#take(parsed(data));
  }

  /** Ends a stream. Some servers send no last event after the one with the finish reason. */
  end(): void {
    if (this.finishReason !== undefined) this.isComplete = true;
  }

  #take(json: unknown): void {
    const event = objectOf(json);
    if (event === undefined) return;
    // OpenAI's responses and Anthropic's messages are inside their first and last events.
    const response = objectOf(event.response) ?? objectOf(event.message) ?? event;
    this.id ??= nameOf(response.id) ?? nameOf(response.responseId);
    this.model = nameOf(response.model) ?? nameOf(response.modelVersion) ?? this.model;
    this.provider ??= nameOf(response.provider);
    this.error ??= errorIn(event) ?? errorIn(response);
    this.#takeUsage(event, response);
    this.#takeOutput(event);
    this.#takeEnd(event, response);
  }

  /** Keeps the newest counts. The later events of Anthropic's streams state only some of them. */
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
    // In OpenAI's chat, the usage comes in an event without choices, after those with the finish reasons.
    const isUsage = type === undefined && Array.isArray(event.choices) &&
      event.choices.length === 0 && objectOf(event.usage) !== undefined;
    // Without a finish reason, the event with the last counts did not come.
    const mayEnd = this.finishReason !== undefined && (isUsage || type === "message_stop");
    if (mayEnd || isFinal(type)) this.isComplete = true;
  }
}

/**
 * Returns the counts of an earlier event of a stream with those of a later one. A count never falls, but some gateways state
 * 0 for what they have stated before.
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

/** The last events of OpenAI's streams of responses. */
const FINAL = ["response.completed", "response.incomplete", "response.failed"];

function isFinal(type: unknown): boolean {
  return FINAL.includes(type as string);
}

/** Returns the status of a response of OpenAI that has ended. */
function finalStatus(event: JsonObject, response: JsonObject): string | undefined {
  const isWhole = response.object === "response" && event === response;
  return isWhole || isFinal(event.type) ? textOf(response.status) : undefined;
}

/** Returns the error that an object states. A response without an error of OpenAI states `null`. */
function errorIn(object: JsonObject): JsonObject | undefined {
  if (object.type === "error" && object.error === undefined) return object;
  return objectOf(object.error) ??
    (typeof object.error === "string" ? { message: object.error } : undefined);
}

/** A piece of the output of a model. */
interface Output {
  /** Text of the answer; `undefined` for reasoning and tool calls. */
  readonly text: string | undefined;
  /** `false` for a piece that only begins a part. */
  readonly isOutput: boolean;
}

/** Yields the pieces of output in a response or in an event of a stream. */
function* outputOf(event: JsonObject): Generator<Output> {
  // OpenAI's chat completions, whole or in pieces.
  for (const choice of objectsOf(event.choices)) {
    const message = objectOf(choice.delta) ?? objectOf(choice.message);
    const text = textOf(message?.content) ?? textOf(choice.text);
    const isOutput = Boolean(text) || isAny(message?.tool_calls) || isAny(message?.reasoning) ||
      isAny(message?.reasoning_content) || isAny(message?.refusal);
    yield { text: text || undefined, isOutput };
  }
  // Gemini.
  for (const candidate of objectsOf(event.candidates)) {
    for (const part of objectsOf(objectOf(candidate.content)?.parts)) {
      yield { text: part.thought === true ? undefined : textOf(part.text), isOutput: true };
    }
  }
  // Anthropic's and OpenAI's streams name their events.
  const delta = objectOf(event.delta);
  if (event.type === "content_block_delta") yield { text: textOf(delta?.text), isOutput: true };
  if (typeof event.type === "string" && /^response\..*\.delta$/.test(event.type)) {
    const isText = event.type === "response.output_text.delta";
    yield { text: isText ? textOf(event.delta) : undefined, isOutput: true };
  }
  // Whole messages of Anthropic, and whole responses of OpenAI.
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

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Returns a text that is not empty. Some servers state an empty ID in the first event of a stream. */
function nameOf(value: unknown): string | undefined {
  return textOf(value) || undefined;
}

const BYTE_ORDER_MARK = "\uFEFF";

/** Returns the parsed JSON; `undefined` if it is not JSON. */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json.startsWith(BYTE_ORDER_MARK) ? json.slice(1) : json);
  } catch {
    // Some servers send keep-alives as data that is not JSON.
    return undefined;
  }
}
