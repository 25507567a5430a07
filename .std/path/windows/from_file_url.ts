/** `@std/path/windows/from-file-url`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/windows/from_file_url.js";

export const fromFileUrl: (url: string | URL) => string = path.fromFileUrl;
