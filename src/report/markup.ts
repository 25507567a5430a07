/**
 * Markup that is safe by the way it is made: whatever is put into it is text, unless it was made here.
 *
 * @module
 */

/** Markup. */
export class Markup {
  /** Takes the text as markup, which is for what made it safe itself; {@linkcode markup} is for all else. */
  constructor(readonly text: string) {}
}

/** What can be put into markup: text and numbers, which are escaped, and markup. */
export type MarkupValue = string | number | Markup | readonly Markup[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Makes markup of a template, for text and for quoted attributes. */
export function markup(strings: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  let text = strings[0]!;
  for (const [index, value] of values.entries()) text += escaped(value) + strings[index + 1]!;
  return new Markup(text);
}

/** Nothing. */
export const NOTHING: Markup = new Markup("");

function escaped(value: MarkupValue): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("");
  return String(value).replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}
