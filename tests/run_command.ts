/**
 * Runs commands and collects their output as text.
 *
 * @module
 */

/** The exit status and output of a command. */
export interface CommandResult {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/** Runs a command until it exits. */
export async function runCommand(
  command: string,
  options: Pick<Deno.CommandOptions, "args" | "cwd" | "env" | "clearEnv">,
): Promise<CommandResult> {
  const { code, signal, stdout, stderr } = await new Deno.Command(command, options).output();
  const decoder = new TextDecoder();
  return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Returns the path of a program; `null` if the shell does not find the program, or if there is no shell. */
export async function findTool(tool: string): Promise<string | null> {
  if (Deno.build.os === "windows") return null;
  const { code, stdout } = await runCommand("sh", { args: ["-c", 'command -v "$0"', tool] });
  return code === 0 ? stdout.trim() : null;
}
