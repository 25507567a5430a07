/**
 * Requests of model calls, and functions that answer them in place of `fetch`.
 *
 * @module
 */
import type { FetchFunction } from "@vivarium/scout/llm";

/** Prices of the model that the requests ask for, in USD per token. */
export const PRICES = {
  small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6, max_output_tokens: 1_000 },
};
/** The messages of every request. */
export const MESSAGES = [{ role: "user", content: "Où est le début ? 起点在哪里?" }];

/** URL of OpenAI's chat, which no server answers. */
export const CHAT = "http://localhost/v1/chat/completions";

/** Returns the options of a request with a body. */
export function post(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body) };
}

/** Returns the options of a request to OpenAI's chat. */
export function chatRequest(more: object = {}): RequestInit {
  return post({ model: "small", messages: MESSAGES, max_tokens: 100, ...more });
}

/** Returns a fetch function that responds with a chat completion. The completion states the given token usage. */
export function withUsage(usage: object | undefined, model = "small-2026-02-13"): FetchFunction {
  return () =>
    Promise.resolve(Response.json({ id: crypto.randomUUID(), model, choices: [], usage }));
}

/** A server of OpenAI's chat that never ends an answer, until it is disposed. */
export interface HangingServer extends AsyncDisposable {
  /** URL of the chat. */
  readonly url: string;
}

/** Starts a server that sends the first event of a stream, or nothing if no stream is requested, and then waits. */
export function startHangingServer(): HangingServer {
  const end = Promise.withResolvers<void>();
  const chunk = { id: "c1", model: "small", choices: [{ index: 0, delta: { content: "a" } }] };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { stream } = await request.json();
    if (stream !== true) await end.promise;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(chunk)}\n\n`));
      },
      async pull(controller) {
        await end.promise;
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1/chat/completions`,
    async [Symbol.asyncDispose]() {
      end.resolve();
      await server.shutdown();
    },
  };
}
