/**
 * Runs a command to its end, and reads what it prints as text.
 *
 * @module
 */

/** How a command ended. */
export interface CommandResult {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/** Runs a command. */
export async function runCommand(
  command: string,
  options: Pick<Deno.CommandOptions, "args" | "cwd" | "env">,
): Promise<CommandResult> {
  const { code, signal, stdout, stderr } = await new Deno.Command(command, options).output();
  const decoder = new TextDecoder();
  return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Whether the shell finds a tool; never where there is no such shell. */
export async function hasTool(tool: string): Promise<boolean> {
  if (Deno.build.os === "windows") return false;
  return (await runCommand("sh", { args: ["-c", `command -v ${tool}`] })).code === 0;
}
