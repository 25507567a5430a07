/**
 * Prints, for each path among the arguments, the path that the options of a log resolve to, or the message
 * of the error; "-" stands for options without a path. A line of JSON each.
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
