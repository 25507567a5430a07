/**
 * Buckets of time, as wide as the range of what is in them asks for: a minute for two hours, a day for
 * three months, a week for two years. Pure.
 *
 * - From the hour on they begin with an hour, a day or a week of the time zone's own clocks, so a day on
 *   which those are changed has 23 or 25 hours, and an hour that comes twice is two buckets.
 * - Each width is made of whole buckets of the one before, so that what is in narrow ones can be put
 *   together to wide ones when the range has grown, and nothing has to be read again.
 *
 * @module
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** Beyond the last one a width is twice the one before. */
const WIDTHS_MS = [
  MINUTE_MS,
  5 * MINUTE_MS,
  15 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  WEEK_MS,
];
/** More than these are more than a chart shows well. */
const BUCKETS_MAX = 120;

/** Every time zone of these days is a multiple of it away from UTC. */
const SLOT_MS = 15 * MINUTE_MS;
/** How many offsets and instants are remembered before all are forgotten. */
const REMEMBERED_MAX = 10_000;
/** 1970 began on a Thursday, and weeks begin on a Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;
/** Beyond these no calendar can be asked. */
const EARLIEST_MS = Date.parse("0001-01-01T00:00:00Z");
const LATEST_MS = Date.parse("9999-01-01T00:00:00Z");

/** A bucket: from when to when it is, and what is in it, if there is anything. */
export interface Bucket<T> {
  readonly startMs: number;
  readonly endMs: number;
  readonly content: T | undefined;
}

/** What can be in a bucket. */
export interface BucketContent {
  /** Takes what is in another one, which is part of the same bucket now. */
  addAll(other: this): void;
}

/** Buckets by time; none at first. */
export class TimeBuckets<T extends BucketContent> {
  readonly #calendar: Calendar;
  readonly #make: () => T;
  #widthIndex = 0;
  #contents = new Map<number, T>();
  #firstMs = Infinity;
  #lastMs = -Infinity;
  #current: { startMs: number; endMs: number; content: T } | undefined;

  /** Has none yet; `make` gives the content of a new one. */
  constructor(timeZone: string, make: () => T) {
    this.#calendar = new Calendar(timeZone);
    this.#make = make;
  }

  /** How wide a bucket is, but for those in which clocks are changed. */
  get widthMs(): number {
    return WIDTHS_MS[this.#widthIndex] ?? WEEK_MS * 2 ** (this.#widthIndex - WIDTHS_MS.length + 1);
  }

  /** The content of the bucket that an instant is in, in epoch milliseconds. */
  at(epochMs: number): T {
    const current = this.#current;
    if (current !== undefined && epochMs >= current.startMs && epochMs < current.endMs) {
      return current.content;
    }
    const ms = Math.min(Math.max(epochMs, EARLIEST_MS), LATEST_MS);
    this.#cover(ms);
    const startMs = this.#startOf(ms);
    let content = this.#contents.get(startMs);
    if (content === undefined) this.#contents.set(startMs, content = this.#make());
    this.#current = { startMs, endMs: this.#endOf(startMs), content };
    return content;
  }

  /** All buckets from the first to the last that has a content, the empty ones among them. */
  list(): Bucket<T>[] {
    const buckets: Bucket<T>[] = [];
    if (this.#contents.size === 0) return buckets;
    const lastMs = this.#startOf(this.#lastMs);
    for (let startMs = this.#startOf(this.#firstMs); startMs <= lastMs;) {
      const endMs = this.#endOf(startMs);
      buckets.push({ startMs, endMs, content: this.#contents.get(startMs) });
      startMs = endMs;
    }
    return buckets;
  }

  /** Makes the buckets as wide as they have to be for an instant to be among them. */
  #cover(ms: number): void {
    if (ms >= this.#firstMs && ms <= this.#lastMs) return;
    this.#firstMs = Math.min(this.#firstMs, ms);
    this.#lastMs = Math.max(this.#lastMs, ms);
    const before = this.#widthIndex;
    while ((this.#lastMs - this.#firstMs) / this.widthMs > BUCKETS_MAX - 1) this.#widthIndex++;
    if (this.#widthIndex === before) return;
    const narrow = this.#contents;
    this.#contents = new Map();
    for (const [startMs, content] of narrow) {
      const wide = this.#startOf(startMs);
      const there = this.#contents.get(wide);
      if (there === undefined) this.#contents.set(wide, content);
      else there.addAll(content);
    }
  }

  #startOf(ms: number): number {
    return this.#calendar.startOf(ms, this.widthMs);
  }

  /** Half a bucket behind its end is in the next one, also where clocks are changed. */
  #endOf(startMs: number): number {
    return this.#startOf(startMs + 1.5 * this.widthMs);
  }
}

/** The clocks of a time zone, with what was asked of them before. */
class Calendar {
  readonly #timeZone: string;
  readonly #offsets = new Map<number, number>();
  readonly #instants = new Map<number, number>();

  constructor(timeZone: string) {
    this.#timeZone = timeZone;
  }

  /** Where the bucket begins that an instant is in. */
  startOf(ms: number, widthMs: number): number {
    if (widthMs <= SLOT_MS) return ms - modulo(ms, widthMs);
    const offsetMs = this.#offsetAt(ms);
    const wallMs = ms + offsetMs;
    if (widthMs === HOUR_MS) return ms - modulo(wallMs, widthMs);
    const originMs = widthMs >= WEEK_MS ? FIRST_MONDAY_MS : 0;
    return this.#instantOf(wallMs - modulo(wallMs - originMs, widthMs));
  }

  /** How far the clocks are ahead of UTC. */
  #offsetAt(ms: number): number {
    const slot = Math.floor(ms / SLOT_MS);
    return remembered(this.#offsets, slot, () => {
      const instant = Temporal.Instant.fromEpochMilliseconds(slot * SLOT_MS);
      return instant.toZonedDateTimeISO(this.#timeZone).offsetNanoseconds / 1e6;
    });
  }

  /** When the clocks show what UTC shows at `wallMs`; the next time that they do show, if never. */
  #instantOf(wallMs: number): number {
    return remembered(
      this.#instants,
      wallMs,
      () =>
        Temporal.Instant.fromEpochMilliseconds(wallMs).toZonedDateTimeISO("UTC").toPlainDateTime()
          .toZonedDateTime(this.#timeZone).epochMilliseconds,
    );
  }
}

function remembered(known: Map<number, number>, key: number, find: () => number): number {
  let value = known.get(key);
  if (value === undefined) {
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(key, value = find());
  }
  return value;
}

/** The rest that is never negative. */
function modulo(dividend: number, divisor: number): number {
  return (dividend % divisor + divisor) % divisor;
}
