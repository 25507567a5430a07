/**
 * Logs from two Workers at the same time. With the argument "chain", the lines form a hash chain. With "holds", the
 * main isolate logs too, and one of the Workers rotates.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import type { WritingOrder } from "./writing_worker.ts";

const [path = "", by = "", count = "", rotationSizeBytes = "", manner = ""] = Deno.args;

/** Runs a Worker until it has finished. */
async function runWorker(order: WritingOrder): Promise<void> {
  const worker = new Worker(new URL("./writing_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.onmessage = resolve;
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(order);
  await promise;
  worker.terminate();
}

/** Logs events in the main isolate until the Workers have finished. Returns the number of these events. */
async function holdOpen(log: AuditLog, workers: Promise<unknown>): Promise<number> {
  let isOver = false;
  workers.finally(() => isOver = true);
  let n = 0;
  while (!isOver) await log.log("nav", { by: "main", n: n++ });
  return n;
}

const order = {
  path,
  count: Number(count),
  rotationSizeBytes: Number(rotationSizeBytes),
  chain: manner === "chain",
};
if (manner === "holds") {
  const log = await AuditLog.open({ path, rotationSizeBytes: order.rotationSizeBytes });
  const workers = Promise.all([
    runWorker({ ...order, by: "rotates", rotateEvery: 20 }),
    runWorker({ ...order, by: "appends" }),
  ]);
  console.log(await holdOpen(log, workers));
  await workers;
  await log.close();
} else {
  await Promise.all(["1", "2"].map((name) => runWorker({ ...order, by: by + name })));
}
