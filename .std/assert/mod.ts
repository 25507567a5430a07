/** The assertions of `@std/assert` that this project imports, from the npm build of the standard library. */
import * as std from "npm:deno-std@1.4.0/assert/mod.js";

// deno-lint-ignore no-explicit-any -- the standard library's own signature for "any constructor"
type ErrorClass<E extends Error> = new (...args: any[]) => E;

export function assert(expr: unknown, msg?: string): asserts expr {
  std.assert(expr, msg);
}

export function assertInstanceOf<T>(
  actual: unknown,
  // deno-lint-ignore no-explicit-any -- as above
  expectedType: abstract new (...args: any[]) => T,
  msg?: string,
): asserts actual is T {
  std.assertInstanceOf(actual, expectedType, msg);
}

export const assertEquals: <T>(actual: T, expected: T, msg?: string) => void = std.assertEquals;

export const assertMatch: (actual: string, expected: RegExp, msg?: string) => void =
  std.assertMatch;

export const assertNotEquals: <T>(actual: T, expected: T, msg?: string) => void =
  std.assertNotEquals;

export const assertStringIncludes: (actual: string, expected: string, msg?: string) => void =
  std.assertStringIncludes;

export const assertThrows: <E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
) => E = std.assertThrows;

export const assertRejects: <E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
) => Promise<E> = std.assertRejects;

export const assertAlmostEquals: (
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
) => void = std.assertAlmostEquals;
