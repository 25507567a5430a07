/**
 * Measures rotating-file-stream with gzip for comparison. It compresses full files and never syncs.
 *
 * @module
 */
import { once } from "node:events";
import { createStream } from "rotating-file-stream";
import { takeTurns, timed, type Workloads } from "../contender.ts";
import { fieldsOf, SESSION_ID } from "../event.ts";

const workloads: Workloads = {
  async rotating({ path, events }) {
    const separator = path.lastIndexOf("/");
    const name = path.slice(separator + 1);
    const elapsedMs = await timed(async () => {
      const stream = createStream(
        (time, index) => time === null ? name : `${name}.${index}.gz`,
        { path: path.slice(0, separator), size: "10M", compress: "gzip" },
      );
      for (let n = 0; n < events; n++) {
        const ts = new Date().toISOString();
        const record = { ts, event: "nav", session_id: SESSION_ID, ...fieldsOf(n) };
        if (!stream.write(`${JSON.stringify(record)}\n`)) await once(stream, "drain");
      }
      stream.end();
      await once(stream, "finish");
    });
    return { elapsedMs };
  },
};

await takeTurns(workloads);
