/**
 * A Worker that answers HTTP requests as the API of a language model does: with 1 kB of JSON, or with a stream of as
 * many chunks as the request asks for. Posts the number of its port when it listens.
 *
 * @module
 */
const encoder = new TextEncoder();
const usage = { prompt_tokens: 812, completion_tokens: 40, total_tokens: 852 };
const common = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "small" };
const message = { role: "assistant", content: "x".repeat(850) };
const answer = JSON.stringify({
  ...common,
  object: "chat.completion",
  choices: [{ index: 0, message, finish_reason: "stop" }],
  usage,
});

function event(data: object): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(data)}\n\n`);
}

function stream(chunks: number): ReadableStream<Uint8Array> {
  let n = 0;
  return new ReadableStream({
    pull(controller) {
      if (n++ < chunks) {
        const delta = { content: ` word ${n}` };
        controller.enqueue(
          event({ ...common, choices: [{ index: 0, delta, finish_reason: null }] }),
        );
        return;
      }
      const last = { index: 0, delta: {}, finish_reason: "stop" };
      controller.enqueue(event({ ...common, choices: [last], usage }));
      controller.enqueue(encoder.encode("data: [DONE]\n\n"));
      controller.close();
    },
  });
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const { stream: isStream, max_tokens } = await request.json();
  const type = isStream === true ? "text/event-stream" : "application/json";
  return new Response(isStream === true ? stream(max_tokens) : answer, {
    headers: { "content-type": type },
  });
});
(globalThis as unknown as Worker).postMessage(server.addr.port);
