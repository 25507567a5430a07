/**
 * Groups failures by reason. Numbers and IDs in a reason are replaced by placeholders, so that "timeout after 3 s" and
 * "timeout after 5 s" are one group. Pure.
 *
 * @module
 */
import { type AuditEvent, fieldText } from "../event.ts";
import { TimeRange } from "./time_range.ts";

/** The failures with the same reason, apart from numbers and IDs. */
export interface FailureReason {
  /** The reason. `<n>` stands for a number and `<id>` for an ID. */
  readonly reason: string;
  /** Number of failures. */
  readonly count: number;
  /** The time of the earliest of these failures in epoch milliseconds; null if none has a readable time. */
  readonly firstMs: number | null;
  /** The time of the latest of these failures in epoch milliseconds; null if none has a readable time. */
  readonly lastMs: number | null;
  /**
   * The first failure with this reason. `text` is the reason of that failure with numbers and IDs, cut after 500
   * characters.
   */
  readonly example: FailureExample;
}

/** One failure, as an example of a group. Fields that the event lacks are null. */
export interface FailureExample {
  /** The reason, cut after 500 characters. */
  readonly text: string;
  /** The time of the event. */
  readonly ts: string | null;
  /** The type of the event. */
  readonly event: string | null;
  /** The agent of the event. */
  readonly agent: string | null;
  /** The session of the event. */
  readonly session_id: string | null;
}

/** The name of the group for all reasons that have no separate group, because there are too many different reasons. */
export const OTHER_REASONS = "(other reasons)";
/** The reason of a failure without the fields `error` and `reason`. */
export const NO_REASON = "(no reason)";
/** Maximum number of failure reasons that are counted separately. All further reasons share one group. */
const REASONS_MAX = 1_000;
/** Maximum length of the text of a reason in UTF-16 code units. Longer texts are cut. */
const TEXT_LENGTH_MAX = 500;

interface Group {
  count: number;
  readonly times: TimeRange;
  readonly example: FailureExample;
}

/** Counts failures by reason. */
export class FailureReasons {
  readonly #groups = new Map<string, Group>();
  #isCut = false;

  /** The reason of the last failure, with and without its numbers. Many failures in a row have the same reason. */
  #last = { text: "", reason: "" };

  /**
   * Counts a failure, at a time in epoch milliseconds; NaN if the event has no readable time. Returns the name of its
   * group, which is its reason or {@linkcode OTHER_REASONS}.
   */
  add(event: AuditEvent, epochMs: number): string {
    const text = reasonOf(event);
    const reason = text === this.#last.text ? this.#last.reason : withoutNumbers(text);
    this.#last = { text, reason };
    const [name, group] = this.#group(reason, () => exampleOf(event, text));
    group.count++;
    group.times.add(epochMs);
    return name;
  }

  /**
   * Whether there were too many different reasons for separate groups, so that some share the group of all other
   * reasons.
   */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Returns the groups in the order of their first failures. */
  inOrder(): FailureReason[] {
    return Array.from(this.#groups, ([reason, { count, times: { firstMs, lastMs }, example }]) => ({
      reason,
      count,
      firstMs: firstMs === Infinity ? null : firstMs,
      lastMs: lastMs === -Infinity ? null : lastMs,
      example,
    }));
  }

  /**
   * Adds groups that {@linkcode inOrder} has returned. Their failures must be newer than those added before. Because
   * the groups are in the order of their first failures, the result is the same as if each failure were added. Returns
   * the name of the group to which each was added.
   */
  addAll(groups: readonly FailureReason[]): string[] {
    return groups.map(({ reason, count, firstMs, lastMs, example }) => {
      const [name, group] = this.#group(reason, () => example);
      group.count += count;
      for (const ms of [firstMs, lastMs]) group.times.add(ms ?? NaN);
      return name;
    });
  }

  /** Returns the group of a reason; the group of all other reasons if there are already too many groups. */
  #group(reason: string, exampleOf: () => FailureExample): [name: string, group: Group] {
    const isKnown = this.#groups.has(reason) || this.#groups.size < REASONS_MAX;
    if (!isKnown) this.#isCut = true;
    const name = isKnown ? reason : OTHER_REASONS;
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { count: 0, times: new TimeRange(), example: exampleOf() };
      this.#groups.set(name, group);
    }
    return [name, group];
  }

  /** Returns the groups, the largest first. Groups of the same size are sorted by reason. */
  list(): FailureReason[] {
    return this.inOrder().sort(byCount);
  }
}

/**
 * Compares reasons by their number of failures in descending order. Reasons with the same number are sorted by name.
 */
export function byCount(
  a: Pick<FailureReason, "reason" | "count">,
  b: Pick<FailureReason, "reason" | "count">,
): number {
  return b.count - a.count || (a.reason < b.reason ? -1 : 1);
}

/**
 * Returns the reason of a failed event as one line: from the field `error`, else from the field `reason`. Of an error
 * object, the name and the message are used.
 */
export function reasonOf({ error, reason }: AuditEvent): string {
  const text = textOf(error) ?? textOf(reason);
  if (text === null) return NO_REASON;
  return text.slice(0, TEXT_LENGTH_MAX).replaceAll(/\s+/g, " ").trim() || NO_REASON;
}

/** Returns the reason for a failure without numbers and IDs. Failures are grouped by it. */
export function groupedReasonOf(event: AuditEvent): string {
  return withoutNumbers(reasonOf(event));
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  if (typeof value !== "object") return String(value);
  const { name, message } = value as { name?: unknown; message?: unknown };
  if (typeof message !== "string") return fieldText(value);
  // The name "Error" is left out, because nearly every error has it.
  return typeof name === "string" && name !== "Error" && name !== ""
    ? `${name}: ${message}`
    : message;
}

const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi;
/** Matches what may be an ID without its prefix: of "call_8f3kQ2zT", the part after the underscore. */
const WORD = /[a-z0-9]{8,}/gi;
const NUMBER = /\d+(?:[.,:]\d+)*/g;
/** Matches an HTTP status at the start of a reason, or after a word that introduces a status. */
const STATUS =
  /((?:^|\b(?:http|status|code|error)\b[\s:=(]*(?:code\b[\s:=(]*)?)[1-5]\d\d\b(?![.,:]\d))/gi;

/**
 * Returns a reason with `<id>` in place of IDs and `<n>` in place of numbers. HTTP statuses stay, because 429 and 500
 * are different reasons.
 */
export function withoutNumbers(text: string): string {
  // split() puts the HTTP statuses, which the regular expression captures, at the odd places. They are kept unchanged.
  return text.split(STATUS).map((part, n) => n % 2 === 1 ? part : withPlaceholders(part)).join("");
}

function withPlaceholders(text: string): string {
  return text.replaceAll(UUID, "<id>")
    .replaceAll(WORD, (word) => isId(word) ? "<id>" : word)
    .replaceAll(NUMBER, "<n>");
}

/** Checks whether a word looks like an ID, because it has letters and at least two digits. */
function isId(word: string): boolean {
  return /[a-z]/i.test(word) && /\d.*\d/.test(word);
}

function exampleOf({ ts, event, agent, session_id }: AuditEvent, text: string): FailureExample {
  return {
    text,
    ts: stringOrNull(ts),
    event: stringOrNull(event),
    agent: stringOrNull(agent),
    session_id: stringOrNull(session_id),
  };
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
