/**
 * Finds the top-k sessions by cost in bounded memory. Pure.
 *
 * The tally works like the Space-Saving algorithm (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of
 * Frequent and Top-k Elements in Data Streams", 2005). If there are too many sessions, the cheapest sessions are
 * dropped, and the maximum cost of a dropped session is stored. A session that appears later may have been dropped
 * before, so its figures state how much of its cost may be missing. Until sessions are dropped, all figures are
 * exact.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { TimeRange } from "../rollup/time_range.ts";
import { keptName } from "./name_tally.ts";

/** Default maximum number of stored sessions. When there are more, the cheaper half of the sessions is dropped. */
const SESSIONS_MAX = 20_000;

/** The figures of a session. */
export interface SessionFigures {
  readonly id: string;
  readonly usd: number;
  /**
   * The maximum cost in USD that may be missing from `usd`, because the session may have been dropped before. Nearly
   * always 0.
   */
  readonly missingUsdMax: number;
  /**
   * Whether earlier events of the session may be missing from the figures, because the session may have been dropped
   * before.
   */
  readonly isPartial: boolean;
  readonly events: number;
  /** The times of the first and the last event in epoch milliseconds; null if the events have no times. */
  readonly firstMs: number | null;
  readonly lastMs: number | null;
}

/** The sums of several events of a session. */
export interface SessionSums {
  readonly events: number;
  readonly sum: PreciseSum;
  readonly times: TimeRange;
}

/** A session whose figures are stored. */
interface Session extends SessionSums {
  readonly id: string;
  readonly missingUsdMax: number;
  readonly isPartial: boolean;
  events: number;
}

/** A tally of the costs of sessions. */
export class SessionTally {
  readonly #sessionsMax: number;
  readonly #sessions = new Map<string, Session>();
  #last: Session | undefined;
  #awayUsdMax = 0;
  #areAllHere = true;

  /** Creates a tally without sessions, which stores at most `sessionsMax` sessions. */
  constructor(sessionsMax: number = SESSIONS_MAX) {
    this.#sessionsMax = sessionsMax;
  }

  /** The number of sessions; null if sessions were dropped. */
  get count(): number | null {
    return this.#areAllHere ? this.#sessions.size : null;
  }

  /** Adds an event of a session: the cost in USD, and the time in epoch milliseconds, or NaN for an unknown time. */
  add(id: string, usd: number, epochMs: number): void {
    const session = this.#session(id);
    session.events++;
    if (usd !== 0) session.sum.add(usd);
    session.times.add(epochMs);
  }

  /** Adds several events of a session: their number, the sum of their costs, and their times. */
  addSums(id: string, { events, sum, times }: SessionSums): void {
    const session = this.#session(id);
    session.events += events;
    session.sum.addSum(sum);
    session.times.addAll(times);
  }

  /** Returns the `count` most expensive sessions, or fewer. Sessions without a cost are left out. */
  dearest(count: number): SessionFigures[] {
    return this.#byCost()
      .filter(({ usd }) => usd > 0)
      .slice(0, count)
      .map(({ usd, session: { id, missingUsdMax, isPartial, events, times } }) => ({
        id,
        usd,
        missingUsdMax,
        isPartial,
        events,
        firstMs: times.firstMs === Infinity ? null : times.firstMs,
        lastMs: times.lastMs === -Infinity ? null : times.lastMs,
      }));
  }

  #session(id: string): Session {
    if (this.#last?.id === id) return this.#last;
    const key = keptName(id);
    let session = this.#sessions.get(key);
    if (session === undefined) {
      if (this.#sessions.size >= this.#sessionsMax) this.#dropCheapHalf();
      session = {
        id: key,
        sum: new PreciseSum(),
        missingUsdMax: this.#awayUsdMax,
        isPartial: !this.#areAllHere,
        events: 0,
        times: new TimeRange(),
      };
      this.#sessions.set(key, session);
    }
    return this.#last = session;
  }

  #dropCheapHalf(): void {
    for (const { usd, session } of this.#byCost().slice(Math.floor(this.#sessionsMax / 2))) {
      this.#awayUsdMax = Math.max(this.#awayUsdMax, usd + session.missingUsdMax);
      this.#sessions.delete(session.id);
    }
    this.#areAllHere = false;
  }

  #byCost(): { usd: number; session: Session }[] {
    return [...this.#sessions.values()]
      .map((session) => ({ usd: session.sum.value, session }))
      .sort((a, b) => b.usd - a.usd || (a.session.id < b.session.id ? -1 : 1));
  }
}
