/**
 * The path functions of this system, from `@std/path`.
 *
 * The entry point of `@std/path` and its functions for the current system find out the system from `process`, a global
 * of Node.js. Loading that takes half as long as starting an empty program. So the functions of each system are imported
 * here, and the system is the one that Deno states.
 *
 * @module
 */
import { basename as posixBasename } from "@std/path/posix/basename";
import { dirname as posixDirname } from "@std/path/posix/dirname";
import { fromFileUrl as posixFromFileUrl } from "@std/path/posix/from-file-url";
import { join as posixJoin } from "@std/path/posix/join";
import { resolve as posixResolve } from "@std/path/posix/resolve";
import { basename as windowsBasename } from "@std/path/windows/basename";
import { dirname as windowsDirname } from "@std/path/windows/dirname";
import { fromFileUrl as windowsFromFileUrl } from "@std/path/windows/from-file-url";
import { join as windowsJoin } from "@std/path/windows/join";
import { resolve as windowsResolve } from "@std/path/windows/resolve";

const isWindows = Deno.build.os === "windows";

/** Returns the last part of a path. */
export const basename: typeof posixBasename = isWindows ? windowsBasename : posixBasename;

/** Returns a path without its last part. */
export const dirname: typeof posixDirname = isWindows ? windowsDirname : posixDirname;

/** Converts a file URL to a path. */
export const fromFileUrl: typeof posixFromFileUrl = isWindows
  ? windowsFromFileUrl
  : posixFromFileUrl;

/** Joins the parts of a path. */
export const join: typeof posixJoin = isWindows ? windowsJoin : posixJoin;

/** Returns the absolute form of a path, which may be relative to the working directory. */
export function resolve(path: string): string {
  if (isWindows) return windowsResolve(path);
  // The working directory is passed, because the function would read it from `process`.
  return path.startsWith("/") ? posixResolve(path) : posixResolve(Deno.cwd(), path);
}
