/**
 * Reads the token usage that a model's response states, and returns it under the field names of the log. Pure.
 *
 * Providers count differently: Anthropic's `input_tokens` leave out cached tokens. Gemini's `candidatesTokenCount` and
 * xAI's `completion_tokens` leave out reasoning. The fields of the log, `input_t` and `output_t`, are always totals.
 *
 * @module
 */
import { amountOf, type JsonObject, objectOf } from "./json_values.ts";

/** Token usage of a call. Totals include their parts; a part that is 0 or not stated is left out. */
export interface TokenUsage {
  /** Number of all input tokens, including tokens that are read from or written to a cache. */
  readonly input_t?: number;
  /** Number of all output tokens, including reasoning. */
  readonly output_t?: number;
  /** Number of input tokens read from a cache. */
  readonly cache_read_t?: number;
  /** Number of input tokens written to a cache. */
  readonly cache_write_t?: number;
  /** The part of `cache_write_t` that is cached for an hour, which Anthropic prices higher. */
  readonly cache_write_1h_t?: number;
  /** Number of output tokens that the model used for reasoning. */
  readonly reasoning_t?: number;
  /** Number of input tokens of audio. */
  readonly audio_input_t?: number;
  /** Number of output tokens of audio. */
  readonly audio_output_t?: number;
  /** Number of input tokens of images, if the provider counts these tokens separately. */
  readonly image_input_t?: number;
  /** Number of output tokens of images. */
  readonly image_output_t?: number;
  /** The service tier, if it does not have the standard price, such as "flex", "priority" or "fast". */
  readonly service_tier?: string;
  /** The region in which the model ran, if Anthropic states one whose price may differ, such as "us". */
  readonly inference_geo?: string;
  /** Cost in USD, if the provider states it. */
  readonly cost?: number;
}

/**
 * Returns the token usage that a response states.
 *
 * Reads the responses of OpenAI (chat completions, responses, embeddings) and of servers that are compatible with it,
 * of Anthropic and of Gemini; the last events of their streams; and the `usage` of the Vercel AI SDK.
 *
 * @param body The parsed JSON of a response, of an event of a stream, or of a `usage` alone.
 * @returns The usage; `undefined` if the value states none.
 *
 * @example
 * ```ts
 * import { usageOf } from "@vivarium/scout/llm";
 * import { assertEquals } from "@std/assert";
 *
 * // Anthropic's input_tokens leave out cached tokens.
 * const usage = { input_tokens: 20, cache_read_input_tokens: 1000, output_tokens: 50 };
 * assertEquals(usageOf({ usage }), { input_t: 1020, output_t: 50, cache_read_t: 1000 });
 * ```
 */
export function usageOf(body: unknown): TokenUsage | undefined {
  const outer = objectOf(body);
  if (outer === undefined) return undefined;
  // The last event of an OpenAI stream may contain the response. The first event of an Anthropic stream contains the
  // message.
  const response = objectOf(outer.response) ?? objectOf(outer.message) ?? outer;
  const usage = objectOf(response.usage) ?? objectOf(response.usageMetadata) ??
    objectOf(outer.usage) ?? response;
  const tokens = tokensOf(usage);
  const cost = costIn(usage);
  if (tokens === undefined && cost === undefined) return undefined;
  return {
    ...tokens,
    ...withTier([
      usage.speed,
      usage.service_tier,
      response.service_tier,
      usage.serviceTier,
      usage.trafficType,
    ]),
    ...withRegion(usage.inference_geo),
    ...(cost === undefined ? {} : { cost }),
  };
}

/** The parts of the total numbers of tokens that a usage states, such as the cached tokens. */
interface Parts {
  readonly read?: number | undefined;
  readonly write?: number | undefined;
  readonly write1h?: number | undefined;
  readonly reasoning?: number | undefined;
  readonly audioInput?: number | undefined;
  readonly audioOutput?: number | undefined;
  readonly imageInput?: number | undefined;
  readonly imageOutput?: number | undefined;
}

/** The members of a usage that only Anthropic's messages have. */
const ANTHROPIC: readonly string[] = [
  "cache_read_input_tokens",
  "cache_creation_input_tokens",
  "cache_creation",
  "iterations",
];

function tokensOf(usage: JsonObject): TokenUsage | undefined {
  if ("prompt_tokens" in usage) return ofChat(usage);
  if ("promptTokenCount" in usage || "candidatesTokenCount" in usage) return ofGemini(usage);
  if ("input_tokens" in usage || "output_tokens" in usage) {
    return ANTHROPIC.some((name) => name in usage) ? ofAnthropic(usage) : ofResponses(usage);
  }
  if ("inputTokens" in usage || "outputTokens" in usage) return ofAiSdk(usage);
  if ("tokens" in usage) return totals(countOf(usage.tokens), 0, {});
  return undefined;
}

