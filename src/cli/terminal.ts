/**
 * Standard output as the commands use it: whole lines, many at a time, with or without colour.
 *
 * @module
 */
import { styleText } from "node:util";

/** When to write in colour. */
export type ColorMode = "auto" | "always" | "never";

const FLUSH_BYTES = 64 * 1024;
/** Where a terminal does not tell, and for what is no terminal. */
const COLUMNS = 80;

const encoder = new TextEncoder();

/** Gathers lines for standard output; throws `Deno.errors.BrokenPipe` once nobody reads them. */
export class Output {
  #text = "";

  /** Whether there is so much that it should go out. */
  get isFull(): boolean {
    return this.#text.length >= FLUSH_BYTES;
  }

  /** Adds a line. */
  line(text = ""): void {
    this.#text += `${text}\n`;
  }

  /** Writes what there is. */
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

/** The text in a style, if there is colour. */
export function styled(style: "bold" | "cyan" | "dim" | "yellow", text: string): string {
  return isColored ? styleText(style, text, { validateStream: false }) : text;
}

/** How many columns there are. */
export function columns(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : COLUMNS;
}
