/**
 * Measures pino for comparison. pino writes each line at once and never syncs.
 *
 * @module
 */
import { pino } from "pino";
import { takeTurns, timed, type Workloads } from "../contender.ts";
import { type Fields, fieldsOf, turn } from "../event.ts";
import { traceFields } from "../trace.ts";
import { loggerTo } from "./pino_logger.ts";

const BURST = 1_000;

function append(path: string, events: number, fields: (n: number) => Fields): Promise<number> {
  return timed(async () => {
    const destination = pino.destination({ dest: path, sync: true });
    const logger = loggerTo(destination);
    for (let n = 0; n < events; n++) {
      logger.info(fields(n));
      if (n % BURST === BURST - 1) await turn();
    }
    destination.flushSync();
    destination.end();
  });
}

const workloads: Workloads = {
  unawaited: async ({ path, events }) => ({ elapsedMs: await append(path, events, fieldsOf) }),
  async trace({ path, events, trace }) {
    const fields = traceFields(String(trace));
    return { elapsedMs: await append(path, events, fields) };
  },
};

await takeTurns(workloads);
