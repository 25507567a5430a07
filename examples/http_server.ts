#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo --allow-net=127.0.0.1
/**
 * An HTTP server that logs each request and its cost. `/spend` returns the cost of the last hour.
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
  const startMs = performance.now();
  const { pathname } = new URL(request.url);
  if (pathname === "/spend") return Response.json({ lastHour: await log.hourlySpend() });
  const { text, cost } = answer(await request.text());
  const duration_ms = performance.now() - startMs;
  await log.log("brief", { cost, duration_ms, method: request.method, path: pathname });
  return new Response(text);
});

Deno.addSignalListener("SIGINT", () => server.shutdown());
await server.finished;
await log.close();
