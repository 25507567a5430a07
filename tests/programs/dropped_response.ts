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
// The first runs of the garbage collector may not collect the response, because the stack still refers to it.
for (let runs = 0; runs < 1_000 && events.length === 0; runs++) {
  gc();
  // The garbage collector calls its callbacks only in a later turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve));
  events = await log.lastEvents(1);
}
const [{ status, error } = {}] = events;
console.log(status, (error as { message: string } | undefined)?.message);
