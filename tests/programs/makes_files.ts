/**
 * Writes, rotates and closes a log at the path. Prints, as JSON, the mode that each file and directory has when it gets
 * its name.
 *
 * @module
 */
import { basename } from "@std/path";
import { openLogOn } from "../../src/audit_log.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { SimulatedClock } from "../platform.ts";

const [path = ""] = Deno.args;
const modes: Record<string, number> = {};

function note(path: string): void {
  modes[basename(path)] = Deno.statSync(path).mode! & 0o777;
}

const watched: FileSystem = {
  ...denoFileSystem,
  open(path, access) {
    const handle = denoFileSystem.open(path, access);
    note(path);
    return handle;
  },
  link(path, newPath) {
    denoFileSystem.link(path, newPath);
    note(newPath);
  },
  rename(path, newPath) {
    denoFileSystem.rename(path, newPath);
    note(newPath);
  },
  makeDirectory(path) {
    denoFileSystem.makeDirectory(path);
    note(path);
  },
};

const platform = { fileSystem: watched, clock: new SimulatedClock() };
const log = await openLogOn(platform, { path, now: () => 0 });
await log.log("nav");
await log.rotate();
await log.close();
console.log(JSON.stringify(modes));
