/**
 * Writes the accepted events of every open log to the disk when the program ends or fails.
 *
 * `unload` is fired at a normal end and at `Deno.exit()`, `error` at an uncaught error, and `unhandledrejection` at an
 * unhandled rejection. A signal fires no event. The listeners exist only while a log is open, and do not keep the
 * process alive.
 *
 * @module
 */

/** The part of an open log that the hooks use. */
export interface Hooked {
  /**
   * Makes every accepted event durable, blocking the thread. Never throws, because no caller could catch the error at
   * exit.
   */
  drainForExit(): void;
  /**
   * If the promise belongs to the log, takes over its rejection and returns true, so that the program does not crash.
   */
  adoptRejection(promise: Promise<unknown>, reason: unknown): boolean;
}

const open = new Set<Hooked>();

/**
 * Registers a log whose accepted events are written at the exit of the program. Returns a function that unregisters the
 * log.
 */
export function hookExit(log: Hooked): () => void {
  if (open.size === 0) {
    globalThis.addEventListener("unload", drainAll);
    globalThis.addEventListener("error", drainAll);
    globalThis.addEventListener("unhandledrejection", adoptOrDrain);
  }
  open.add(log);
  return () => {
    if (!open.delete(log) || open.size > 0) return;
    globalThis.removeEventListener("unload", drainAll);
    globalThis.removeEventListener("error", drainAll);
    globalThis.removeEventListener("unhandledrejection", adoptOrDrain);
  };
}

function drainAll(): void {
  for (const log of open) log.drainForExit();
}

function adoptOrDrain(event: PromiseRejectionEvent): void {
  for (const log of open) {
    if (log.adoptRejection(event.promise, event.reason)) {
      event.preventDefault();
      return;
    }
  }
  drainAll();
}
