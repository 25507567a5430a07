/**
 * Progress of the benchmark: one changing line if standard error is a terminal, else one line for each workload.
 *
 * @module
 */

/** Shows the progress on standard error. */
export class Progress {
  readonly #total: number;
  readonly #isTerminal = Deno.stderr.isTerminal();
  #done = 0;
  #name = "";

  /** Creates a display for `total` workloads. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Shows the name of the next workload. */
  next(name: string): void {
    this.#done++;
    this.#name = name;
    if (this.#isTerminal) this.show("");
    else console.error(this.#line(""));
  }

  /** Shows the progress within the current workload, on a terminal only. */
  show(text: string): void {
    if (this.#isTerminal) write(`\r\x1b[K${this.#line(text)}`);
  }

  /** Clears the progress line when the benchmark ends. */
  end(): void {
    if (this.#isTerminal) write("\r\x1b[K");
  }

  #line(text: string): string {
    return `[${this.#done}/${this.#total}] ${this.#name}  ${text}`.trimEnd();
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
