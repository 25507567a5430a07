/**
 * A progress bar on standard error, while that is a terminal.
 *
 * @module
 */
import { bar } from "./bar_table.ts";

const WIDTH = 30;
const DRAW_EVERY_MS = 100;
const CLEAR_LINE = "\r\x1b[K";

const encoder = new TextEncoder();

/** Shows how much of something is done; disposing of it takes the bar away. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #total: number;
  readonly #isShown = Deno.stderr.isTerminal();
  #done = 0;
  #drawnAt = -Infinity;

  /** Makes a bar that is full at `total`. */
  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  /** So much more is done. */
  advance(amount: number): void {
    this.#done += amount;
    const now = performance.now();
    if (!this.#isShown || now < this.#drawnAt + DRAW_EVERY_MS) return;
    this.#drawnAt = now;
    const percent = Math.round(100 * this.#done / this.#total);
    const filled = bar(this.#done, this.#total, WIDTH).padEnd(WIDTH);
    write(`${CLEAR_LINE}${this.#label} ${filled} ${percent} %`);
  }

  /** Takes it away. */
  [Symbol.dispose](): void {
    if (this.#isShown) write(CLEAR_LINE);
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(encoder.encode(text));
}
