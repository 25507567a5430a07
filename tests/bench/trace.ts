/**
 * A real load: requests to large language models, one line of CSV each.
 *
 * @module
 */
import type { Fields } from "./event.ts";

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";

/**
 * Reads a trace of the columns TIMESTAMP, ContextTokens, GeneratedTokens, and gives the fields of its
 * n-th request; behind the last one it begins again.
 *
 * @throws {SyntaxError} when the file has other columns, or none of a request.
 */
export function traceFields(path: string): (n: number) => Fields {
  const requests = readTrace(path);
  return (n) => requests[n % requests.length]!;
}

/** Requests in the trace. */
export function traceLength(path: string): number {
  return readTrace(path).length;
}

function readTrace(path: string): Fields[] {
  const [header, ...rows] = Deno.readTextFileSync(path).trim().split(/\r?\n/);
  if (header !== HEADER) throw new SyntaxError(`Cannot read trace without ${HEADER}: ${path}`);
  if (rows.length === 0) throw new SyntaxError(`Cannot read trace without a request: ${path}`);
  return rows.map((row) => {
    const [, input_t = NaN, output_t = NaN] = row.split(",").map(Number);
    // USD, at 3 and 15 per million tokens.
    return { cost: (3 * input_t + 15 * output_t) / 1e6, model: "traced", input_t, output_t };
  });
}
