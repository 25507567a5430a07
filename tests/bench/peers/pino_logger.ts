/**
 * A pino logger that writes only the event. pino serializes the event type and the session ID once, when the logger is
 * created, and not for each event.
 *
 * @module
 */
import { type DestinationStream, type Logger, pino } from "pino";
import { SESSION_ID } from "../event.ts";

/** Creates a pino logger that writes to the destination. */
export function loggerTo(destination: DestinationStream): Logger {
  return pino({
    base: { session_id: SESSION_ID },
    formatters: { level: () => ({ event: "nav" }) },
    timestamp: () => `,"ts":"${new Date().toISOString()}"`,
  }, destination);
}
