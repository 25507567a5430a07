/**
 * Command lines of the examples: options that are numbers, and errors told in one line.
 *
 * @module
 */

/**
 * Reads an option that is a number.
 *
 * @throws {TypeError} naming the option, unless the text is a finite number of at least `min`.
 */
export function numberOption(name: string, text: string, min: number = -Infinity): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isFinite(number) && number >= min) return number;
  const wanted = min === -Infinity ? "a number" : `a number >= ${min}`;
  throw new TypeError(`Option --${name} must be ${wanted}: ${text}`);
}

/**
 * Parses the arguments, runs the command and gives its exit code: 2 for arguments that do not parse,
 * 1 for a file that is missing or malformed.
 */
export async function runCommand<Options>(
  parse: (args: string[]) => Options,
  run: (options: Options) => Promise<void>,
): Promise<number> {
  let options: Options;
  try {
    options = parse(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  try {
    await run(options);
    return 0;
  } catch (error) {
    // What is wrong with the user's file is told in a line; anything else is ours and shows its stack.
    if (!(error instanceof SyntaxError || error instanceof Deno.errors.NotFound)) throw error;
    console.error(error.message);
    return 1;
  }
}
