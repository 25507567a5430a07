/**
 * Groups events into time buckets whose width depends on the range of the events. Examples: buckets of a second for a
 * range of two minutes, of a minute for two hours, of a day for three months, and of a week for two years. Pure.
 *
 * - Buckets of an hour or more start when an hour, a day or a week starts on the clock of the time zone. So a day on
 *   which clocks change has 23 or 25 hours. If the clock repeats an hour, that hour has two buckets of an hour.
 * - Buckets neither overlap nor leave gaps, even if clocks change: each bucket ends when the next bucket starts.
 * - A bucket consists of whole buckets of the next smaller width. So when the range grows, narrow buckets are
 *   merged into wide ones, and no event is read again.
 *
 * @module
 */
import { QUARTER_MS } from "../time.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/**
 * Since 1980, all clocks of named time zones differ from UTC by quarters of an hour. The last exception was -10:40 on
 * Kiritimati until October 1979.
 */
const CACHED_SINCE_MS = Date.UTC(1980, 0, 1);
/** The widths of buckets in milliseconds. After the last width, each further width is twice the previous one. */
const WIDTHS_MS = [
  SECOND_MS,
  5 * SECOND_MS,
  15 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  QUARTER_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  WEEK_MS,
];
/** Approximate maximum number of buckets. If there would be more, buckets are widened, so that charts stay readable. */
const BUCKETS_MAX = 120;

/** Maximum number of entries in a cache. A full cache is cleared. */
const REMEMBERED_MAX = 10_000;
/** The start of the first Monday of 1970, the 5th of January. Buckets of a week or more start on Mondays. */
const FIRST_MONDAY_MS = 4 * DAY_MS;
/** The limits of the times that calendar functions can handle. An earlier or later time is moved to a limit. */
const EARLIEST_MS = Date.parse("0001-01-01T00:00:00Z");
const LATEST_MS = Date.parse("9999-01-01T00:00:00Z");

/** A bucket: its start (inclusive), its end (exclusive), and its content, which is undefined in an empty bucket. */
export interface Bucket<T> {
  readonly startMs: number;
  readonly endMs: number;
  readonly content: T | undefined;
}

/** The content of a bucket. */
export interface BucketContent {
  /** Adds the content of another bucket, when the other bucket is merged into this bucket. */
  addAll(other: this): void;
}

/** The time buckets of a range of times, each with its content. */
export class TimeBuckets<T extends BucketContent> {
  readonly #calendar: Calendar;
  readonly #create: () => T;
  #widthIndex = 0;
  #contents = new Map<number, T>();
  #firstMs = Infinity;
  #lastMs = -Infinity;
  #current: { startMs: number; endMs: number; content: T } | undefined;

  /** Creates an instance without buckets; `create` returns the content of a new bucket. */
  constructor(timeZone: string, create: () => T) {
    this.#calendar = new Calendar(timeZone);
    this.#create = create;
  }

