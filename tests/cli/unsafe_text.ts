/**
 * The characters that a command must never print. The list is separate from the escaping in src/, so that tests
 * detect a character that the escaping omits.
 *
 * @module
 */

/** Control characters, bidirectional controls, lone surrogates and replacement characters. */
export const UNSAFE =
  // deno-lint-ignore no-control-regex -- the expression matches control characters
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}|\ufffd/u;
