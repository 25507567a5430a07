/** The functions of `@std/path` that this project imports, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/mod.js";

export * from "./basename.ts";
export * from "./constants.ts";
export * from "./dirname.ts";
export * from "./from_file_url.ts";
export * from "./glob_to_regexp.ts";
export * from "./is_glob.ts";
export * from "./join.ts";
export * from "./relative.ts";
export * from "./resolve.ts";

export const DELIMITER: ";" | ":" = path.DELIMITER;
export const toFileUrl: (path: string) => URL = path.toFileUrl;
