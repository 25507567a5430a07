/**
 * Collects whole lines and writes them to standard output many at a time, because one write per line would be slow.
 * Also colors text.
 *
 * @module
 */
import stringWidth from "string-width";
import { shownText } from "../shown.ts";
import { cut } from "./fit.ts";

/** The values of `--color`: when to use color. */
export type ColorMode = "auto" | "always" | "never";

/** A style of text on a terminal. */
export type Style = "bold" | "cyan" | "dim" | "green" | "red" | "yellow";

/** The codes (SGR parameters) that begin and end each style on a terminal. */
const STYLE_CODES: Readonly<Record<Style, readonly [begin: number, end: number]>> = {
  bold: [1, 22],
  cyan: [36, 39],
  dim: [2, 22],
  green: [32, 39],
  red: [31, 39],
  yellow: [33, 39],
};

/** A piece of a line of output, and the style in which it is shown. */
export interface Piece {
  readonly text: string;
  readonly style?: Style;
}

const FLUSH_BYTES = 64 * 1024;
/** Width of tables in columns if standard output is not a terminal. */
const COLUMNS = 80;
/**
 * Minimum width in columns that is assumed for a terminal, because some terminals report 0 columns while they start.
 */
const COLUMNS_MIN = 20;

const encoder = new TextEncoder();

/** A buffer of lines for standard output. */
export class Output {
  /** Whether standard output is a terminal. If so, long fields are cut. */
  readonly isTerminal: boolean = Deno.stdout.isTerminal();
  #text = "";

  /** Whether the buffer is so large that the caller should flush it. */
  get isFull(): boolean {
    return this.#text.length >= FLUSH_BYTES;
  }

  /** Adds a line to the buffer. The caller must have escaped the control characters in the line. */
  line(text = ""): void {
    this.#text += `${text}\n`;
  }

  /** Adds a value as a line of JSON to the buffer. On a terminal, unsafe characters are escaped. */
  json(value: unknown): void {
    this.jsonText(JSON.stringify(value));
  }

  /** Adds JSON text as a line to the buffer. On a terminal, unsafe characters are escaped. */
  jsonText(text: string): void {
    this.line(this.isTerminal ? shownText(text) : text);
  }

  /**
   * Writes the lines in the buffer to standard output, and empties the buffer.
   *
   * @throws {Deno.errors.BrokenPipe} If the process that reads standard output has closed it.
   */
  async flush(): Promise<void> {
    let bytes = encoder.encode(this.#text);
    this.#text = "";
    while (bytes.byteLength > 0) bytes = bytes.subarray(await Deno.stdout.write(bytes));
  }
}

let isColored = false;

/**
 * Turns color on or off for all later output. With `auto`, color is on if standard output is a terminal and NO_COLOR is
 * not set.
 */
export function chooseColor(mode: ColorMode): void {
  isColored = mode === "auto" ? Deno.stdout.isTerminal() && !Deno.noColor : mode === "always";
}

/** Returns the text in a style, or unchanged if color is off. */
export function styled(style: Style, text: string): string {
  if (!isColored) return text;
  const [begin, end] = STYLE_CODES[style];
  return `\u001b[${begin}m${text}\u001b[${end}m`;
}

/**
 * Joins the pieces of a line, cuts the line to the columns, and removes the blanks at the end of the line.
 *
 * @param pieces The pieces, whose text has been escaped
 * @param columns The maximum width of the line; with `Infinity` the line is not cut
 */
export function joinPieces(pieces: readonly Piece[], columns: number): string {
  const last = pieces.findLastIndex(({ text }) => text.trim() !== "");
  const total = pieces.slice(0, last + 1).reduce((sum, { text }) => sum + stringWidth(text), 0);
  let left = total <= columns ? Infinity : columns;
  let line = "";
  for (const { text, style } of pieces.slice(0, last + 1)) {
    // A blank is added, so that the text of the last piece is always too wide and cut() puts an ellipsis in the last
    // column.
    const isLast = stringWidth(text) >= left;
    const shown = isLast ? cut(`${text} `, left) : text;
    line += style === undefined ? shown : styled(style, shown);
    if (isLast) break;
    left -= stringWidth(text);
  }
  return line.trimEnd();
}

/** Returns the width of standard output in columns. */
export function columns(): number {
  if (!Deno.stdout.isTerminal()) return COLUMNS;
  return Math.max(COLUMNS_MIN, Deno.consoleSize().columns);
}
