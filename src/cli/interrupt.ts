/**
 * Turns Ctrl-C into an abort signal, so that a command can end properly.
 *
 * @module
 */

/** Windows has no SIGTERM that a program could listen to. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/** Aborts its signal at Ctrl-C, which does not end the process until this is disposed of. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = () => this.#controller.abort();

  /** Starts listening. */
  constructor() {
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#listener);
  }

  /** Aborted by the first Ctrl-C. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#listener);
  }
}
