/** `@std/path/posix/resolve`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/posix/resolve.js";

export const resolve: (...pathSegments: string[]) => string = path.resolve;
