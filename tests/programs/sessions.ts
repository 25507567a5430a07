/**
 * Opens a log in the main isolate and in Workers, and prints the session IDs.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

const [path = "", order = ""] = Deno.args;

/** Runs the program in a Worker. Returns the session IDs that the Worker posts. */
async function inWorker(program: string): Promise<string[]> {
  const worker = new Worker(new URL(program, import.meta.url), { type: "module" });
  const { promise, resolve } = Promise.withResolvers<string[]>();
  worker.onmessage = (event) => resolve(event.data);
  worker.postMessage(path);
  const ids = await promise;
  worker.terminate();
  return ids;
}

const ids: string[] = [];
if (order === "worker_only") {
  ids.push(...await inWorker("./session_worker.ts"));
} else {
  const program = order === "reopening" ? "./reopening_worker.ts" : "./session_worker.ts";
  const log = await AuditLog.open({ path });
  ids.push(log.sessionId, ...(await Promise.all([inWorker(program), inWorker(program)])).flat());
  await log.close();
}
console.log(JSON.stringify({ pid: Deno.pid, ids }));