/** Reads the usage of OpenAI's chat completions and embeddings, with members that only compatible servers have. */
function ofChat(usage: JsonObject): TokenUsage | undefined {
  const input = objectOf(usage.prompt_tokens_details) ?? {};
  const output = objectOf(usage.completion_tokens_details) ?? {};
  const read = countOf(input.cached_tokens) ?? countOf(usage.prompt_cache_hit_tokens) ??
    countOf(usage.cache_read_input_tokens);
  const write = countOf(input.cache_write_tokens) ?? countOf(usage.cache_creation_input_tokens);
  return ofOpenAi(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, {
    read,
    write,
    reasoning: countOf(output.reasoning_tokens),
    audioInput: countOf(input.audio_tokens),
    audioOutput: countOf(output.audio_tokens),
    imageInput: countOf(input.image_tokens),
    imageOutput: countOf(output.image_tokens),
  });
}

function ofResponses(usage: JsonObject): TokenUsage | undefined {
  const input = objectOf(usage.input_tokens_details) ?? {};
  const output = objectOf(usage.output_tokens_details) ?? {};
  return ofOpenAi(usage.input_tokens, usage.output_tokens, usage.total_tokens, {
    read: countOf(input.cached_tokens),
    write: countOf(input.cache_write_tokens),
    reasoning: countOf(output.reasoning_tokens),
    imageInput: countOf(input.image_tokens),
    imageOutput: countOf(output.image_tokens),
  });
}

/** Returns the usage from the counts in a response of OpenAI or of a compatible server. */
function ofOpenAi(
  prompt: unknown,
  completion: unknown,
  total: unknown,
  parts: Parts,
): TokenUsage | undefined {
  const cached = (parts.read ?? 0) + (parts.write ?? 0);
  const input = withParts(countOf(prompt), cached);
  const stated = countOf(completion);
  const rest = difference(countOf(total), input);
  // Some servers count cached tokens twice in the total, so the difference of the total and the input is too large by
  // these tokens.
  const isDoubled = stated !== undefined && rest === stated + cached;
  // Gemini and xAI count reasoning in the total, but not in the completion, so the larger number is the output.
  // Responses of embeddings state no completion.
  const output = isDoubled ? stated : larger(stated, rest);
  return totals(input, withParts(output, parts.reasoning ?? 0), parts);
}

/**
 * Reads the usage of Anthropic's messages. Adds the tokens of compactions (model calls that shorten the context),
 * because they are billed although the totals omit them.
 */
function ofAnthropic(usage: JsonObject): TokenUsage | undefined {
  const { iterations } = usage;
  const compactions = Array.isArray(iterations)
    ? iterations.map(objectOf).filter((each) => each?.type === "compaction")
    : [];
  const all = [usage, ...compactions].map((each) => ofIteration(each!));
  return all.reduce((sum, each) => each && sum && added(sum, each), {});
}

/** Returns the sum of two token usages, count by count. */
function added(a: TokenUsage, b: TokenUsage): TokenUsage {
  const counts: Record<string, number> = { ...a as Record<string, number> };
  for (const [name, count] of Object.entries(b)) counts[name] = (counts[name] ?? 0) + count;
  return counts;
}

function ofIteration(usage: JsonObject): TokenUsage | undefined {
  const writes = objectOf(usage.cache_creation) ?? {};
  const read = countOf(usage.cache_read_input_tokens);
  const write1h = countOf(writes.ephemeral_1h_input_tokens);
  const write = countOf(usage.cache_creation_input_tokens) ??
    sum(countOf(writes.ephemeral_5m_input_tokens), write1h);
  const uncached = countOf(usage.input_tokens);
  const input = uncached === undefined ? undefined : uncached + (read ?? 0) + (write ?? 0);
  const details = objectOf(usage.output_tokens_details) ?? {};
  const reasoning = countOf(details.thinking_tokens) ?? countOf(details.reasoning_tokens);
  return totals(input, countOf(usage.output_tokens), { read, write, write1h, reasoning });
}