  /** The width of a bucket in milliseconds, except for buckets in which clocks change. */
  get widthMs(): number {
    return WIDTHS_MS[this.#widthIndex] ?? WEEK_MS * 2 ** (this.#widthIndex - WIDTHS_MS.length + 1);
  }

  /** Returns the content of the bucket that contains an instant, and creates the bucket if necessary. */
  at(epochMs: number): T {
    const current = this.#current;
    if (current !== undefined && epochMs >= current.startMs && epochMs < current.endMs) {
      return current.content;
    }
    const ms = clamped(epochMs);
    this.cover(ms);
    const startMs = this.#startOf(ms);
    let content = this.#contents.get(startMs);
    if (content === undefined) this.#contents.set(startMs, content = this.#create());
    this.#current = { startMs, endMs: this.#calendar.endOf(startMs, this.widthMs), content };
    return content;
  }

  /** Returns all buckets from the first to the last bucket with content, including empty buckets between them. */
  list(): Bucket<T>[] {
    const buckets: Bucket<T>[] = [];
    const starts = [...this.#contents.keys()].sort((a, b) => a - b);
    const [firstMs = Infinity, lastMs = -Infinity] = [starts[0], starts.at(-1)];
    for (let startMs = firstMs; startMs <= lastMs;) {
      const endMs = this.#calendar.endOf(startMs, this.widthMs);
      buckets.push({ startMs, endMs, content: this.#contents.get(startMs) });
      startMs = endMs;
    }
    return buckets;
  }

  /**
   * Checks whether a bucket contains both instants. If so, they stay in one bucket when buckets are widened, because a
   * wider bucket consists of whole narrower ones.
   */
  isOneBucket(aMs: number, bMs: number): boolean {
    return this.#startOf(clamped(aMs)) === this.#startOf(clamped(bMs));
  }

  /**
   * Extends the range so that it includes the instant of an event. Widens the buckets if there would be too many.
   */
  cover(epochMs: number): void {
    const ms = clamped(epochMs);
    if (ms >= this.#firstMs && ms <= this.#lastMs) return;
    this.#firstMs = Math.min(this.#firstMs, ms);
    this.#lastMs = Math.max(this.#lastMs, ms);
    const before = this.#widthIndex;
    while (this.#isTooNarrow()) this.#widthIndex++;
    if (this.#widthIndex === before) return;
    this.#current = undefined;
    const narrow = this.#contents;
    this.#contents = new Map();
    for (const [startMs, content] of narrow) {
      const wide = this.#startOf(startMs);
      const there = this.#contents.get(wide);
      if (there === undefined) this.#contents.set(wide, content);
      else there.addAll(content);
    }
  }

  /**
   * Checks whether there would be too many buckets. Invariant: the width does not depend on the order in which events
   * are added. So the starts of the first and the last bucket are compared, because at() does not extend the range for
   * an event in the bucket that was used last.
   */
  #isTooNarrow(): boolean {
    const rangeMs = this.#startOf(this.#lastMs) - this.#startOf(this.#firstMs);
    return rangeMs / this.widthMs > BUCKETS_MAX - 1;
  }

  #startOf(ms: number): number {
    return this.#calendar.startOf(ms, this.widthMs);
  }
}

/** The clock of a time zone, with caches of its UTC offsets and of the instants at which buckets start. */
class Calendar {
  readonly #timeZone: string;
  /**
   * Since this instant, the UTC offset is computed and cached for each quarter of an hour. If a clock is changed within
   * a quarter, such as at 00:01, the old offset counts up to the end of that quarter.
   */
  readonly #cachedSinceMs: number;
  /**
   * The time in milliseconds by which a quarter of an hour on the clock of the zone begins before a quarter of an hour
   * in UTC. It is 7 minutes for the offset +05:37, and 0 for offsets such as +05:30. It is also 0 for named zones,
   * where quarters began at other times only before 1980.
   */
  readonly #shiftMs: number;
  readonly #offsets = new Map<number, number>();
  readonly #instants = new Map<number, number>();

  constructor(timeZone: string) {
    this.#timeZone = timeZone;
    const isNumeric = /^[+-]/.test(timeZone);
    this.#cachedSinceMs = isNumeric ? Infinity : CACHED_SINCE_MS;
    this.#shiftMs = isNumeric ? modulo(this.#offsetAt(0), QUARTER_MS) : 0;
  }

  /** Returns the start of the bucket that contains an instant. */
  startOf(ms: number, widthMs: number): number {
    if (widthMs <= QUARTER_MS) return ms - modulo(ms + this.#shiftMs, widthMs);
    if (widthMs === HOUR_MS) return this.#hourOf(ms);
    return this.#beginning(this.#indexOf(ms, widthMs), widthMs);
  }

  /** Returns the end of the bucket that starts at an instant. */
  endOf(startMs: number, widthMs: number): number {
    if (widthMs <= QUARTER_MS) return startMs + widthMs;
    if (widthMs > HOUR_MS) return this.#beginning(this.#indexOf(startMs, widthMs) + 1, widthMs);
    // If clocks change by half an hour, the hour has 30 or 90 minutes. So the loop searches for the end of the hour.
    let ms = startMs + QUARTER_MS;
    while (this.#hourOf(ms) === startMs) ms += QUARTER_MS;
    return this.#hourOf(ms);
  }

  /**
   * Returns the start of the clock hour that contains an instant. Examples of clock changes:
   *
   * - From 2:00 forward to 2:30: an hour of 30 minutes starts at the change.
   * - From 2:00 back to 1:30: the repeated half hour belongs to the hour before the change, which has 90 minutes.
   * - From 3:00 back to 2:00: a new hour starts at the change.
   */
  #hourOf(ms: number): number {
    const offsetMs = this.#offsetAt(ms);
    const startMs = ms - modulo(ms + offsetMs, HOUR_MS);
    const offsetBefore = this.#offsetAt(startMs);
    if (offsetBefore === offsetMs) return startMs;
    if (offsetBefore > offsetMs) return this.#hourOf(startMs);
    let changeMs = startMs - modulo(startMs, QUARTER_MS);
    while (this.#offsetAt(changeMs) !== offsetMs) changeMs += QUARTER_MS;
    return changeMs;
  }

  /**
   * Returns the number of the bucket that contains an instant. The buckets must be wider than an hour.
   *
   * A bucket starts at a local time, such as midnight: at the instant at which the clock of the time zone first shows
   * this time. It ends when the next bucket starts. If the clock is set back after that, for example at the end of
   * daylight saving time, the earlier bucket does not continue.
   */
  #indexOf(ms: number, widthMs: number): number {
    const wallMs = ms + this.#offsetAt(ms);
    let index = Math.floor((wallMs - originOf(widthMs)) / widthMs);
    while (this.#beginning(index, widthMs) > ms) index--;
    while (this.#beginning(index + 1, widthMs) <= ms) index++;
    return index;
  }

  /**
   * Returns the instant at which the clock first shows the start time of a bucket. If the clock skips that time,
   * returns the instant of the clock change.
   */
  #beginning(index: number, widthMs: number): number {
    const wallMs = originOf(widthMs) + index * widthMs;
    return remembered(this.#instants, wallMs, () => {
      const wall = Temporal.Instant.fromEpochMilliseconds(wallMs).toZonedDateTimeISO("UTC");
      const time = wall.toPlainDateTime().toZonedDateTime(this.#timeZone);
      if (time.toPlainDateTime().equals(wall.toPlainDateTime())) return time.epochMilliseconds;
      // `time` may be the instant of the clock change. getTimeZoneTransition("previous") finds only earlier changes, so
      // 1 ms is added.
      const after = time.add({ milliseconds: 1 });
      return after.getTimeZoneTransition("previous")!.epochMilliseconds;
    });
  }

  /** Returns the UTC offset of the clock in milliseconds, cached per quarter of an hour. */
  #offsetAt(ms: number): number {
    const offsetOf = (ms: number) =>
      Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(this.#timeZone)
        .offsetNanoseconds / 1e6;
    if (ms < this.#cachedSinceMs) return offsetOf(ms);
    const slotMs = ms - modulo(ms, QUARTER_MS);
    return remembered(this.#offsets, slotMs, () => offsetOf(slotMs));
  }
}

function clamped(epochMs: number): number {
  return Math.min(Math.max(epochMs, EARLIEST_MS), LATEST_MS);
}

/** Returns the clock time at which bucket 0 starts: a Monday for buckets of weeks, otherwise the start of 1970. */
function originOf(widthMs: number): number {
  return widthMs >= WEEK_MS ? FIRST_MONDAY_MS : 0;
}

function remembered(known: Map<number, number>, key: number, find: () => number): number {
  let value = known.get(key);
  if (value === undefined) {
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(key, value = find());
  }
  return value;
}

/** Returns the remainder of a division. Unlike the result of `%`, the remainder is never negative. */
function modulo(dividend: number, divisor: number): number {
  return (dividend % divisor + divisor) % divisor;
}
