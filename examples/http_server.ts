#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * An HTTP server that logs the beginning, the end and the cost of each request. If the server dies, its log shows
 * which requests it was answering. `/spend` returns the cost of the last hour.
 *
 *     examples/http_server.ts [port]
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [port = "8000"] = Deno.args;
const log = await AuditLog.open({ path: ".demo/http_server/audit.jsonl" });

/** Stands in for the call of a model: returns an answer and its cost in USD. */
function answer(question: string): { text: string; cost: number } {
  return { text: question.toUpperCase(), cost: question.length / 1e6 };
}

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  onListen: ({ hostname, port }) => console.log(`http://${hostname}:${port}/`),
}, async (request) => {
  const { pathname: path } = new URL(request.url);
  if (path === "/spend") return Response.json({ lastHour: await log.hourlySpend() });
  // If an error leaves this function, the call ends with the status "aborted".
  await using call = await log.begin("brief", { method: request.method, path });
  const { text, cost } = answer(await request.text());
  await call.end({ cost });
  return new Response(text);
});

Deno.addSignalListener("SIGINT", () => server.shutdown());
await server.finished;
await log.close();
