/**
 * Tables. Pure.
 *
 * @module
 */
import { type Markup, markup } from "./markup.ts";

/** What is in a table. */
export type Cell = string | Markup;

/** A column: what is at its head, and whether it holds text, which begins on the left. */
export interface Column {
  readonly head: Cell;
  readonly style: "text" | "number";
}

/** A column of texts. */
export function text(head: Cell): Column {
  return { head, style: "text" };
}

/** A column of figures. */
export function number(head: Cell): Column {
  return { head, style: "number" };
}

/** A table whose first cell of a row names it. */
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

/** In the place of something that is not there. */
export function none(why: string): Markup {
  return markup`<p class="none">${why}</p>`;
}
