/**
 * Reads the request that a call of `fetch` will send, without changing or consuming the request.
 *
 * @module
 */

/** A request that is about to be sent. */
export interface SentRequest {
  readonly url: URL;
  readonly method: string;
  readonly signal: AbortSignal | undefined;
  /**
   * Returns a header of the request; `null` if the header is not set. Also `null` if the headers are an iterator, which
   * only `fetch` may read, because it can be read only once.
   */
  readonly header: (name: string) => string | null;
  /**
   * Resolves with the body as text. Resolves with `undefined` if the body is JSON that can be read only once, such as a
   * stream, because only `fetch` may read it. Resolves with `null` if there is no body or it has another form.
   */
  readonly text: () => Promise<string | undefined | null>;
}

/**
 * Returns the request that the arguments of `fetch` describe.
 *
 * @returns The request; `null` if the URL is invalid, because `fetch` will then reject the call.
 */
export function sentRequest(
  input: string | URL | Request,
  init: RequestInit | undefined,
): SentRequest | null {
  const request = input instanceof Request ? input : undefined;
  const href = request?.url ?? String(input);
  // A relative URL is resolved against `location`, which exists if the program runs with --location.
  const url = URL.parse(href, globalThis.location?.href);
  if (url === null) return null;
  const signal = init?.signal ?? request?.signal ?? undefined;
  const header = (name: string) => headerIn(init?.headers ?? request?.headers, name);
  return {
    url,
    method: String(init?.method ?? request?.method ?? "GET").toUpperCase(),
    signal,
    header,
    text: async () => {
      const body = init?.body ?? undefined;
      if (body !== undefined) return await bodyText(body, header);
      if (request === undefined || request.body === null || request.bodyUsed) return null;
      return await unlessAborted(request.clone().text(), signal);
    },
  };
}

function headerIn(headers: HeadersInit | undefined, name: string): string | null {
  if (headers instanceof Headers) return headers.get(name);
  if (headers === undefined) return null;
  const isList = Array.isArray(headers) || headers instanceof Map;
  // An iterator can be read only once, so only `fetch` may read it.
  if (!isList && Symbol.iterator in headers) return null;
  const entries: Iterable<readonly [string, string]> = isList
    ? headers as Iterable<[string, string]>
    : Object.entries(headers);
  return [...entries].find(([key]) => String(key).toLowerCase() === name)?.[1] ?? null;
}

async function bodyText(
  body: BodyInit,
  header: SentRequest["header"],
): Promise<string | undefined | null> {
  if (typeof body === "string") return body;
  if (body instanceof Blob) return await body.text();
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    return new TextDecoder().decode(body);
  }
  const isForm = body instanceof FormData || body instanceof URLSearchParams;
  return !isForm && header("content-type")?.includes("json") ? undefined : null;
}

/**
 * Resolves with the text. If `signal` is aborted or `text` rejects, resolves with `null`, because `fetch` will report
 * the error.
 */
function unlessAborted(
  text: Promise<string>,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  return new Promise((resolve) => {
    const stop = () => resolve(null);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    text.then(resolve, stop).finally(() => signal?.removeEventListener("abort", stop));
  });
}
