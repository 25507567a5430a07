/**
 * Parses the command lines of the programs for developers: the fault campaign (which makes disks and processes fail),
 * the soak test (which kills writers at random) and the benchmark.
 *
 * @module
 */

import { freshSeed } from "./seeded_random.ts";

/** Parses the arguments. If an argument is invalid, prints the error to standard error and exits with code 2. */
export function argumentsOrExit<T>(read: (args: string[]) => T): T {
  try {
    return read(Deno.args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

/** Returns the seed from the command line, or a random seed by default. */
export function seedOf(seed: string | undefined): number {
  if (seed !== undefined) return numberOf("seed", seed);
  return freshSeed();
}

/**
 * Returns the value of a number option.
 *
 * @throws {RangeError} If the value is not an integer >= 0; the message names the option.
 */
export function numberOf(option: string, value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= 0 && value !== "") return number;
  throw new RangeError(`Cannot read --${option}: expected an integer >= 0, got "${value}"`);
}
