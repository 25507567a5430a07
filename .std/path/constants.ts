/** `@std/path/constants`, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/constants.js";

export const SEPARATOR: "\\" | "/" = path.SEPARATOR;
