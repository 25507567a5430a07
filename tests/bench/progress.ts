/**
 * What is being measured right now: a line that changes on a terminal, and one for each workload
 * elsewhere.
 *
 * @module
 */

/** Shows it on standard error. */
export class Progress {
  readonly #total: number;
  readonly #isTerminal = Deno.stderr.isTerminal();
  #done = 0;
  #name = "";

  /** Of so many workloads. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Another workload begins. */
  next(name: string): void {
    this.#done++;
    this.#name = name;
    if (this.#isTerminal) this.show("");
    else console.error(this.#line(""));
  }

  /** What of the workload is done. */
  show(text: string): void {
    if (this.#isTerminal) write(`\r\x1b[K${this.#line(text)}`);
  }

  /** Everything is done. */
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
