/**
 * Renders HTML tables. Pure.
 *
 * @module
 */
import { type Markup, markup } from "./markup.ts";

/** The content of a table cell. */
export type Cell = string | Markup;

/** The header and the style of a column. Text is aligned left, numbers are aligned right. */
export interface Column {
  readonly head: Cell;
  readonly style: "text" | "number";
}

/** Creates a column of texts with a header. */
export function text(head: Cell): Column {
  return { head, style: "text" };
}

/** Creates a column of numbers with a header. */
export function number(head: Cell): Column {
  return { head, style: "number" };
}

/** Renders a table. The first cell of each row is the header of the row. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): Markup {
  if (rows.length === 0) return none("Nothing to show.");
  const heads = columns.map(({ head, style }) =>
    markup`<th scope="col" class="${style}">${head}</th>`
  );
  const body = rows.map((row) =>
    markup`<tr>${
      columns.map(({ style }, index) => {
        const cell = row[index]!;
        return index === 0
          ? markup`<th scope="row" class="${style}">${cell}</th>`
          : markup`<td class="${style}">${cell}</td>`;
      })
    }</tr>\n`
  );
  return markup`<table><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table>`;
}

/** Renders a sentence that takes the place of missing content and states the reason. */
export function none(why: string): Markup {
  return markup`<p class="none">${why}</p>`;
}
