/**
 * Reads what a call of `fetch` will send, without changing it.
 *
 * @module
 */

/** A request that is about to be sent. */
export interface SentRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** Resolves with the body as text; with `undefined` if it is a stream or a form. */
  readonly text: () => Promise<string | undefined>;
}

/**
 * Returns the request that the arguments of `fetch` describe.
 *
 * @returns The request; `null` if `fetch` will reject the arguments.
 */
export function sentRequest(
  input: string | URL | Request,
  init: RequestInit | undefined,
): SentRequest | null {
  const request = input instanceof Request ? input : undefined;
  const href = request?.url ?? String(input);
  if (!URL.canParse(href)) return null;
  return {
    url: new URL(href),
    method: (init?.method ?? request?.method ?? "GET").toUpperCase(),
    headers: new Headers(init?.headers ?? request?.headers),
    signal: init?.signal ?? request?.signal ?? undefined,
    text: () => bodyText(init?.body ?? undefined, request),
  };
}

async function bodyText(
  body: BodyInit | undefined,
  request: Request | undefined,
): Promise<string | undefined> {
  if (body === undefined) {
    return request === undefined || request.body === null
      ? undefined
      : await request.clone().text();
  }
  if (typeof body === "string") return body;
  if (body instanceof Blob) return await body.text();
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    return new TextDecoder().decode(body);
  }
  return undefined;
}
