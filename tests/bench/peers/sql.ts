/**
 * Asks DuckDB, as its command line would: a line of JSON for each row of the answer.
 *
 *     sql.ts QUESTION
 *
 * @module
 */
import { DuckDBInstance } from "@duckdb/node-api";

const [question = ""] = Deno.args;
const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const answer = await connection.runAndReadAll(question);
for (const row of answer.getRowObjectsJson()) console.log(JSON.stringify(row));
