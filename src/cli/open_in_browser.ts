/**
 * Opens a file or an address in the browser of the user.
 *
 * @module
 */
import { CommandError } from "./command_error.ts";

/** The command that opens a file or an address in the program that the user prefers. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  darwin: ["open"],
  // The first argument is the title of the new window.
  windows: ["cmd", "/c", "start", "scout"],
};
const DEFAULT_OPENER = ["xdg-open"];

const [OPENER = "", ...OPENER_ARGS] = OPENERS[Deno.build.os] ?? DEFAULT_OPENER;

/** The permission that {@linkcode openInBrowser} needs. */
export const OPEN_FLAG: string = `--allow-run=${OPENER}`;

/**
 * Opens a file or an address.
 *
 * @throws {CommandError} If it cannot be opened; the message has the reason.
 */
export async function openInBrowser(target: string): Promise<void> {
  const failure = `Cannot open ${target} in a browser`;
  try {
    const args = [...OPENER_ARGS, target];
    const { success, code } = await new Deno.Command(OPENER, { args, stdin: "null" }).output();
    if (!success) throw new CommandError(`${failure}: ${OPENER} ended with code ${code}`, 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new CommandError(`${failure}: run again with ${OPEN_FLAG}`, 2);
    }
    if (error instanceof Deno.errors.NotFound) {
      throw new CommandError(`${failure}: there is no ${OPENER}`, 1);
    }
    throw error;
  }
}
