/** `@std/path/posix/basename`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/posix/basename.js";

export const basename: (path: string | URL, suffix?: string) => string = path.basename;
