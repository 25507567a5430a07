/**
 * Makes a model call, drops the response without reading it, and prints the event when the garbage collector has run.
 *
 *     deno run --v8-flags=--expose-gc dropped_response.ts PATH
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { auditedFetch } from "@vivarium/scout/llm";

const { gc } = globalThis as unknown as { gc: () => void };
const [path = ""] = Deno.args;
await using log = await AuditLog.open(path);
const audited = auditedFetch(log, {
  fetch: () => Promise.resolve(Response.json({ model: "small" })),
});

async function call(): Promise<void> {
  const body = JSON.stringify({ model: "small", messages: [] });
  await audited("http://localhost/v1/chat/completions", { method: "POST", body });
}

await call();
let events = await log.lastEvents(1);
// The first run of the collector may still find the response on the stack.
for (let runs = 0; runs < 1_000 && events.length === 0; runs++) {
  gc();
  // Callbacks of the garbage collector run in a later turn.
  await new Promise((resolve) => setTimeout(resolve));
  events = await log.lastEvents(1);
}
const [{ status, error } = {}] = events;
console.log(status, (error as { message: string } | undefined)?.message);
