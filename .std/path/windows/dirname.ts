/** `@std/path/windows/dirname`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/windows/dirname.js";

export const dirname: (path: string | URL) => string = path.dirname;
