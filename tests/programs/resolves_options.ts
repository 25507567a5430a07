/**
 * Resolves the options of a log for each argument: a path, or "-" for options without a path. For each argument, prints
 * the resolved path, or the error message, as one line of JSON.
 *
 * @module
 */
import { messageOf } from "../../src/errors.ts";
import { resolveOptions } from "../../src/options/log_options.ts";

for (const path of Deno.args) {
  try {
    console.log(JSON.stringify(resolveOptions(path === "-" ? {} : { path }).path));
  } catch (error) {
    console.log(JSON.stringify({ error: messageOf(error) }));
  }
}
