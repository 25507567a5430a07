/**
 * Measures winston for comparison, with its file transport, which never syncs.
 *
 * @module
 */
import { once } from "node:events";
import { createLogger, format, transports } from "winston";
import { takeTurns, timed, type Workloads } from "../contender.ts";
import { fieldsOf, SESSION_ID, turn } from "../event.ts";

const BURST = 1_000;

const workloads: Workloads = {
  async unawaited({ path, events }) {
    const elapsedMs = await timed(async () => {
      const file = new transports.File({ filename: path });
      const line = format.printf((
        { ts, message: event, session_id, cost, model, input_t, output_t },
      ) => JSON.stringify({ ts, event, session_id, cost, model, input_t, output_t }));
      const logger = createLogger({ format: line, transports: [file] });
      for (let n = 0; n < events; n++) {
        const ts = new Date().toISOString();
        const info = { level: "info", message: "nav", ts, session_id: SESSION_ID, ...fieldsOf(n) };
        if (!logger.write(info)) await once(logger, "drain");
        if (n % BURST === BURST - 1) await turn();
      }
      logger.end();
      await once(file, "finish");
    });
    return { elapsedMs };
  },
};

await takeTurns(workloads);
