/**
 * Recognizes requests to models by their path and body. Pure.
 *
 * @module
 */
import { objectOf, parsed } from "./json_values.ts";

/** The API of a model call, by the form of the request. Many servers of other providers offer OpenAI's APIs. */
export type ModelApi =
  | "openai.chat"
  | "openai.completions"
  | "openai.responses"
  | "openai.embeddings"
  | "anthropic.messages"
  | "gemini.generate";

/** A request to a model. */
export interface ModelRequest {
  /** The API that the path and the body of the request belong to. */
  readonly api: ModelApi;
  /** The name that the provider of the API has in LiteLLM's tables of prices. */
  readonly provider: string;
  /** The name of the requested model; `undefined` if the request does not name a model. */
  readonly model: string | undefined;
  /** The parsed body of the request; `undefined` if the body is a stream. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** The body of the request as it is sent; `undefined` if the body is a stream. */
  readonly text: string | undefined;
}

interface Api {
  readonly api: ModelApi;
  readonly provider: string;
  readonly path: RegExp;
  /**
   * The members by which a body of this API is recognized: it has at least one of them. Requests to the same path that
   * are not model calls have none.
   */
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
  // Paths of OpenAI's threads API end with "/messages" too. The bodies of such requests have no member `messages`, so
  // they are not taken for Anthropic's.
  { api: "anthropic.messages", provider: "anthropic", path: /\/messages$/, members: ["messages"] },
  {
    api: "gemini.generate",
    provider: "gemini",
    path: /:(?:generateContent|streamGenerateContent)$/,
    members: ["contents"],
  },
];

/**
 * Returns the API that a request may belong to by its method and path; `undefined` if the request is not a model call.
 */
export function apiOf(method: string, url: URL): Api | undefined {
  return method === "POST" ? APIS.find(({ path }) => path.test(pathOf(url))) : undefined;
}

/**
 * Returns the model call that a request makes.
 *
 * @param url The URL of the request.
 * @param api The API to which the path belongs, from {@linkcode apiOf}.
 * @param text The body of the request; `undefined` if the body is a stream of JSON, `null` if it is not JSON.
 * @returns The model call; `undefined` if the body shows that the request is not a call of this API.
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
  const path = pathOf(url);
  const [, deployment] = /\/deployments\/([^/]+)\//.exec(path) ?? [];
  const [, pathModel] = /\/models\/([^:]+):/.exec(path) ?? [];
  const model = typeof body?.model === "string" ? body.model : deployment ?? pathModel;
  return {
    api,
    provider: providerOf(path, provider, deployment),
    model,
    body,
    text,
  };
}

/** Returns the percent-decoded path of a URL. Omits a slash at the end, because servers ignore a slash there. */
function pathOf({ pathname }: URL): string {
  const path = pathname.endsWith("/") ? pathname.slice(0, -1) : pathname;
  try {
    return decodeURIComponent(path);
  } catch {
    // The path has a "%" that does not begin a valid percent-encoding.
    return path;
  }
}

function providerOf(path: string, provider: string, deployment: string | undefined): string {
  if (deployment !== undefined && provider === "openai") return "azure";
  return path.includes("/publishers/google/") ? "vertex_ai" : provider;
}

/**
 * Checks whether a request to OpenAI's completions asks for a stream, but not for its token usage. The response then
 * states no usage, so the cost is unknown.
 */
export function leavesOutUsage({ api, body }: ModelRequest): boolean {
  if (api !== "openai.chat" && api !== "openai.completions") return false;
  return body?.stream === true && objectOf(body.stream_options)?.include_usage !== true;
}
