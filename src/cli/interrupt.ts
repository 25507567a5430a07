/**
 * Ctrl-C as a signal to end in good order.
 *
 * @module
 */

/** Windows has no SIGTERM that a program could listen to. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/** While there is one, Ctrl-C aborts its signal and does not end the process. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = () => this.#controller.abort();

  /** Listens from now on. */
  constructor() {
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#listener);
  }

  /** Aborted by the first Ctrl-C. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Listens no more. */
  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#listener);
  }
}
