/**
 * Measures DuckDB for comparison. DuckDB reads JSONL on all cores, compressed or not. The queries name the columns, so
 * that DuckDB need not detect them.
 *
 * @module
 */
import { DuckDBInstance } from "@duckdb/node-api";
import { takeTurns, timed, type Workloads } from "../contender.ts";

const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();

const COLUMNS = "{ts: 'VARCHAR', event: 'VARCHAR', session_id: 'VARCHAR', cost: 'DOUBLE', " +
  "model: 'VARCHAR', input_t: 'INTEGER', output_t: 'INTEGER'}";

/** Fetches the rows of a query as JavaScript objects, chunk by chunk. Resolves with the number of rows. */
async function rows(sql: string): Promise<number> {
  let events = 0;
  const result = await connection.stream(sql);
  const names = result.columnNames();
  for (let chunk = await result.fetchChunk(); chunk !== null; chunk = await result.fetchChunk()) {
    if (chunk.rowCount === 0) break;
    events += chunk.getRowObjects(names).length;
  }
  return events;
}

/** Returns the SQL expression that reads the archives and the active file of a log. */
function source(path: string): string {
  const stem = path.slice(0, -".jsonl".length);
  const files = `['${stem}_*.jsonl.gz', '${path}']`;
  return `read_json(${files}, format = 'newline_delimited', columns = ${COLUMNS})`;
}

const workloads: Workloads = {
  async queryAll({ path }) {
    let events = 0;
    const elapsedMs = await timed(async () => {
      events = await rows(`select * from ${source(path)}`);
    });
    return { elapsedMs, events };
  },
  async spendByModel({ path }) {
    const stem = path.slice(0, -".jsonl".length);
    const columns = "{model: 'VARCHAR', cost: 'DOUBLE'}";
    const files = `['${stem}_*.jsonl.gz', '${path}']`;
    let events = 0;
    const elapsedMs = await timed(async () => {
      const sums = await connection.runAndReadAll(
        `select model, count(*) as events, sum(cost) as usd from read_ndjson(${files}, columns = ${columns}) group by model`,
      );
      for (const row of sums.getRowObjects()) events += Number(row["events"]);
    });
    return { elapsedMs, events };
  },
  async queryType({ path, eventType }) {
    let events = 0;
    const elapsedMs = await timed(async () => {
      events = await rows(`select * from ${source(path)} where event = '${eventType}'`);
    });
    return { elapsedMs, events };
  },
};

await takeTurns(workloads);
