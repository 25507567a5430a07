/**
 * A report that is updated while its log grows. It has the current sections of the page, and knows which of
 * them changed since an older version.
 *
 * @module
 */
import type { AuditFollow } from "../read/follow.ts";
import type { Clock } from "../platform/clock.ts";
import { ReportAggregate } from "./aggregate.ts";
import type { Markup } from "./markup.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { type Sections, sectionsOf } from "./page.ts";
import type { SectionId } from "./sections.ts";

/** The maximum share of time that is spent on drawing. */
const DRAWING_SHARE = 0.25;
/** The minimum and the maximum time between two drawings, in milliseconds. */
const PACE_MIN_MS = 100;
const PACE_MAX_MS = 500;
/** The number of events after which other tasks get a turn of the event loop while history is read. */
const EVENTS_PER_TURN = 2_000;

/** The sections that changed since an older version. */
export interface Update {
  readonly version: number;
  readonly sections: Partial<Sections>;
}

/** The text of a section, and the version in which it last changed. */
interface Part {
  readonly text: string;
  readonly since: number;
}

/** The report on a log that is being followed. */
export class LiveReport {
  readonly #options: ResolvedReportOptions;
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  readonly #events: AuditFollow;
  readonly #aggregate: ReportAggregate;
  readonly #parts = new Map<SectionId, Part>();
  #sections: Sections | undefined;
  #version = 0;
  #isStale = true;
  #drawing: Promise<void> | undefined;
  #drawableAtMs = -Infinity;
  /** Aborted when an event arrives that the last drawing does not include. */
  #change = new AbortController();

  /**
   * Creates a report without events. {@linkcode follow} reads `events`: all events in the log, then new ones.
   * When `ending` is aborted, the other methods no longer wait.
   */
  constructor(
    events: AuditFollow,
    options: ResolvedReportOptions,
    { clock, ending }: { clock: Clock; ending: AbortSignal },
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#ending = ending;
    this.#events = events;
    this.#aggregate = new ReportAggregate(options);
  }

  /** Reads the events. Resolves when they end, and rejects if reading them fails. */
  async follow(): Promise<void> {
    let events = 0;
    for await (const event of this.#events) {
      this.#aggregate.add(event);
      if (!this.#isStale) this.#becomeStale();
      if (++events % EVENTS_PER_TURN === 0) await this.#clock.turn();
    }
  }

  /** Resolves with all sections in their current version. */
  async current(): Promise<{ version: number; sections: Sections }> {
    await this.#draw();
    return { version: this.#version, sections: this.#sections! };
  }

  /**
   * Resolves with the sections that changed since a version, as soon as there are any; for an unknown version,
   * with all sections. Resolves with null after `patienceMs` milliseconds without a change, or when the signal
   * is aborted.
   */
  async next(
    version: number,
    { patienceMs, signal }: { patienceMs: number; signal: AbortSignal },
  ): Promise<Update | null> {
    await this.#draw();
    if (version === this.#version) {
      await this.#pause(patienceMs, this.#change.signal, signal);
      await this.#draw();
    }
    if (version === this.#version) return null;
    return this.#since(version < this.#version ? version : 0);
  }

  #becomeStale(): void {
    this.#isStale = true;
    this.#change.abort();
  }

  #since(version: number): Update {
    const changed = [...this.#parts].filter(([, { since }]) => since > version)
      .map(([id]) => [id, this.#sections![id]]);
    return { version: this.#version, sections: Object.fromEntries(changed) };
  }

  /** Resolves when the sections include every event before the call. Concurrent callers share one drawing. */
  async #draw(): Promise<void> {
    if (this.#isStale) await (this.#drawing ??= this.#drawInTime());
  }

  async #drawInTime(): Promise<void> {
    await this.#pause(this.#drawableAtMs - this.#clock.monotonicMs());
    // A caller that arrives from now on may need events that this drawing does not include.
    this.#drawing = undefined;
    const startMs = this.#clock.monotonicMs();
    this.#compare(sectionsOf({
      data: this.#aggregate.data(),
      damage: this.#events.damage,
      options: this.#options,
    }));
    this.#isStale = false;
    this.#change = new AbortController();
    const endMs = this.#clock.monotonicMs();
    const paceMs = (endMs - startMs) / DRAWING_SHARE;
    this.#drawableAtMs = endMs + Math.min(Math.max(paceMs, PACE_MIN_MS), PACE_MAX_MS);
  }

  /** Resolves after the delay, or earlier if a signal or `ending` is aborted. */
  #pause(delayMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
    const ends = [this.#ending, ...signals];
    const { promise, resolve } = Promise.withResolvers<void>();
    if (delayMs <= 0 || ends.some(({ aborted }) => aborted)) return Promise.resolve();
    const wake = () => resolve();
    const timer = this.#clock.startTimer(delayMs, wake);
    for (const end of ends) end.addEventListener("abort", wake);
    return promise.finally(() => {
      timer.cancel();
      for (const end of ends) end.removeEventListener("abort", wake);
    });
  }

  #compare(sections: Sections): void {
    const next = this.#version + 1;
    for (const [id, { text }] of Object.entries(sections) as [SectionId, Markup][]) {
      if (this.#parts.get(id)?.text === text) continue;
      this.#parts.set(id, { text, since: next });
      this.#version = next;
    }
    this.#sections = sections;
  }
}
