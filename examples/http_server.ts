#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * An HTTP server that calls a model for each request. A budget limits the cost per hour. If the budget has no room, the
 * response states when the client can try again. If the server dies, its log shows the requests that it was answering,
 * and the maximum cost of their calls. `/spend` returns the amounts of the budget.
 *
 *     examples/http_server.ts [port] [USD per hour]
 *
 * @module
 */
import { AuditLog, BudgetError } from "@vivarium/scout";

const [port = "8000", usd = "1"] = Deno.args;
const log = await AuditLog.open({ path: ".demo/http_server/audit.jsonl" });
const budget = await log.budget({ name: "server", limit: { usd: Number(usd) }, hours: 1 });

/** Stands in for the call of a model: returns an answer and its cost in USD, which is known only afterwards. */
function answer(question: string): { text: string; cost: number } {
  return { text: question.toUpperCase(), cost: question.length / 1e6 };
}

/** The most that an answer may cost, in USD. */
const estimate = (question: string): number => 2 * question.length / 1e6;

async function respond(request: Request): Promise<Response> {
  const { pathname: path } = new URL(request.url);
  if (path === "/spend") return Response.json(await budget.state());
  // If this function throws, the span of the request ends with the status "aborted".
  await using call = await log.begin("request", { method: request.method, path });
  const question = await request.text();
  // If answer() throws, `await using` charges the whole reserved amount, because the provider may have charged for the
  // call.
  await using hold = await budget.hold({ usd: estimate(question), fields: { parent: call.id } });
  const { text, cost } = answer(question);
  await hold.settle("llm_call", { cost });
  await call.end();
  return new Response(text);
}

/** Returns the response to a request for which the budget has no room. */
function refusal({ message, retryAfterMs }: BudgetError): Response {
  const headers: HeadersInit = retryAfterMs === null
    ? {}
    : { "retry-after": `${Math.ceil(retryAfterMs / 1000)}` };
  return new Response(message, { status: 429, headers });
}

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  onListen: ({ hostname, port }) => console.log(`http://${hostname}:${port}/`),
}, async (request) => {
  try {
    return await respond(request);
  } catch (error) {
    if (error instanceof BudgetError) return refusal(error);
    throw error;
  }
});

Deno.addSignalListener("SIGINT", () => server.shutdown());
await server.finished;
await log.close();
