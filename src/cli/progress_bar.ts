/**
 * A progress bar on standard error. The bar is shown only if standard error is a terminal.
 *
 * @module
 */
import { shownText } from "../shown.ts";
import { bar } from "./bar_table.ts";
import { cutMiddle } from "./fit.ts";

const WIDTH = 30;
const DRAW_EVERY_MS = 100;
const CLEAR_LINE = "\r\x1b[K";

const encoder = new TextEncoder();

/** A progress bar that stays on standard error until it is disposed of. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #total: number;
  readonly #isShown = Deno.stderr.isTerminal();
  #done = 0;
  #drawnAt = -Infinity;

  /** Creates a progress bar that is full when the completed work reaches `total`. */
  constructor(label: string, total: number) {
    this.#label = shownText(label);
    this.#total = total;
  }

  /** Adds an amount of completed work. Redraws the bar if the last drawing is at least 100 ms old. */
  advance(amount: number): void {
    this.#done += amount;
    const now = performance.now();
    // If the total is unknown, as for a pipe, it is 0, and no bar is drawn.
    if (!this.#isShown || this.#total === 0 || now < this.#drawnAt + DRAW_EVERY_MS) return;
    this.#drawnAt = now;
    // The total may be an estimate, so the completed work can exceed the total.
    const done = Math.min(this.#done, this.#total);
    const percent = Math.round(100 * done / this.#total);
    const filled = bar(done, this.#total, WIDTH).padEnd(WIDTH);
    const end = ` ${filled} ${percent} %`;
    // The label is cut, so that the bar fits on one line of the terminal: only one line can be cleared and redrawn.
    write(`${CLEAR_LINE}${cutMiddle(this.#label, Deno.consoleSize().columns - end.length)}${end}`);
  }

  /** Removes the bar from the terminal. */
  [Symbol.dispose](): void {
    if (this.#isShown) write(CLEAR_LINE);
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(encoder.encode(text));
}
