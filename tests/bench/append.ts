/**
 * Appending, against a loop in plain Deno that keeps the same promise by hand: one write per event
 * and one `fdatasync` every 10. Every figure is a ratio of rounds that ran in turn, each of which
 * is void unless the file holds as many lines as were logged.
 *
 * Run it with `deno task bench`; nothing here passes or fails.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { join } from "@std/path";

const ROUNDS = 5;
const SESSION_ID = "ba23efc1-b556-4f22-a920-468f46424c3f";

interface Workload {
  name: string;
  events: number;
  run: (path: string, events: number) => Promise<void>;
}

const fields = (n: number) => ({ cost: 0.001, model: "small", input_t: 1000, output_t: n % 1000 });

const rawLoop: Workload = {
  name: "raw loop, one producer, fdatasync every 10",
  events: 10_000,
  run(path, events) {
    const encoder = new TextEncoder();
    using file = Deno.openSync(path, { append: true, create: true });
    for (let n = 0; n < events; n++) {
      const ts = new Date().toISOString();
      const record = { ts, event: "nav", session_id: SESSION_ID, ...fields(n) };
      file.writeSync(encoder.encode(`${JSON.stringify(record)}\n`));
      if (n % 10 === 9) file.syncDataSync();
    }
    return Promise.resolve();
  },
};

const workloads: readonly Workload[] = [
  {
    name: "un-awaited, a yield every 1,000",
    events: 200_000,
    async run(path, events) {
      await using log = await openLog(path);
      for (let n = 0; n < events; n++) {
        log.log("nav", fields(n));
        if (n % 1_000 === 999) await turn();
      }
    },
  },
  {
    name: "64 producers, each awaiting every event",
    events: 64_000,
    async run(path, events) {
      await using log = await openLog(path);
      await Promise.all(Array.from({ length: 64 }, async () => {
        for (let n = 0; n < events / 64; n++) await log.log("nav", fields(n));
      }));
    },
  },
  {
    name: "one producer awaiting every event",
    events: 10_000,
    async run(path, events) {
      await using log = await openLog(path);
      for (let n = 0; n < events; n++) await log.log("nav", fields(n));
    },
  },
];

/** A log that is not rotated, so that what is measured is appending. */
function openLog(path: string): Promise<AuditLog> {
  const rotationSizeBytes = Number.MAX_SAFE_INTEGER;
  return AuditLog.open({ path, sessionId: SESSION_ID, rotationSizeBytes });
}

/** Lets the event loop turn once, in far less than a timer takes. */
function turn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const { promise, resolve } = Promise.withResolvers<void>();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(undefined);
  return promise;
}

/** Events per second of one round; throws when the file does not hold what was logged. */
async function measure(workload: Workload, dir: string): Promise<number> {
  const path = join(dir, "audit.jsonl");
  const startMs = performance.now();
  await workload.run(path, workload.events);
  const elapsedSec = (performance.now() - startMs) / 1000;
  const lines = Deno.readTextFileSync(path).split("\n").length - 1;
  if (lines !== workload.events) {
    throw new Error(`${lines} of ${workload.events} lines in the file`);
  }
  Deno.removeSync(path);
  return workload.events / elapsedSec;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.main) {
  // Beside the code rather than in a temporary directory, which may lie in memory.
  const dir = Deno.makeTempDirSync({ dir: Deno.cwd(), prefix: ".bench_" });
  try {
    const { deno, v8 } = Deno.version;
    console.log(`${new Date().toISOString()}  Deno ${deno}, V8 ${v8}, ${Deno.osRelease()}`);
    console.log(`${ROUNDS} rounds in turn; ratio to the ${rawLoop.name}\n`);
    for (const workload of workloads) {
      const rates: number[] = [];
      const ratios: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const base = await measure(rawLoop, dir);
        const rate = await measure(workload, dir);
        rates.push(rate);
        ratios.push(rate / base);
      }
      const rate = Math.round(median(rates)).toLocaleString("en");
      const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
      console.log(
        `${workload.name.padEnd(42)} ${rate.padStart(9)} events/s  ${
          median(ratios).toFixed(2).padStart(6)
        } x  (${spread})`,
      );
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}
