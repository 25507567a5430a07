/**
 * Standard output as the commands use it: whole lines, many at a time, with or without colour.
 *
 * @module
 */
import { styleText } from "node:util";
import stringWidth from "string-width";
import { shownText } from "../shown.ts";
import { cut } from "./fit.ts";

/** When to write in colour. */
export type ColorMode = "auto" | "always" | "never";

/** A style of text on a terminal. */
export type Style = "bold" | "cyan" | "dim" | "green" | "red" | "yellow";

/** A piece of a line, with its style. */
export interface Piece {
  readonly text: string;
  readonly style?: Style;
}

const FLUSH_BYTES = 64 * 1024;
/** The width of a table that does not go to a terminal. */
const COLUMNS = 80;
/** A terminal that says it has none, as some do while they start, gets a usable width. */
const COLUMNS_MIN = 20;

const encoder = new TextEncoder();

/** Gathers lines for standard output; throws `Deno.errors.BrokenPipe` once the reader has closed it. */
export class Output {
  /** `true` if a person reads along: long fields are cut then. */
  readonly isTerminal: boolean = Deno.stdout.isTerminal();
  #text = "";

  /** `true` if so much has been gathered that it should be written. */
  get isFull(): boolean {
    return this.#text.length >= FLUSH_BYTES;
  }

  /** Adds a line, whose text from logs has been made safe. */
  line(text = ""): void {
    this.#text += `${text}\n`;
  }

  /** Adds a line of JSON; a terminal gets the spelling without unsafe characters. */
  json(value: unknown): void {
    const text = JSON.stringify(value);
    this.line(this.isTerminal ? shownText(text) : text);
  }

  /** Writes what has been gathered. */
  async flush(): Promise<void> {
    let bytes = encoder.encode(this.#text);
    this.#text = "";
    while (bytes.byteLength > 0) bytes = bytes.subarray(await Deno.stdout.write(bytes));
  }
}

let isColored = false;

/** Turns colours on or off; `auto` has them on a terminal, unless NO_COLOR is set. */
export function chooseColor(mode: ColorMode): void {
  isColored = mode === "auto" ? Deno.stdout.isTerminal() && !Deno.noColor : mode === "always";
}

/** Returns the text in a style, if there is colour. */
export function styled(style: Style, text: string): string {
  return isColored ? styleText(style, text, { validateStream: false }) : text;
}

/**
 * Joins the pieces of a line, cut to the columns; blanks at its end are left out.
 *
 * @param pieces The pieces, whose text has been made safe
 * @param columns The width of the line, or Infinity to keep all of it
 */
export function joinPieces(pieces: readonly Piece[], columns: number): string {
  const last = pieces.findLastIndex(({ text }) => text.trim() !== "");
  const total = pieces.slice(0, last + 1).reduce((sum, { text }) => sum + stringWidth(text), 0);
  let left = total <= columns ? Infinity : columns;
  let line = "";
  for (const { text, style } of pieces.slice(0, last + 1)) {
    // The blank makes cut() put an ellipsis in the last column.
    const isLast = stringWidth(text) >= left;
    const shown = isLast ? cut(`${text} `, left) : text;
    line += style === undefined ? shown : styled(style, shown);
    if (isLast) break;
    left -= stringWidth(text);
  }
  return line.trimEnd();
}

/** Returns the number of columns of standard output. */
export function columns(): number {
  if (!Deno.stdout.isTerminal()) return COLUMNS;
  return Math.max(COLUMNS_MIN, Deno.consoleSize().columns);
}
