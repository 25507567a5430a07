/**
 * A report that grows with its log: the parts of its page as they are now, and which of them are other
 * than they were.
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

/** Drawing takes at most this part of the time. */
const DRAWING_SHARE = 0.25;
/** The least and the longest time between two drawings, in milliseconds. */
const PACE_MIN_MS = 100;
const PACE_MAX_MS = 500;
/** Events after which others have their turn, while a history is read. */
const EVENTS_PER_TURN = 2_000;

/** The parts that are other than they were in an older version. */
export interface Update {
  readonly version: number;
  readonly sections: Partial<Sections>;
}

/** A part, and the version since which it is as it is. */
interface Part {
  readonly text: string;
  readonly since: number;
}

/** The report on a log that is followed. */
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
  /** Aborted when what was drawn is not what there is any more. */
  #change = new AbortController();

  /**
   * Shows nothing yet; `events` are all that are in the log, and then those that come, until `ending`
   * is aborted, after which nobody is kept waiting.
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

  /** Follows the log, until that ends with an error. */
  async follow(): Promise<void> {
    let events = 0;
    for await (const event of this.#events) {
      this.#aggregate.add(event);
      if (!this.#isStale) this.#becomeStale();
      if (++events % EVENTS_PER_TURN === 0) await this.#clock.turn();
    }
  }

  /** All parts, as they are now. */
  async current(): Promise<{ version: number; sections: Sections }> {
    await this.#draw();
    return { version: this.#version, sections: this.#sections! };
  }

  /**
   * The parts that are other than in a version, as soon as there are any; all for a version that never
   * was. Null when there are none for so long, or the signal is aborted.
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

  /** Resolves when the parts are not older than the call; those who ask meanwhile share one drawing. */
  async #draw(): Promise<void> {
    if (this.#isStale) await (this.#drawing ??= this.#drawInTime());
  }

  async #drawInTime(): Promise<void> {
    await this.#pause(this.#drawableAtMs - this.#clock.monotonicMs());
    // Who asks from now on has asked too late for this one.
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

  /** Resolves after a while, or when one of the signals is aborted, or the end has come. */
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
