/**
 * A report that is updated while its log grows. The report stores the current sections of its page, and the version
 * in which each section last changed.
 *
 * @module
 */
import type { BudgetLedger } from "../budget/ledger.ts";
import type { AuditFollow } from "../read/follow.ts";
import type { Clock } from "../platform/clock.ts";
import { ReportAggregate } from "./aggregate.ts";
import type { Markup } from "./markup.ts";
import type { ResolvedReportOptions } from "./options.ts";
import { type Sections, sectionsInTurns } from "./page.ts";
import { type FilterNames, namesIn } from "./live_controls.ts";
import { mainRange, type TimeSpan } from "./main_range.ts";
import type { LinkTo } from "./report_content.ts";
import { addressOf, type ReportFilter } from "./report_filter.ts";
import type { SectionId } from "./sections.ts";

/**
 * After the page was drawn, the pause until the next drawing is the duration of the drawing divided by this share, but
 * at least PACE_MIN_MS and at most PACE_MAX_MS. So drawing takes only a small part of the time.
 */
const DRAWING_SHARE = 0.25;
/** Minimum and maximum pause between two drawings of the page, in milliseconds. */
const PACE_MIN_MS = 100;
const PACE_MAX_MS = 500;
/** Maximum number of events that are added in one turn of the event loop, so that requests need not wait long. */
const EVENTS_PER_TURN = 2_000;

/** The current version of the report, and the sections that changed since an older version. */
export interface Update {
  readonly version: number;
  readonly sections: Partial<Sections>;
}

/** The markup of a section, and the version of the report in which the section last changed. */
interface Part {
  readonly text: string;
  readonly since: number;
}

/** The report on a log that is being followed. */
export class LiveReport {
  readonly #options: ResolvedReportOptions;
  readonly #clock: Clock;
  readonly #ending: AbortSignal;
  readonly #sources: readonly AuditFollow[];
  readonly #linkTo: LinkTo;
  readonly #onOutliers: (() => void) | undefined;
  readonly #aggregate: ReportAggregate;
  readonly #parts = new Map<SectionId, Part>();
  /** A controller that is aborted when all existing events have been added. */
  readonly #caughtUp = new AbortController();
  #sections: Sections | undefined;
  #names: FilterNames | undefined;
  #version = 0;
  #isStale = true;
  /** The drawing that is running. */
  #drawing: Promise<void> | undefined;
  /** The drawing that was requested and has not begun yet. It will include every event that is added until it begins. */
  #nextDrawing: Promise<void> | undefined;
  #drawableAtMs = -Infinity;
  /**
   * A controller that is aborted when an event arrives after the last drawing, so that waiting calls of
   * {@linkcode next} continue.
   */
  #change = new AbortController();

  /**
   * Creates a report without events. The function `follow` returns the existing events of each log and then the new
   * events, which the method {@linkcode LiveReport.follow} reads. For some archives, the function may add the stored
   * sums to its argument, the figures of the report, instead of returning the events. For each log, it calls
   * `onCaughtUp` once, when all existing events were returned. After `ending` is aborted,
   * {@linkcode current} and {@linkcode next} no longer wait. The links of the page narrow `filter`, the filter of the
   * report. The charts over time show the time span `axis`. After a drawing with events far from all others in time,
   * `onOutliers` is called.
   */
  constructor(
    follow: (aggregate: ReportAggregate, onCaughtUp: () => void) => readonly AuditFollow[],
    options: ResolvedReportOptions,
    { clock, ending, filter, hasLogs, axis, onOutliers }: {
      readonly clock: Clock;
      readonly ending: AbortSignal;
      readonly filter: ReportFilter;
      readonly hasLogs: boolean;
      readonly axis?: TimeSpan;
      readonly onOutliers?: () => void;
    },
  ) {
    this.#options = options;
    this.#linkTo = (more) => addressOf({ ...filter, ...more });
    this.#clock = clock;
    this.#ending = ending;
    this.#aggregate = new ReportAggregate(options, { hasLogs, axis });
    this.#onOutliers = onOutliers;
    let caughtUp = 0;
    this.#sources = follow(this.#aggregate, () => {
      if (++caughtUp < this.#sources.length) return;
      this.#caughtUp.abort();
      if (!this.#isStale) this.#becomeStale();
    });
  }

  /**
   * Adds the events to the report. `budgets` has the state of the budgets before the first event of the report; null for
   * several logs, which have budgets of their own. Resolves when the events end. Rejects if reading the events fails.
   */
  async follow(budgets: BudgetLedger | null): Promise<void> {
    if (budgets !== null) this.#aggregate.beginBudgets(budgets);
    // The page may have been drawn before the budgets were known, and possibly no event follows.
    if (!this.#isStale) this.#becomeStale();
    await Promise.all(this.#sources.map((source) => this.#addAll(source)));
  }

  async #addAll(source: AuditFollow): Promise<void> {
    let events = 0;
    for await (const event of source) {
      this.#aggregate.add(event);
      if (!this.#isStale) this.#becomeStale();
      if (++events % EVENTS_PER_TURN === 0) await this.#clock.turn();
    }
  }

  /** Resolves when all existing events have been added, but after `patienceMs` milliseconds at the latest. */
  async settled(patienceMs: number): Promise<void> {
    await this.#pause(patienceMs, this.#caughtUp.signal);
  }

  /**
   * Resolves with all sections of the page, up to date, the version of the report, and the names by which the page can
   * be filtered.
   */
  async current(): Promise<{ version: number; sections: Sections; names: FilterNames }> {
    await this.#draw();
    return { version: this.#version, sections: this.#sections!, names: this.#names! };
  }

  /**
   * Resolves with the sections that changed since a version, as soon as a section has changed. For an unknown version,
   * resolves with all sections at once. Resolves with null after `patienceMs` milliseconds without a change, or when
   * the signal is aborted.
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

  /** Resolves when the sections include every event that was added before the call. Concurrent calls draw only once. */
  async #draw(): Promise<void> {
    await (this.#isStale ? this.#nextDrawing ??= this.#drawInTime() : this.#drawing);
  }

  async #drawInTime(): Promise<void> {
    await this.#drawing;
    await this.#pause(this.#drawableAtMs - this.#clock.monotonicMs());
    // From here on, a call of #draw() needs a new drawing, because this drawing does not include later events.
    this.#nextDrawing = undefined;
    this.#drawing = this.#drawNow().finally(() => this.#drawing = undefined);
    await this.#drawing;
  }

  /**
   * Draws the page in steps, between which events may be added. The page shows the figures from the start of the
   * drawing. If events were added since, it is stale at once.
   */
  async #drawNow(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const isComplete = this.#caughtUp.signal.aborted;
    const data = this.#aggregate.data();
    const damage = this.#sources.flatMap(({ damage }) => damage);
    this.#isStale = false;
    this.#change = new AbortController();
    const content = { data, damage, options: this.#options, linkTo: this.#linkTo, isComplete };
    try {
      const sections = await sectionsInTurns(content, this.#clock);
      this.#names = namesIn(data);
      this.#compare(sections);
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
    if (isComplete && mainRange(data) !== null) this.#onOutliers?.();
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
