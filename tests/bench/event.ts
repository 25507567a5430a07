/**
 * The event that every program under measurement writes: seven fields, 166 bytes with the line break.
 *
 * @module
 */

/** Session ID of every event. */
export const SESSION_ID = "ba23efc1-b556-4f22-a920-468f46424c3f";

/** Length in bytes of the line of one event, with its line break. */
export const LINE_BYTES = 166;

/** The fields of an event, except its time, type and session ID. */
export type Fields = Readonly<
  Record<"cost" | "input_t" | "output_t", number> & Record<"model", string>
>;

/** Returns the fields of the n-th event. The fields of all events have the same length in bytes. */
export function fieldsOf(n: number): Fields {
  return {
    cost: 0.002,
    model: "medium-model",
    input_t: 1000 + n % 9000,
    output_t: 100 + n % 900,
  };
}

/**
 * Lets the event loop turn once, in much less time than a timer takes. A message to itself is not used: if a module has
 * loaded node:worker_threads, the messages of the class that replaces the global one delay other tasks, such as syncs.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
