/**
 * Turns Ctrl-C into an abort signal, so that a command can finish its current work before the process ends.
 *
 * @module
 */

/** The signals that interrupt a command. On Windows a program cannot listen to SIGTERM. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/** A listener for Ctrl-C. Until the listener is disposed of, Ctrl-C aborts its signal and does not end the process. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = () => this.#controller.abort();

  /** Starts to listen for Ctrl-C. */
  constructor() {
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#listener);
  }

  /** The abort signal that the first Ctrl-C aborts. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening for Ctrl-C. */
  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#listener);
  }
}
