/**
 * The groups of a report: the values by which it divides the spend and the tokens. Pure.
 *
 * @module
 */
import { type AuditEvent, groupText } from "../event.ts";
import { fieldNamed, type GroupKey, groupLabel } from "../stats/group_key.ts";

/** The field by which a report groups if the caller does not choose others. */
export const MODEL = "model";

/** Names the groups to which events belong. Also notices fields that no event has, because they may be mistyped. */
export class GroupNamer {
  readonly #by: readonly string[];
  readonly #fields: readonly string[];
  /** Whether the events are grouped only by their model. */
  readonly #isByModel: boolean;
  /** For each field, whether an event has a value. */
  readonly #isFound: boolean[];

  /** @param by The names in the option `by` of the report. */
  constructor(by: readonly string[]) {
    this.#by = by;
    this.#fields = by.map(fieldNamed);
    this.#isByModel = by.length === 1 && this.#fields[0] === MODEL;
    this.#isFound = by.map(() => false);
  }

  /** Returns the name of the group of an event; not a string if the event has no such value. */
  ofEvent(event: AuditEvent): unknown {
    // The model is returned as it is. Converting it to text would take longer for each of millions of events.
    if (this.#isByModel) return event.model;
    return this.ofKey(this.#fields.map((field) => groupText(event, field)));
  }

  /** Returns the name of the group with these values; null if no value is there. */
  ofKey(key: GroupKey): string | null {
    let hasValue = false;
    for (const [n, value] of key.entries()) {
      if (value === null) continue;
      hasValue = this.#isFound[n] = true;
    }
    return hasValue ? groupLabel(key) : null;
  }

  /** The names in the option `by` that no event has as a field; never the model alone, which many logs lack. */
  get missing(): string[] {
    return this.#isByModel ? [] : this.#by.filter((_, n) => !this.#isFound[n]);
  }
}

/** Returns the text that names the fields of the groups, such as "model" or "agent, model". */
export function shownFields(by: readonly string[]): string {
  return by.join(", ");
}
