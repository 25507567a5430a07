/**
 * The option `--fields` of `scout query`: shows some fields of each event, each with the text that its value has in the
 * log. Pure.
 *
 * @module
 */
import { shownText } from "../shown.ts";

/** Parses the names of fields, separated by commas. */
export function parseFields(input: string): readonly string[] {
  const names = input.split(",").map((name) => name.trim());
  if (!names.includes("")) return names;
  throw new RangeError("not a list of fields; use names such as ts,model,cost");
}

/**
 * Returns the values of the named fields of an event as JSON text, in the order of the names; undefined for a missing
 * field. The text of a value is taken from `line` unchanged, so numbers with many digits stay exact. A name with dots,
 * such as `config.mode`, is first looked up as the name of a field, and then as a path of members of objects.
 *
 * @param line The line of the event, which is valid JSON apart from the words NaN and Infinity that Python writes.
 */
export function fieldTexts(line: string, names: readonly string[]): (string | undefined)[] {
  const members = membersOf(line);
  return names.map((name) => members.get(name) ?? nestedText(line, name));
}

function nestedText(line: string, path: string): string | undefined {
  if (!path.includes(".")) return undefined;
  let text: string | undefined = line;
  for (const name of path.split(".")) {
    text = text?.startsWith("{") ? membersOf(text).get(name) : undefined;
  }
  return text;
}

/** Returns an event that has only the named fields, as JSON text. */
export function pickedJson(line: string, names: readonly string[]): string {
  const texts = fieldTexts(line, names);
  const members = names.flatMap((name, n) =>
    texts[n] === undefined ? [] : [`${JSON.stringify(name)}:${texts[n]}`]
  );
  return `{${members.join()}}`;
}

/** Returns the named fields of an event, separated by tabs. Strings are without quotes; a missing field is empty. */
export function pickedText(line: string, names: readonly string[]): string {
  return fieldTexts(line, names)
    .map((text) => text?.startsWith('"') ? JSON.parse(text) as string : text ?? "")
    // shownText() also escapes tabs and line breaks in a value, so that the tabs between the values stay unambiguous.
    .map(shownText).join("\t");
}

const MEMBER_END = /[,}]/;

/**
 * Returns the text of each member of a JSON object. If several members have the same name, returns the last one, as
 * JSON.parse() does.
 */
function membersOf(object: string): Map<string, string> {
  const members = new Map<string, string>();
  let depth = 0;
  let name: string | null = null;
  let start = 0;
  for (let at = 0; at < object.length; at++) {
    const character = object[at]!;
    if (character === '"') {
      at = stringEnd(object, at);
    } else if (character === ":" && depth === 1 && name === null) {
      name = JSON.parse(object.slice(start, at)) as string;
      start = at + 1;
    } else {
      if (depth === 1 && MEMBER_END.test(character)) {
        if (name !== null) members.set(name, object.slice(start, at).trim());
        name = null;
        start = at + 1;
      }
      if (character === "{" || character === "[") {
        depth++;
        if (depth === 1) start = at + 1;
      } else if (character === "}" || character === "]") depth--;
    }
  }
  return members;
}

/** Returns the index of the quote that ends the string which begins at `start`. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}
