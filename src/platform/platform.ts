/**
 * The platform that the library runs on: a file system and a clock.
 *
 * @module
 */
import { denoFileSystem } from "./deno_file_system.ts";
import type { FileSystem } from "./file_system.ts";
import { type Clock, systemClock } from "./clock.ts";

/** A file system and a clock, which tests can replace. */
export interface Platform {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
}

/** The file system and the clock of Deno. */
export const denoPlatform: Platform = { fileSystem: denoFileSystem, clock: systemClock };
