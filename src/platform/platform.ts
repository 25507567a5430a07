/**
 * What the library stands on: a disk and a clock.
 *
 * @module
 */
import { denoFileSystem } from "./deno_file_system.ts";
import type { FileSystem } from "./file_system.ts";
import { type Clock, systemClock } from "./clock.ts";

/** A disk and a clock, passed in so that tests can bring their own. */
export interface Platform {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
}

/** The real disk and the real clock. */
export const denoPlatform: Platform = { fileSystem: denoFileSystem, clock: systemClock };
