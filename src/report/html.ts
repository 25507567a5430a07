/**
 * Markup that is safe by the way it is made: whatever is put into it is text, unless it was made here.
 *
 * @module
 */

/** Markup. */
export class Html {
  /** Takes the text as markup, which is for what made it safe itself; {@linkcode html} is for all else. */
  constructor(readonly markup: string) {}
}

/** What can be put into markup: text and numbers, which are escaped, and markup. */
export type HtmlValue = string | number | Html | readonly Html[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Makes markup of a template, for text and for quoted attributes. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let markup = strings[0]!;
  for (const [index, value] of values.entries()) markup += markupOf(value) + strings[index + 1]!;
  return new Html(markup);
}

/** Nothing. */
export const NOTHING: Html = new Html("");

function markupOf(value: HtmlValue): string {
  if (value instanceof Html) return value.markup;
  if (typeof value === "object") return value.map(({ markup }) => markup).join("");
  return String(value).replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}
