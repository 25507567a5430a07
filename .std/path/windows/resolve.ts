/** `@std/path/windows/resolve`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/windows/resolve.js";

export const resolve: (...pathSegments: string[]) => string = path.resolve;
