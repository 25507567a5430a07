/**
 * A program that the benchmark measures, for `@vivarium/scout/llm`: it calls a server on this machine with plain
 * `fetch` and with `auditedFetch`, which logs each call.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { auditedFetch, type FetchFunction } from "@vivarium/scout/llm";
import { type Outcome, takeTurns, timed } from "./contender.ts";
import { median } from "./row.ts";

const PRICES = { small: { input_cost_per_token: 2e-6, output_cost_per_token: 8e-6 } };

const worker = new Worker(new URL("./llm_server.ts", import.meta.url).href, { type: "module" });
const url = await new Promise<string>((resolve) => {
  worker.onmessage = ({ data }) => resolve(`http://127.0.0.1:${data}/v1/chat/completions`);
});

/** Makes `calls` model calls one after the other. Resolves with the median of their times in milliseconds. */
async function callsOf(
  fetch: FetchFunction,
  { calls, chunks }: { calls: number; chunks: number },
): Promise<Outcome> {
  const body = JSON.stringify({
    model: "small",
    max_tokens: Math.max(chunks, 1),
    messages: [{ role: "user", content: "x".repeat(850) }],
    stream: chunks > 0,
    stream_options: { include_usage: true },
  });
  const elapsed: number[] = [];
  for (let n = 0; n < calls; n++) {
    elapsed.push(
      await timed(async () => {
        const response = await fetch(url, { method: "POST", body });
        let bytes = 0;
        for await (const { length } of response.body!) bytes += length;
        if (bytes < 850) {
          throw new Error(`Cannot use this call: the response has only ${bytes} bytes`);
        }
      }),
    );
  }
  return { elapsedMs: median(elapsed) };
}

/** Makes model calls with `auditedFetch`, and checks that each of them was logged. */
async function audited(
  { path, calls, chunks }: { path: string; calls: number; chunks: number },
  options: { hold: boolean },
): Promise<Outcome> {
  await using log = await AuditLog.open({ path });
  const budget = options.hold
    ? [await log.budget({ name: "run", limit: { usd: 1e6 }, hours: 1 })]
    : [];
  const outcome = await callsOf(auditedFetch(log, { prices: PRICES, budget }), { calls, chunks });
  let logged = 0;
  for await (const { status, cost } of log.query({ eventType: "llm_call" })) {
    logged += Number(status === "ok" && cost! > 0);
  }
  if (logged !== calls) {
    throw new Error(`Cannot use this round: found ${logged} of ${calls} calls in the log`);
  }
  return outcome;
}

const numbers = (round: { readonly [name: string]: string | number }) => ({
  path: String(round.path),
  calls: Number(round.events),
  chunks: Number(round.chunks),
});

await takeTurns({
  plain: (round) => callsOf(fetch, numbers(round)),
  audited: (round) => audited(numbers(round), { hold: false }),
  held: (round) => audited(numbers(round), { hold: true }),
});
worker.terminate();
