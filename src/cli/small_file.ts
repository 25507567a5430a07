/**
 * Reads a small file that an option names, such as a file with an anchor or a password.
 *
 * @module
 */
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../errors.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { openForRead } from "../platform/regular_file.ts";
import { shownText } from "../shown.ts";
import { CommandError } from "./command_error.ts";

const BYTES_MAX = 1024 * 1024;

/**
 * Returns the bytes of a small file.
 *
 * @param path The path of the file
 * @param what The name of the content that messages use, such as "password"
 * @param bytesMax Maximum length of the file in bytes; 1 MiB by default
 * @throws {CommandError} If the file does not exist, is not a regular file, or is too long.
 * @throws {Deno.errors.NotCapable} If reading is not permitted; the message names the flag.
 */
export function readSmallFileBytes(
  path: string,
  what: string,
  bytesMax = BYTES_MAX,
): Uint8Array<ArrayBuffer> {
  let handle: FileHandle | null;
  try {
    handle = openForRead(denoFileSystem, path);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new CommandError(
        `Cannot read ${what}: the path is not a regular file: ${shownText(path)}`,
        2,
      );
    }
    throw withFlags(error, [pathFlag("read", path)], { action: `Cannot read ${what}` });
  }
  if (handle === null) {
    throw new CommandError(`Cannot read ${what}: the file does not exist: ${shownText(path)}`, 1);
  }
  try {
    const { byteLength } = handle.status();
    if (byteLength > bytesMax) {
      throw new CommandError(
        `Cannot read ${what}: the file is longer than ${bytesMax} bytes: ${shownText(path)}`,
        2,
      );
    }
    const bytes = new Uint8Array(byteLength);
    let length = 0;
    for (let read = -1; read !== 0 && length < byteLength; length += read) {
      read = handle.readSync(bytes.subarray(length), length);
    }
    return bytes.subarray(0, length);
  } finally {
    handle.close();
  }
}

/** Returns the text of a small file. Has the same parameters and errors as {@linkcode readSmallFileBytes}. */
export function readSmallFile(path: string, what: string, bytesMax = BYTES_MAX): string {
  return new TextDecoder().decode(readSmallFileBytes(path, what, bytesMax));
}
