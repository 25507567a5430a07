/**
 * A pino logger that writes only the event. Its type and session ID are serialized once, before the clock starts.
 *
 * @module
 */
import { type DestinationStream, type Logger, pino } from "pino";
import { SESSION_ID } from "../event.ts";

/** Creates the logger. */
export function loggerTo(destination: DestinationStream): Logger {
  return pino({
    base: { session_id: SESSION_ID },
    formatters: { level: () => ({ event: "nav" }) },
    timestamp: () => `,"ts":"${new Date().toISOString()}"`,
  }, destination);
}
