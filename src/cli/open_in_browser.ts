/**
 * Opens a file or a URL in the browser of the user.
 *
 * @module
 */
import { CommandError } from "./command_error.ts";

/** The command that opens a file or a URL in the user's default program, by operating system. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  darwin: ["open"],
  // The command `start` may take its first argument as the title of a window. So the title "scout" precedes the target.
  windows: ["cmd", "/c", "start", "scout"],
};
const DEFAULT_OPENER = ["xdg-open"];

const [OPENER = "", ...OPENER_ARGS] = OPENERS[Deno.build.os] ?? DEFAULT_OPENER;

/** The permission flag that {@linkcode openInBrowser} needs. */
export const OPEN_FLAG: string = `--allow-run=${OPENER}`;

/**
 * Opens a file or a URL in the browser.
 *
 * @throws {CommandError} If the file or the URL cannot be opened; the message states the reason.
 */
export async function openInBrowser(target: string): Promise<void> {
  const failure = `Cannot open ${target} in a browser`;
  try {
    const args = [...OPENER_ARGS, target];
    const { success, code } = await new Deno.Command(OPENER, { args, stdin: "null" }).output();
    if (!success) throw new CommandError(`${failure}: ${OPENER} failed with exit code ${code}`, 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new CommandError(`${failure}: run again with ${OPEN_FLAG}`, 2);
    }
    if (error instanceof Deno.errors.NotFound) {
      throw new CommandError(`${failure}: cannot find ${OPENER}`, 1);
    }
    throw error;
  }
}
