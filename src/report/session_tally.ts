/**
 * The dearest sessions of any number of them, in bounded memory.
 *
 * As in the Space-Saving algorithm (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of
 * Frequent and Top-k Elements in Data Streams", 2005) the cheapest go when there are too many, and it is
 * known how much a session can have cost at most that is not here: one that comes anew may have been
 * here before, and its figure says how much may be missing in it. With fewer sessions than there is
 * room for, all are exact. Pure.
 *
 * @module
 */
import { PreciseSum } from "../cost/precise_sum.ts";
import { keptName } from "./name_tally.ts";

/** Sessions that there is room for. */
const SESSIONS_MAX = 20_000;

/** What a session came to. */
export interface SessionFigures {
  readonly id: string;
  readonly usd: number;
  /** How much more it may have cost, in USD, than is known here; 0 nearly always. */
  readonly missingUsdMax: number;
  /** Whether it may have had events before that are not counted here. */
  readonly isPartial: boolean;
  readonly events: number;
  /** Times of its first and last event, in epoch milliseconds; null if none has a time. */
  readonly firstMs: number | null;
  readonly lastMs: number | null;
}

/** One that there is room for. */
interface Session {
  readonly id: string;
  readonly sum: PreciseSum;
  readonly missingUsdMax: number;
  readonly isPartial: boolean;
  events: number;
  firstMs: number;
  lastMs: number;
}

/** What sessions cost. */
export class SessionTally {
  readonly #sessionsMax: number;
  readonly #sessions = new Map<string, Session>();
  #last: Session | undefined;
  #awayUsdMax = 0;
  #areAllHere = true;

  /** Has none yet. */
  constructor(sessionsMax: number = SESSIONS_MAX) {
    this.#sessionsMax = sessionsMax;
  }

  /** How many there are; null if some had to go. */
  get count(): number | null {
    return this.#areAllHere ? this.#sessions.size : null;
  }

  /** Adds an event of a session, with its cost in USD and its time, NaN for none. */
  add(id: string, usd: number, epochMs: number): void {
    const session = this.#session(id);
    session.events++;
    if (usd !== 0) session.sum.add(usd);
    if (epochMs < session.firstMs) session.firstMs = epochMs;
    if (epochMs > session.lastMs) session.lastMs = epochMs;
  }

  /** The dearest ones, so many of them, that cost anything. */
  dearest(count: number): SessionFigures[] {
    return this.#byCost()
      .filter(({ usd }) => usd > 0)
      .slice(0, count)
      .map(({ usd, session: { id, missingUsdMax, isPartial, events, firstMs, lastMs } }) => ({
        id,
        usd,
        missingUsdMax,
        isPartial,
        events,
        firstMs: firstMs === Infinity ? null : firstMs,
        lastMs: lastMs === -Infinity ? null : lastMs,
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
        firstMs: Infinity,
        lastMs: -Infinity,
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
