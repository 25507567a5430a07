/**
 * The groups of a report: the values by which it divides the spend and the tokens. Pure.
 *
 * @module
 */
import { type AuditEvent, groupText } from "../event.ts";
import { fieldNamed, type GroupKey, groupLabel } from "../stats/group_key.ts";

/** The field by which a report groups if the caller does not choose others. */
export const MODEL = "model";

/** Returns a function that returns the name of the group of an event; not a string if the event has no such value. */
export function groupNamer(by: readonly string[]): (event: AuditEvent) => unknown {
  const fields = by.map(fieldNamed);
  // The model is returned as it is. Converting it to text would take longer for each of millions of events.
  if (isModel(fields)) return ({ model }) => model;
  return (event) => groupName(fields.map((field) => groupText(event, field)));
}

/** Checks whether the fields are only that of the model. */
function isModel(fields: readonly string[]): boolean {
  return fields.length === 1 && fields[0] === MODEL;
}

/** Returns the name of the group with these values; null if no value is there. */
export function groupName(values: GroupKey): string | null {
  return values.every((value) => value === null) ? null : groupLabel(values);
}

/** Returns the text that names the fields of the groups, such as "model" or "agent, model". */
export function shownFields(by: readonly string[]): string {
  return by.join(", ");
}
