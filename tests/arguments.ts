/**
 * What the programs for people are told on their command lines.
 *
 * @module
 */

import { freshSeed } from "./seeded_random.ts";

/** Reads the arguments of the program; one that is wrong is named on standard error, and ends it. */
export function argumentsOrExit<T>(read: (args: string[]) => T): T {
  try {
    return read(Deno.args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

/** The seed that was asked for, or one that was not there before. */
export function seedOf(seed: string | undefined): number {
  if (seed !== undefined) return numberOf("seed", seed);
  return freshSeed();
}

/**
 * The number that an option gives.
 *
 * @throws {RangeError} when it is no integer >= 0, naming the option.
 */
export function numberOf(option: string, value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= 0 && value !== "") return number;
  throw new RangeError(`--${option} must be an integer >= 0: ${value}`);
}
