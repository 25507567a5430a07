/** `@std/path/posix/dirname`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/posix/dirname.js";

export const dirname: (path: string | URL) => string = path.dirname;
