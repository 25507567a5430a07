/**
 * Measures LogTape for comparison, with its rotating file sink, which neither compresses nor syncs.
 *
 * @module
 */
import { getRotatingFileSink } from "@logtape/file";
import { configure, dispose, getLogger } from "@logtape/logtape";
import { takeTurns, timed, type Workloads } from "../contender.ts";
import { fieldsOf, SESSION_ID, turn } from "../event.ts";

const BURST = 1_000;
const ROTATION_SIZE_BYTES = 10 * 1024 * 1024;

const workloads: Workloads = {
  async unawaited({ path, events }) {
    const elapsedMs = await timed(async () => {
      const file = getRotatingFileSink(path, {
        maxSize: ROTATION_SIZE_BYTES,
        maxFiles: 1_000,
        formatter: ({ timestamp, properties }) => {
          const ts = new Date(timestamp).toISOString();
          return `${JSON.stringify({ ts, event: "nav", session_id: SESSION_ID, ...properties })}\n`;
        },
      });
      await configure({
        reset: true,
        sinks: { file },
        loggers: [
          { category: "bench", sinks: ["file"], lowestLevel: "info" },
          { category: ["logtape", "meta"], sinks: [], lowestLevel: "error" },
        ],
      });
      const logger = getLogger("bench");
      for (let n = 0; n < events; n++) {
        logger.info("nav", fieldsOf(n));
        if (n % BURST === BURST - 1) await turn();
      }
      await dispose();
    });
    return { elapsedMs };
  },
};

await takeTurns(workloads);
