/**
 * Helpers for the command lines of the examples: parse options that are numbers, and print an error as one line.
 *
 * @module
 */

/**
 * Parses the text of a command-line option as a number.
 *
 * @throws {TypeError} If the text is not a finite number of at least `min`; the message names the option.
 */
export function numberOption(name: string, text: string, min: number = -Infinity): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isFinite(number) && number >= min) return number;
  const wanted = min === -Infinity ? "a number" : `a number >= ${min}`;
  throw new TypeError(`Cannot read --${name}: expected ${wanted}, got ${JSON.stringify(text)}`);
}

/**
 * Parses the arguments, runs the command and returns its exit code: 2 for invalid arguments, 1 if a file is
 * missing or malformed.
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
    // The user can correct a missing or malformed file, so the message is enough. Other errors show their stack.
    if (!(error instanceof SyntaxError || error instanceof Deno.errors.NotFound)) throw error;
    console.error(error.message);
    return 1;
  }
}
