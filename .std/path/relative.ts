/** `@std/path/relative`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/relative.js";

export const relative: (from: string, to: string) => string = path.relative;
