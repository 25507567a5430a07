/**
 * Finds the spans that have begun and not ended among the events of a log. Pure.
 *
 * An event of the type `X_begin` with a span ID begins a span, and an event of the type `X` with the same ID ends it.
 * If several beginnings have the same type and ID, an end belongs to the last beginning that has no end yet. Therefore
 * a span that begins and ends in the same file does not affect other files. So the summary of a file lists only the
 * beginnings and ends without a counterpart in the file: see {@linkcode SpanSummary}.
 *
 * @module
 */
import { type AuditEvent, typeBegunBy } from "../event.ts";

/** The type of the event that ends a span, and the ID of the span. */
export type SpanEnd = readonly [type: string, span: string];

interface Beginning<Line> {
  readonly type: string;
  readonly line: Line;
}

/**
 * The open spans of a log, which have begun and not ended. The caller adds beginnings and ends in the order of the log.
 * `Line` is the type of the data that is stored for each beginning.
 */
export class SpanLedger<Line> {
  /** The open spans in the order in which they began. */
  readonly #open = new Set<Beginning<Line>>();
  /** The open spans of each type and ID, in the order in which they began. */
  readonly #byKey = new Map<string, Beginning<Line>[]>();

  /** Number of open spans. */
  get size(): number {
    return this.#open.size;
  }

  /** The types of the events that can end an open span. */
  get awaitedTypes(): ReadonlySet<string> {
    return new Set(this.#open.values().map(({ type }) => type));
  }

  /** Checks whether an event of one of these types can end an open span. */
  isAwaiting(types: readonly string[]): boolean {
    return types.length > 0 && !this.awaitedTypes.isDisjointFrom(new Set(types));
  }

  /** Adds the beginning of a span. `line` is the data that is stored for it. */
  begin([type, span]: SpanEnd, line: Line): void {
    const beginning = { type, line };
    this.#open.add(beginning);
    this.#byKey.getOrInsert(keyOf(type, span), []).push(beginning);
  }

  /**
   * Adds the end of a span. Returns the data stored for the beginning of the span; undefined if no open span has this
   * type and ID.
   */
  end([type, span]: SpanEnd): Line | undefined {
    const key = keyOf(type, span);
    const begun = this.#byKey.get(key);
    const last = begun?.pop();
    if (begun === undefined || last === undefined) return undefined;
    if (begun.length === 0) this.#byKey.delete(key);
    this.#open.delete(last);
    return last.line;
  }

  /** Returns the data stored for the open spans, in the order in which the spans began. */
  open(): Line[] {
    return Array.from(this.#open, ({ line }) => line);
  }
}

/**
 * Returns the span to which an event belongs, as the type and the span ID of the event that ends the span. `begins` is
 * true if the given event begins the span. Returns null if the event does not belong to a span.
 */
export function spanOf({ event, span }: AuditEvent): { end: SpanEnd; begins: boolean } | null {
  if (typeof event !== "string" || typeof span !== "string") return null;
  const begun = typeBegunBy(event);
  return { end: [begun ?? event, span], begins: begun !== null };
}

/**
 * Name of a field of an event that ends a span. The event has this field if another process logged it for a process
 * that died, as `scout inflight end` does.
 */
export const ENDED_BY = "ended_by";

/**
 * Returns the session and the time of an event. The event shows that the session was alive at this time. Returns null
 * if one of them is missing, or if another process logged the event for a process that died.
 */
export function signOfLife(event: AuditEvent): { session: string; ts: string } | null {
  const { session_id: session, ts } = event;
  if (typeof session !== "string" || typeof ts !== "string") return null;
  return event[ENDED_BY] === undefined ? { session, ts } : null;
}

function keyOf(type: string, span: string): string {
  return JSON.stringify([type, span]);
}
