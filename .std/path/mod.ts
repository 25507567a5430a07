/** The functions of `@std/path` that this project imports, from the npm build of the standard library. */
import * as path from "npm:deno-std@1.4.0/path/mod.js";

export const SEPARATOR: "\\" | "/" = path.SEPARATOR;
export const DELIMITER: ";" | ":" = path.DELIMITER;
export const basename: (path: string | URL, suffix?: string) => string = path.basename;
export const dirname: (path: string | URL) => string = path.dirname;
export const fromFileUrl: (url: string | URL) => string = path.fromFileUrl;
export const globToRegExp: (glob: string) => RegExp = path.globToRegExp;
export const isGlob: (str: string) => boolean = path.isGlob;
export const join: (path: string | URL, ...paths: string[]) => string = path.join;
export const relative: (from: string, to: string) => string = path.relative;
export const resolve: (...pathSegments: string[]) => string = path.resolve;
export const toFileUrl: (path: string) => URL = path.toFileUrl;
