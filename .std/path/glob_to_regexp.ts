/** `@std/path/glob-to-regexp`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/glob_to_regexp.js";

export const globToRegExp: (glob: string) => RegExp = path.globToRegExp;
