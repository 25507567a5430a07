/**
 * Finds the spans that have begun and not ended among the events of a log. Pure.
 *
 * An event of the type `X_begin` with a span ID begins a span, and an event of the type `X` with the same ID ends it.
 *
 * @module
 */
import { type AuditEvent, BEGIN_SUFFIX } from "../event.ts";

/** A span without an end event in the log. Its call still runs, or its process died. */
export interface UnfinishedSpan {
  /** ID of the span. */
  readonly span: string;
  /** ID of the span around it, if it has one. */
  readonly parent?: string;
  /** Type of the event that ends the span, such as "tool_call". */
  readonly event: string;
  /** Time of the beginning, ISO 8601; missing if the event has none. */
  readonly ts?: string;
  /** ID of the session that began the span; missing if the event has none. */
  readonly session_id?: string;
  /** The other fields of the beginning. */
  readonly fields: Readonly<Record<string, unknown>>;
  /**
   * Time of the last event of the session, ISO 8601; missing if that event has no time. If it is recent, the process may
   * still run. A reader cannot check that, because it may only read the files of the log.
   */
  readonly lastSeen?: string;
}

/** The open spans, by type and ID, while the events of a log are added in their order. */
export class SpanLedger {
  readonly #open = new Map<string, Omit<UnfinishedSpan, "lastSeen">>();
  /** Number of open spans of each type. */
  readonly #types = new Map<string, number>();

  /** The types of the events that can end an open span. */
  get awaitedTypes(): IteratorObject<string> {
    return this.#types.keys();
  }

  /** Adds the next event of the log. */
  add(event: AuditEvent): void {
    const { event: type, span } = event;
    if (typeof type !== "string" || typeof span !== "string") return;
    const begun = typeBegunBy(type);
    if (begun === null) this.#end(type, span);
    else this.#begin(begun, span, event);
  }

  /** Returns the open spans in the order in which they began. */
  open(): Omit<UnfinishedSpan, "lastSeen">[] {
    return [...this.#open.values()];
  }

  #begin(type: string, span: string, event: AuditEvent): void {
    const key = keyOf(type, span);
    if (this.#open.has(key)) return;
    const { ts, event: _, span: __, session_id, parent, ...fields } = event;
    this.#open.set(key, {
      span,
      ...typeof parent === "string" ? { parent } : {},
      event: type,
      ...typeof ts === "string" ? { ts } : {},
      ...typeof session_id === "string" ? { session_id } : {},
      fields: typeof parent === "string" || parent === undefined ? fields : { parent, ...fields },
    });
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1);
  }

  #end(type: string, span: string): void {
    if (!this.#open.delete(keyOf(type, span))) return;
    const count = this.#types.get(type)! - 1;
    if (count === 0) this.#types.delete(type);
    else this.#types.set(type, count);
  }
}

/** Returns the type of the event that ends the spans which events of a type begin; null if they begin none. */
export function typeBegunBy(type: string): string | null {
  return type.endsWith(BEGIN_SUFFIX) && type !== BEGIN_SUFFIX
    ? type.slice(0, -BEGIN_SUFFIX.length)
    : null;
}

function keyOf(type: string, span: string): string {
  return JSON.stringify([type, span]);
}
