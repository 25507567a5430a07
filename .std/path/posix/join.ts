/** `@std/path/posix/join`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/posix/join.js";

export const join: (path: string | URL, ...paths: string[]) => string = path.join;
