/**
 * Runs a query in DuckDB. Prints each row of the result as a line of JSON.
 *
 *     sql.ts QUERY
 *
 * @module
 */
import { DuckDBInstance } from "@duckdb/node-api";

const [question = ""] = Deno.args;
const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const answer = await connection.runAndReadAll(question);
for (const row of answer.getRowObjectsJson()) console.log(JSON.stringify(row));
