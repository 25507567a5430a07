/**
 * The ID of the model call that the running code belongs to. `aiTelemetry()` sets the ID, and `auditedFetch()` reads
 * it.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

const callIds = new AsyncLocalStorage<string>();

/** Runs a function, and everything that it starts, as a part of a model call. */
export function withinCall<T>(callId: string, run: () => T): T {
  return callIds.run(callId, run);
}

/** Returns the ID of the model call that the running code belongs to; `undefined` if it belongs to none. */
export function currentCallId(): string | undefined {
  return callIds.getStore();
}
