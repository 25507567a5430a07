/**
 * Reads a trace (a recording of a real load): requests to large language models, one CSV line for each.
 *
 * @module
 */
import type { Fields } from "./event.ts";

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens";

/**
 * Reads a CSV trace with the columns TIMESTAMP, ContextTokens and GeneratedTokens. Returns a function for the
 * fields of the n-th request. After the last request it starts again with the first.
 *
 * @throws {SyntaxError} If the columns differ, or the trace has no request.
 */
export function traceFields(path: string): (n: number) => Fields {
  const requests = readTrace(path);
  return (n) => requests[n % requests.length]!;
}

/** Returns the number of requests in the trace. */
export function traceLength(path: string): number {
  return readTrace(path).length;
}

function readTrace(path: string): Fields[] {
  const [header, ...rows] = Deno.readTextFileSync(path).trim().split(/\r?\n/);
  if (header !== HEADER) {
    throw new SyntaxError(`Cannot read trace: the columns must be ${HEADER}, in ${path}`);
  }
  if (rows.length === 0) throw new SyntaxError(`Cannot read trace: it has no requests, in ${path}`);
  return rows.map((row) => {
    const [, input_t = NaN, output_t = NaN] = row.split(",").map(Number);
    // The cost in USD, at 3 USD per million input tokens and 15 per million output tokens.
    return { cost: (3 * input_t + 15 * output_t) / 1e6, model: "traced", input_t, output_t };
  });
}
