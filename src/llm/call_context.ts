/**
 * The ID of the model call that the running code belongs to. `aiTelemetry()` sets the ID, and `auditedFetch()` reads
 * it. So a call that both of them see is logged only once.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

const callIds = new AsyncLocalStorage<string>();

/** Runs a function, and everything that it starts, as a part of a model call. */
export function withinCall<T>(callId: string, run: () => T): T {
  return callIds.run(callId, run);
}

/**
 * Returns the ID of the model call that the running code belongs to; `undefined` if the code does not belong to a call.
 */
export function currentCallId(): string | undefined {
  return callIds.getStore();
}
