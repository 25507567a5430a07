/**
 * Recognizes requests to models by their path and body, and estimates what they may cost. Pure.
 *
 * @module
 */
import { costOf, pricesOf, type PriceTable } from "./prices.ts";
import { parsed } from "./response_facts.ts";
import { type JsonObject, objectOf } from "./usage.ts";

/** The API of a model call, by its shape. Many servers besides the provider's own speak OpenAI's. */
export type ModelApi =
  | "openai.chat"
  | "openai.completions"
  | "openai.responses"
  | "openai.embeddings"
  | "anthropic.messages"
  | "gemini.generate";

/** A request to a model. */
export interface ModelRequest {
  /** The API that the path and the body have. */
  readonly api: ModelApi;
  /** The provider that the API is from, by its name in LiteLLM's tables. */
  readonly provider: string;
  /** The model that is asked; `undefined` if the request does not name it. */
  readonly model: string | undefined;
  /** The parsed body; `undefined` if it is a stream. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** The body as it is sent; `undefined` if it is a stream. */
  readonly text: string | undefined;
}

interface Api {
  readonly api: ModelApi;
  readonly provider: string;
  readonly path: RegExp;
  /** The members of which a body of this API has at least one, and a body of other APIs has not. */
  readonly members: readonly string[];
}

const APIS: readonly Api[] = [
  { api: "openai.chat", provider: "openai", path: /\/chat\/completions$/, members: ["messages"] },
  { api: "openai.completions", provider: "openai", path: /\/completions$/, members: ["prompt"] },
  { api: "openai.embeddings", provider: "openai", path: /\/embeddings$/, members: ["input"] },
  {
    api: "openai.responses",
    provider: "openai",
    path: /\/responses$/,
    members: ["input", "prompt", "previous_response_id", "conversation"],
  },
  // OpenAI's threads have messages too, but their bodies do not.
  { api: "anthropic.messages", provider: "anthropic", path: /\/messages$/, members: ["messages"] },
  {
    api: "gemini.generate",
    provider: "gemini",
    path: /:(?:generateContent|streamGenerateContent)$/,
    members: ["contents"],
  },
];

/** Returns the API that a path may belong to; `undefined` if it belongs to no API of a model. */
export function apiOf(method: string, url: URL): Api | undefined {
  return method === "POST" ? APIS.find(({ path }) => path.test(url.pathname)) : undefined;
}

/**
 * Returns the request to a model.
 *
 * @param url The URL of the request.
 * @param api The API of its path, from {@linkcode apiOf}.
 * @param text The body; `undefined` if it is a stream of JSON, `null` if it is not JSON.
 * @returns The request; `undefined` if the body is not one of this API.
 */
export function modelRequestOf(
  url: URL,
  { api, provider, members }: Api,
  text: string | undefined | null,
): ModelRequest | undefined {
  if (text === null) return undefined;
  const body = text === undefined ? undefined : objectOf(parsed(text));
  const isOfApi = members.some((name) => body?.[name] !== undefined);
  if (text !== undefined && !isOfApi) return undefined;
  const { pathname } = url;
  const [, deployment] = /\/deployments\/([^/]+)\//.exec(pathname) ?? [];
  const [, pathModel] = /\/models\/([^/:]+):/.exec(pathname) ?? [];
  const model = typeof body?.model === "string" ? body.model : deployment ?? pathModel;
  return {
    api,
    provider: providerOf(pathname, provider, deployment),
    model,
    body,
    text,
  };
}

function providerOf(path: string, provider: string, deployment: string | undefined): string {
  if (deployment !== undefined && provider === "openai") return "azure";
  return path.includes("/publishers/google/") ? "vertex_ai" : provider;
}

/** Checks whether a request asks OpenAI's chat for a stream without its usage. */
export function leavesOutUsage({ api, body }: ModelRequest): boolean {
  if (api !== "openai.chat" && api !== "openai.completions") return false;
  return body?.stream === true && objectOf(body.stream_options)?.include_usage !== true;
}

/** What a call may use at most, as far as it is known before. */
export interface CallEstimate {
  /** Cost in USD; `undefined` if the price or the maximum of output tokens is unknown. */
  readonly usd?: number;
  /** Number of tokens, input and output together; `undefined` if the maximum of output tokens is unknown. */
  readonly tokens?: number;
  /** Number of calls; 1 by default. */
  readonly calls?: number;
}

/** Bytes of JSON per token, by the usual estimate of four characters of English. */
const BYTES_PER_TOKEN = 4;

/**
 * Estimates the most that a call may use: a token for every four bytes of the body, and as many output tokens as it may
 * have. If the body asks for caching, the input is priced as written to the cache.
 */
export function estimateOf(request: ModelRequest, prices: PriceTable | undefined): CallEstimate {
  const { api, body, text, provider, model } = request;
  const name = model === undefined ? undefined : `${provider}/${model}`;
  const output_t = api === "openai.embeddings"
    ? 0
    : outputMax(body, pricesOf(prices, name)?.max_output_tokens);
  if (text === undefined || output_t === undefined) return {};
  const input_t = Math.ceil(new TextEncoder().encode(text).length / BYTES_PER_TOKEN);
  const usage = { input_t, output_t, ...cacheWrites(text, input_t), ...tierOf(body ?? {}) };
  const cost = costOf(usage, prices, name)?.cost;
  return { tokens: input_t + output_t, ...(cost === undefined ? {} : { usd: cost }) };
}

/** Returns the maximum number of output tokens of a request, for all its choices together. */
function outputMax(body: JsonObject | undefined, ofModel: unknown): number | undefined {
  const config = objectOf(body?.generationConfig) ?? objectOf(body?.generation_config) ?? {};
  const stated = [
    body?.max_completion_tokens,
    body?.max_tokens,
    body?.max_output_tokens,
    config.maxOutputTokens,
    config.max_output_tokens,
    ofModel,
  ].find(isCount);
  const choices = [body?.n, config.candidateCount, config.candidate_count].find(isCount) ?? 1;
  const tried = isCount(body?.best_of) ? Math.max(body.best_of, choices) : choices;
  return stated === undefined ? undefined : stated * tried * promptCount(body?.prompt);
}

/** Returns the number of prompts of a legacy completion. A prompt can also be an array of tokens. */
function promptCount(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== "number" ? Math.max(prompt.length, 1) : 1;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Returns all input as written to a cache, if the request asks for that: Anthropic prices writes higher. */
function cacheWrites(text: string, input: number): object {
  if (!text.includes('"cache_control"')) return {};
  return { cache_write_t: input, cache_write_1h_t: /"ttl":\s*"1h"/.test(text) ? input : 0 };
}

/** Returns what makes a call cost more than the standard price. */
function tierOf({ service_tier: tier, speed, inference_geo }: JsonObject): object {
  const named = [tier, speed].find((each) => each === "priority" || each === "fast");
  return {
    ...(named === undefined ? {} : { service_tier: named }),
    ...(typeof inference_geo === "string" ? { inference_geo } : {}),
  };
}
