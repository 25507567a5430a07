/**
 * Stores the last events of a report. Pure.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";

/** An event and its time in epoch milliseconds. */
interface Timed {
  readonly event: AuditEvent;
  readonly epochMs: number;
}

/**
 * The last events of a report: of one log the events that were appended last, and of several logs the newest by time,
 * because these logs are read side by side.
 */
export class LastEvents {
  readonly #countMax: number;
  readonly #isByTime: boolean;
  /** The last events, a ring buffer for one log, and the oldest first for several. */
  readonly #events: Timed[] = [];
  #added = 0;

  /** Creates an instance without events, which stores at most `countMax` events. */
  constructor(countMax: number, { hasLogs }: { readonly hasLogs: boolean }) {
    this.#countMax = countMax;
    this.#isByTime = hasLogs;
  }

  /** Adds the next event; `epochMs` is NaN if it has no readable time. */
  add(event: AuditEvent, epochMs: number): void {
    if (this.#isByTime) this.#addByTime({ event, epochMs });
    else this.#events[this.#added++ % this.#countMax] = { event, epochMs };
  }

  /** Returns the events, the last first. */
  newestFirst(): AuditEvent[] {
    const first = this.#isByTime ? 0 : this.#added % this.#countMax;
    const inOrder = this.#added < this.#countMax
      ? this.#events
      : [...this.#events.slice(first), ...this.#events.slice(0, first)];
    return inOrder.map(({ event }) => event).reverse();
  }

  #addByTime(added: Timed): void {
    const events = this.#events;
    if (Number.isNaN(added.epochMs)) return;
    if (events.length === this.#countMax && added.epochMs < events[0]!.epochMs) return;
    const before = events.findLastIndex(({ epochMs }) => epochMs <= added.epochMs);
    events.splice(before + 1, 0, added);
    if (events.length > this.#countMax) events.shift();
  }
}
