/**
 * What must still happen when the program ends or breaks: every open log drains to the disk.
 *
 * `unload` comes at a normal end and at `Deno.exit`, `error` at an uncaught throw,
 * `unhandledrejection` at a rejection that nobody handles; nothing comes at a signal. The listeners
 * are there only while a log is open, and none of them keeps the process alive.
 *
 * @module
 */

/** An open log as the hooks see it. */
export interface Hooked {
  /** Makes everything accepted durable, now; throws nothing, for there is nobody left to catch. */
  drainForExit(): void;
  /** Takes on a rejected promise if it is one of the log's own; then the program does not crash. */
  adoptRejection(promise: Promise<unknown>, reason: unknown): boolean;
}

const open = new Set<Hooked>();

/** Hooks the log in, until the returned function is called. */
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