function ofGemini(usage: JsonObject): TokenUsage | undefined {
  const reasoning = countOf(usage.thoughtsTokenCount);
  const prompt = sum(countOf(usage.promptTokenCount), countOf(usage.toolUsePromptTokenCount));
  // If a response has no candidates, for example because the prompt was blocked, Gemini omits `candidatesTokenCount`.
  // The output is then the total minus the prompt.
  const output = larger(
    sum(countOf(usage.candidatesTokenCount), reasoning),
    difference(countOf(usage.totalTokenCount), prompt),
  );
  return totals(prompt, output, {
    read: countOf(usage.cachedContentTokenCount),
    reasoning,
    audioInput: ofModality(usage.promptTokensDetails, "AUDIO"),
    audioOutput: ofModality(usage.candidatesTokensDetails, "AUDIO"),
    imageInput: ofModality(usage.promptTokensDetails, "IMAGE"),
    imageOutput: ofModality(usage.candidatesTokensDetails, "IMAGE"),
  });
}

function ofAiSdk(usage: JsonObject): TokenUsage | undefined {
  const input = objectOf(usage.inputTokenDetails) ?? {};
  const output = objectOf(usage.outputTokenDetails) ?? {};
  return totals(countOf(usage.inputTokens), countOf(usage.outputTokens), {
    read: countOf(input.cacheReadTokens) ?? countOf(usage.cachedInputTokens),
    write: countOf(input.cacheWriteTokens),
    reasoning: countOf(output.reasoningTokens) ?? countOf(usage.reasoningTokens),
  });
}

/**
 * Returns the usage with the given total numbers of input and output tokens, and their parts. Returns `undefined` if
 * one of the totals is missing.
 */
function totals(
  stated: number | undefined,
  output: number | undefined,
  parts: Parts,
): TokenUsage | undefined {
  const input = withParts(stated, (parts.read ?? 0) + (parts.write ?? 0));
  if (!Number.isSafeInteger(input) || !Number.isSafeInteger(output)) return undefined;
  const named = {
    cache_read_t: parts.read,
    cache_write_t: parts.write,
    cache_write_1h_t: parts.write1h,
    reasoning_t: parts.reasoning,
    audio_input_t: parts.audioInput,
    audio_output_t: parts.audioOutput,
    image_input_t: parts.imageInput,
    image_output_t: parts.imageOutput,
  };
  const set = Object.fromEntries(
    Object.entries(named).filter(([, count]) => count !== undefined && count > 0),
  );
  return { input_t: input!, output_t: output!, ...set };
}

/**
 * Returns a total that includes its parts. Some servers and instrumentations leave cached tokens or reasoning out of
 * the total. If the parts exceed the stated total, it cannot include them, so they are added.
 */
function withParts(total: number | undefined, parts: number): number | undefined {
  return total === undefined || parts <= total ? total : total + parts;
}

function ofModality(details: unknown, modality: string): number | undefined {
  if (!Array.isArray(details)) return undefined;
  return details.map(objectOf)
    .filter((each) => each?.modality === modality)
    .reduce<number | undefined>((all, each) => sum(all, countOf(each?.tokenCount)), undefined);
}

/** The names that providers use for the service tier with the standard price. */
const STANDARD_TIERS: readonly string[] = ["", "standard", "default", "auto", "on_demand"];

/** Returns the first stated service tier that does not have the standard price. */
function withTier(stated: readonly unknown[]): { service_tier?: string } {
  const tier = stated.filter((each) => typeof each === "string")
    // Gemini on Vertex AI names its tiers ON_DEMAND, ON_DEMAND_PRIORITY and ON_DEMAND_FLEX.
    .map((each) => each.toLowerCase().replace("on_demand_", ""))
    .find((each) => !STANDARD_TIERS.includes(each));
  return tier === undefined ? {} : { service_tier: tier };
}

function withRegion(region: unknown): { inference_geo?: string } {
  const isApart = typeof region === "string" && !["", "global", "not_available"].includes(region);
  return isApart ? { inference_geo: region } : {};
}

/**
 * Returns the cost in USD that a provider states: `usage.cost` of OpenRouter, `usage.cost.total_cost` of Perplexity. If
 * the user has a key of the model's provider, OpenRouter's `cost` is only its own fee. The amount that the provider
 * bills to that key is then added.
 */
function costIn(usage: JsonObject): number | undefined {
  const cost = amountOf(usage.cost) ?? amountOf(objectOf(usage.cost)?.total_cost);
  if (cost === undefined || usage.is_byok !== true) return cost;
  const upstream = amountOf(objectOf(usage.cost_details)?.upstream_inference_cost);
  return upstream === undefined ? undefined : cost + upstream;
}

/** Returns a value if it is a number of tokens, else `undefined`. */
function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? a ?? b : Math.max(a, b);
}

function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.max(a - b, 0);
}
