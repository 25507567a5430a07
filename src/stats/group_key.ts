/**
 * Groups events by the values of fields, or by the hour or day of their times. Pure.
 *
 * @module
 */
import { type AuditEvent, groupText } from "../event.ts";
import { eventEpochMs, hasWholeQuarters, QUARTER_MS } from "../time.ts";

/**
 * The values by which an event is grouped: one for each name in the option `by`, in the same order. Null if the event
 * has no value.
 */
export type GroupKey = readonly (string | null)[];

/**
 * Returns the text that names a group. A dash means that the events of the group do not have the field. If there are
 * several values, a value with a comma or a quote, or that is only a dash, is shown in quotes, so that no two groups have
 * the same name.
 */
export function groupLabel(key: GroupKey): string {
  const shown = key.length === 1 ? asItIs : quotedIfAmbiguous;
  return key.map((value) => value === null ? "-" : shown(value)).join(", ");
}

function asItIs(value: string): string {
  return value;
}

function quotedIfAmbiguous(value: string): string {
  return value === "-" || /[,"]/.test(value) ? JSON.stringify(value) : value;
}

/** The keys that group events by their times, and are not names of fields. */
export const TIME_KEYS = ["hour", "day"] as const;
/** The names that the option `by` accepts in place of longer field names, such as `session` for `session_id`. */
const ALIASES: Readonly<Record<string, string>> = { session: "session_id", log: "scout_log" };

/** Checks whether a key groups events by their times. */
export function isTimeKey(key: string): key is typeof TIME_KEYS[number] {
  return (TIME_KEYS as readonly string[]).includes(key);
}

/**
 * Returns a function that returns the value of an event for a key: "hour" or "day" in the time zone, "session" for the
 * field `session_id`, or the name of any field.
 */
export function groupValue(key: string, timeZone: string): (event: AuditEvent) => string | null {
  if (isTimeKey(key)) return timeValue(key, timeZone);
  const field = fieldNamed(key);
  return (event) => groupText(event, field);
}

/** Returns the name of the field that a key stands for, if the key is not a time. */
export function fieldNamed(key: string): string {
  return Object.hasOwn(ALIASES, key) ? ALIASES[key]! : key;
}

function timeValue(
  key: typeof TIME_KEYS[number],
  timeZone: string,
): (event: AuditEvent) => string | null {
  const textAt = timeTexts(key, timeZone);
  return ({ ts }) => textAt(eventEpochMs(ts));
}

/**
 * Returns a function that returns the hour or day of an instant in epoch milliseconds; null for NaN. The texts are
 * cached for each quarter of an hour.
 */
export function timeTexts(
  key: typeof TIME_KEYS[number],
  timeZone: string,
): (epochMs: number) => string | null {
  // The text is null if an hour of the zone begins within the quarter, so that the quarter has two texts.
  const byQuarter = new Map<number, string | null>();
  return (epochMs) => {
    const quarter = Math.floor(epochMs / QUARTER_MS);
    if (Number.isNaN(quarter)) return null;
    let text = byQuarter.get(quarter);
    if (text === undefined) {
      const isWhole = hasWholeQuarters(timeZone, { firstMs: epochMs, lastMs: epochMs });
      byQuarter.set(quarter, text = isWhole ? timeText(key, epochMs, timeZone) : null);
    }
    return text ?? timeText(key, epochMs, timeZone);
  };
}

function timeText(key: typeof TIME_KEYS[number], epochMs: number, timeZone: string): string {
  const time = Temporal.Instant.fromEpochMilliseconds(epochMs).toZonedDateTimeISO(timeZone);
  const date = time.toPlainDate().toString();
  // When clocks are set back, an hour occurs twice; the offset distinguishes the two.
  return key === "day" ? date : `${date} ${String(time.hour).padStart(2, "0")}:00${time.offset}`;
}

/**
 * Compares the values by which two groups of events are grouped, for sorting: times in ascending order, other values as
 * text. A missing value comes first.
 *
 * @param by The names by which the events are grouped.
 */
export function compareKeys(by: readonly string[], a: GroupKey, b: GroupKey): number {
  for (const [n, name] of by.entries()) {
    const [one, other] = [a[n] ?? null, b[n] ?? null];
    if (one === other) continue;
    if (one === null || other === null) return one === null ? -1 : 1;
    // When clocks are set back, the first of the two equal hours has the larger offset, so their texts are out of
    // order.
    return isTimeKey(name) ? instantOf(one) - instantOf(other) : one < other ? -1 : 1;
  }
  return 0;
}

/** Returns the start of the hour or day that {@linkcode timeText} has named, in epoch milliseconds. */
function instantOf(text: string): number {
  return Date.parse(text.replace(" ", "T"));
}

/** The groups of events, each with its figures. Above a maximum number of groups, further groups are combined. */
export class Groups<T> {
  readonly #values: readonly ((event: AuditEvent) => string | null)[];
  readonly #create: () => T;
  readonly #groups = new Map<string | null, { readonly key: GroupKey; readonly figures: T }>();
  readonly #max: number;
  #others: T | null = null;

  /** Groups events by `keys`, in at most `max` groups. `create` returns the initial figures of a group. */
  constructor(
    keys: readonly string[],
    { timeZone, max, create }: {
      readonly timeZone: string;
      readonly max: number;
      readonly create: () => T;
    },
  ) {
    this.#values = keys.map((key) => groupValue(key, timeZone));
    this.#create = create;
    this.#max = max;
  }

  /** Returns the figures of the group to which an event belongs. */
  of(event: AuditEvent): T {
    return this.at(this.#values.map((value) => value(event)));
  }

  /** Returns the figures of the group with a key. */
  at(key: GroupKey): T {
    const id = key.length === 1 ? key[0]! : JSON.stringify(key);
    let group = this.#groups.get(id);
    if (group === undefined) {
      if (this.#groups.size >= this.#max) return this.#others ??= this.#create();
      this.#groups.set(id, group = { key, figures: this.#create() });
    }
    return group.figures;
  }

  /** The groups of events with separate figures, in the order of their first events. */
  get groups(): Iterable<{ readonly key: GroupKey; readonly figures: T }> {
    return this.#groups.values();
  }

  /** The combined figures of the groups above the maximum number; null if the maximum was not exceeded. */
  get others(): T | null {
    return this.#others;
  }
}
