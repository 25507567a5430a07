/**
 * Makes the event of an imported call. Pure.
 *
 * @module
 */
import { picked } from "../llm/json_values.ts";
import type { CallToAppend } from "./known_calls.ts";

/** An event to append, at its own time. */
export interface CallEvent {
  readonly epochMs: number;
  readonly event: string;
  /** The fields of the event, with `import_id`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * The fields by which the calls of a transcript are grouped. An event that adjusts a call has them too, so that sums by
 * these fields are right.
 */
const GROUPING = ["agent", "project", "service", "client", "client_version"];

/**
 * Returns the event of a call. If the log has the call already, the event has only the amounts that the log lacks, and
 * the field `adjusts` with the ID of the call. Such an event does not count as a call.
 */
export function callEvent(
  { call: { id, event, fields, isCopy }, epochMs, usage, cost, total, isNew }: Omit<
    CallToAppend,
    "event" | "model"
  >,
): CallEvent {
  const { session_id, model, provider, ...others } = fields;
  const { cost: _, ...counts } = usage ?? {};
  const amounts = {
    ...{ session_id, model, provider, ...counts },
    ...(cost === undefined ? {} : { cost: cost.cost, cost_source: cost.source }),
  };
  if (!isNew) {
    // The total after the growth makes the ID of each adjustment unique.
    const kind = usage === undefined ? "cost" : `${total.output_t ?? 0}.${total.input_t ?? 0}`;
    const ids = { adjusts: id, import_id: `${id}+${kind}` };
    return { epochMs, event, fields: { ...amounts, ...picked(GROUPING, others), ...ids } };
  }
  const isMissing = event === "llm_call" && usage === undefined;
  return {
    epochMs,
    event,
    fields: {
      ...amounts,
      usage: isMissing ? "missing" : undefined,
      ...others,
      // The time and the session of the event are those of the source that has copied the call.
      copied: isCopy || undefined,
      import_id: id,
    },
  };
}
