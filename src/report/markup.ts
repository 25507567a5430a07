/**
 * Builds markup that is safe by construction: every value inserted into a template is escaped, unless the value is
 * a {@linkcode Markup}. Control characters and bidirectional controls are shown as escapes. So a text cannot change the
 * display of the text around it.
 *
 * @module
 */
import { shownText } from "../shown.ts";

/** A piece of HTML or SVG that is safe to insert into a page. */
export class Markup {
  /** Creates markup from a text that the caller has made safe. Use {@linkcode markup} for all other texts. */
  constructor(readonly text: string) {}
}

/** A value that can be inserted into markup. Texts and numbers are escaped, markup is not. */
export type MarkupValue = string | number | Markup | readonly Markup[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Creates markup from a template. Values may be inserted only into text and quoted attributes. */
export function markup(strings: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  let text = strings[0]!;
  for (const [index, value] of values.entries()) text += escaped(value) + strings[index + 1]!;
  return new Markup(text);
}

/** Empty markup, for parts of a page that have no content. */
export const NOTHING: Markup = new Markup("");

function escaped(value: MarkupValue): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("");
  return shownText(String(value)).replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}
