/** `@std/path/is-glob`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/is_glob.js";

export const isGlob: (str: string) => boolean = path.isGlob;
