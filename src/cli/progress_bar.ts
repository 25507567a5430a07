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
    // What is to come is not always known exactly.
    const done = Math.min(this.#done, this.#total);
    const percent = Math.round(100 * done / this.#total);
    const filled = bar(done, this.#total, WIDTH).padEnd(WIDTH);
    const end = ` ${filled} ${percent} %`;
    write(`${CLEAR_LINE}${tail(this.#label, Deno.consoleSize().columns - end.length)}${end}`);
  }

  /** Takes it away. */
  [Symbol.dispose](): void {
    if (this.#isShown) write(CLEAR_LINE);
  }
}

/** What of a text fits, from its end; a line that wraps could not be drawn over. */
function tail(text: string, columns: number): string {
  return text.length <= columns ? text : `…${text.slice(text.length - Math.max(0, columns - 1))}`;
}

function write(text: string): void {
  Deno.stderr.writeSync(encoder.encode(text));
}
