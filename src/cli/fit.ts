/**
 * Cuts or wraps text from a log or a file to a number of columns. Pure.
 *
 * @module
 */
import stringWidth from "string-width";
import { shownText } from "../shown.ts";

const ELLIPSIS = "…";
/**
 * Maximum number of UTF-16 code units to process per column of the terminal. Without the limit, a character with
 * millions of combining marks would be processed in full.
 */
const UNITS_PER_COLUMN = 8;

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Returns a text that is at most `columns` wide. Cuts a wider text at its end, and puts an ellipsis there. */
export function cut(text: string, columns: number): string {
  const [head, isWhole] = bounded(text, columns);
  if (isWhole && stringWidth(head) <= columns) return head;
  return columns < 1 ? "" : `${fitting(charactersOf(head), columns - 1)}${ELLIPSIS}`;
}

/** Returns a text that is at most `columns` wide. Cuts a wider text in the middle, and puts an ellipsis there. */
export function cutMiddle(text: string, columns: number): string {
  const [head, isWhole] = bounded(text, columns);
  if (isWhole && stringWidth(head) <= columns) return head;
  if (columns < 1) return "";
  const [end] = bounded(text.slice(-UNITS_PER_COLUMN * columns), columns);
  const before = fitting(charactersOf(head), Math.floor((columns - 1) / 2));
  const after = fitting(charactersOf(end).reverse(), columns - 1 - stringWidth(before), true);
  return `${before}${ELLIPSIS}${after}`;
}

/** Breaks a text into lines that are at most `columns` wide, between words where possible. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of shownText(text).split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (stringWidth(longer) <= columns) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    line = word;
    while (stringWidth(line) > columns) {
      const characters = charactersOf(line);
      const part = fitting(characters, columns) || characters[0]!;
      lines.push(part);
      line = line.slice(part.length);
    }
  }
  return [...lines, line];
}

/**
 * Returns the start of a text, escaped and long enough to fill the columns. Also returns whether the start is the whole
 * text.
 */
function bounded(text: string, columns: number): [shown: string, isWhole: boolean] {
  if (text.length <= UNITS_PER_COLUMN * columns) return [shownText(text), true];
  const head = text.slice(0, UNITS_PER_COLUMN * columns).replace(/[\uD800-\uDBFF]$/, "");
  return [shownText(head), false];
}

function charactersOf(text: string): string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/**
 * Joins the first of the characters, up to a width of `columns`. If `isReversed`, the array begins with the last
 * character of the text, and the result has the characters in the order of the text.
 */
function fitting(characters: readonly string[], columns: number, isReversed = false): string {
  const taken: string[] = [];
  let width = 0;
  for (const character of characters) {
    width += stringWidth(character);
    if (width > columns) break;
    taken.push(character);
  }
  return (isReversed ? taken.reverse() : taken).join("");
}
