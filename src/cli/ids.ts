/**
 * IDs of calls and holds on the command line, which can be cut off.
 *
 * @module
 */
import type { ValueParser } from "@optique/core/valueparser";
import { valueOf } from "./options.ts";

/** Minimum number of characters of an ID, so that a typing error ends nothing. */
const ID_LENGTH_MIN = 4;

/**
 * Creates the parser of the ID, or of a prefix of the ID, of a call or a hold.
 *
 * @param kind The kind of the item that has the ID, for the error.
 * @param command The command that lists the IDs, for the error.
 */
export function idOf(
  metavar: Uppercase<string>,
  { kind, command }: { readonly kind: string; readonly command: string },
): ValueParser<"sync", string> {
  const read = (input: string) => {
    // The table of a narrow terminal cuts IDs off.
    const id = input.replace(/…$/, "");
    if (id.length >= ID_LENGTH_MIN) return id;
    throw new RangeError(
      `not the ID of a ${kind} or at least ${ID_LENGTH_MIN} characters of it; ${command} lists them`,
    );
  };
  return valueOf(metavar, read, "3f9c01d2");
}

/** Returns the items whose ID is the text, or else those whose ID begins with the text. */
export function itemsWithId<T>(
  items: readonly T[],
  text: string,
  keyOf: (item: T) => string,
): readonly T[] {
  const exact = items.filter((item) => keyOf(item) === text);
  return exact.length > 0 ? exact : items.filter((item) => keyOf(item).startsWith(text));
}
