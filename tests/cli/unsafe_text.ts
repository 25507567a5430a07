/**
 * What no command may print, whatever a log holds. Kept apart from the escaping in src/, so that a
 * character forgotten there is found.
 *
 * @module
 */

/** Control characters, marks that turn the direction of a text, halves of a character, and replacement characters. */
export const UNSAFE =
  // deno-lint-ignore no-control-regex -- control characters are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}|\ufffd/u;
