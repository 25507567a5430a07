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

/** Lets the event loop turn once, in much less time than a timer takes. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
