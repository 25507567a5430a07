/**
 * Parses the IDs of calls and of holds (amounts reserved on a budget) on the command line. A user may type only the
 * first characters of an ID.
 *
 * @module
 */
import type { ValueParser } from "@optique/core/valueparser";
import { valueOf } from "./options.ts";

/** Minimum number of characters of an ID or its prefix. With fewer, a typing error could end the wrong call or hold. */
const ID_LENGTH_MIN = 4;

/**
 * Creates the parser for the ID of a call or a hold, or for a prefix of such an ID.
 *
 * @param kind The word for the item that has the ID, such as "call". The error message contains the word.
 * @param command The command that lists the IDs. The error message names the command.
 */
export function idOf(
  metavar: Uppercase<string>,
  { kind, command }: { readonly kind: string; readonly command: string },
): ValueParser<"sync", string> {
  const read = (input: string) => {
    // On a narrow terminal, the table cuts IDs and adds an ellipsis, which a user may copy too.
    const id = input.replace(/…$/, "");
    if (id.length >= ID_LENGTH_MIN) return id;
    throw new RangeError(
      `not the ID of a ${kind} or at least ${ID_LENGTH_MIN} characters of it; run "${command}" to list the IDs`,
    );
  };
  return valueOf(metavar, read, "3f9c01d2");
}

/** Returns the items whose ID equals `text`. If there are none, returns the items whose ID begins with `text`. */
export function itemsWithId<T>(
  items: readonly T[],
  text: string,
  keyOf: (item: T) => string,
): readonly T[] {
  const exact = items.filter((item) => keyOf(item) === text);
  return exact.length > 0 ? exact : items.filter((item) => keyOf(item).startsWith(text));
}
