/**
 * Measures pino with pino-roll for comparison. pino-roll starts a new file at 10 MiB, without compression or syncs.
 *
 * @module
 */
import { once } from "node:events";
import build from "pino-roll";
import { takeTurns, timed, type Workloads } from "../contender.ts";
import { fieldsOf, turn } from "../event.ts";
import { loggerTo } from "./pino_logger.ts";

const BURST = 1_000;

const workloads: Workloads = {
  async unawaited({ path, events }) {
    const elapsedMs = await timed(async () => {
      const destination = await build({ file: path, size: "10m", sync: true });
      const logger = loggerTo(destination);
      for (let n = 0; n < events; n++) {
        logger.info(fieldsOf(n));
        if (n % BURST === BURST - 1) await turn();
      }
      const closed = once(destination, "close");
      destination.end();
      await closed;
    });
    return { elapsedMs };
  },
};

await takeTurns(workloads);
