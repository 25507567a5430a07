/**
 * Which events a query asks for. Pure.
 *
 * @module
 */
import { type AuditEvent, shown } from "../event.ts";
import { eventEpochMs, toEpochMs } from "../time.ts";
import type { QueryOptions } from "./query.ts";

/** The options of a query that select events. */
export type EventFilterOptions = Pick<
  QueryOptions,
  "since" | "until" | "eventType" | "sessionId" | "where"
>;

/**
 * Makes the test of an event, checking the options once.
 *
 * @throws {RangeError} when `since` or `until` is no time.
 * @throws {TypeError} when another option is of the wrong type, naming it.
 */
export function eventFilter(options: EventFilterOptions): (event: AuditEvent) => boolean {
  const { eventType, sessionId, where } = options;
  const sinceMs = options.since === undefined ? -Infinity : toEpochMs(options.since, "since");
  const untilMs = options.until === undefined ? Infinity : toEpochMs(options.until, "until");
  const isTimed = options.since !== undefined || options.until !== undefined;
  const types = eventType === undefined ? undefined : eventTypeSet(eventType);
  check(
    sessionId === undefined || typeof sessionId === "string",
    "sessionId",
    "a string",
    sessionId,
  );
  check(where === undefined || typeof where === "function", "where", "a function", where);
  return (event) => {
    if (types !== undefined && !types.has(event.event)) return false;
    if (sessionId !== undefined && event.session_id !== sessionId) return false;
    if (isTimed) {
      // An event without a readable time compares false with any bound, so it is left out.
      const ms = eventEpochMs(event.ts);
      if (!(ms >= sinceMs && ms < untilMs)) return false;
    }
    return where === undefined || where(event);
  };
}

function eventTypeSet(eventType: string | readonly string[]): Set<unknown> {
  const types = typeof eventType === "string" ? [eventType] : eventType;
  const isValid = Array.isArray(types) && types.every((type) => typeof type === "string");
  check(isValid, "eventType", "a string or an array of strings", eventType);
  return new Set(types);
}

function check(isValid: boolean, name: string, expected: string, value: unknown): void {
  if (!isValid) throw new TypeError(`Cannot query as ${name} must be ${expected}: ${shown(value)}`);
}
