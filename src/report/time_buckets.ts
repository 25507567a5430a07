/**
 * Buckets of time, as wide as the range of what is in them asks for: a minute for two hours, a day for
 * three months, a week for two years. Pure.
 *
 * - From the hour on they begin with an hour, a day or a week of the time zone's own clocks, so a day on
 *   which those are changed has 23 or 25 hours, and an hour that comes twice is two buckets.
 * - They adjoin, however the clocks are changed: what is in a bucket comes before all of the next one.
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

/** Every time zone that has a name is a multiple of it away from UTC, since 1972. */
const SLOT_MS = 15 * MINUTE_MS;
const SLOTS_SINCE_MS = Date.UTC(1972, 1, 1);
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
    this.#current = { startMs, endMs: this.#calendar.endOf(startMs, this.widthMs), content };
    return content;
  }

  /** All buckets from the first to the last that has a content, the empty ones among them. */
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
}

/** The clocks of a time zone, with what was asked of them before. */
class Calendar {
  readonly #timeZone: string;
  readonly #isNamed: boolean;
  readonly #offsets = new Map<number, number>();
  readonly #instants = new Map<number, number>();

  constructor(timeZone: string) {
    this.#timeZone = timeZone;
    this.#isNamed = !/^[+-]/.test(timeZone);
  }

  /** Where the bucket begins that an instant is in. */
  startOf(ms: number, widthMs: number): number {
    if (widthMs <= SLOT_MS) return ms - modulo(ms, widthMs);
    if (widthMs === HOUR_MS) return this.#hourOf(ms);
    return this.#beginning(this.#indexOf(ms, widthMs), widthMs);
  }

  /** Where the bucket ends that begins there. */
  endOf(startMs: number, widthMs: number): number {
    if (widthMs <= SLOT_MS) return startMs + widthMs;
    if (widthMs > HOUR_MS) return this.#beginning(this.#indexOf(startMs, widthMs) + 1, widthMs);
    // Where clocks are changed by half an hour, an hour has half or half as much again.
    let ms = startMs + SLOT_MS;
    while (this.#hourOf(ms) === startMs) ms += SLOT_MS;
    return this.#hourOf(ms);
  }

  /**
   * Where the hour of the clocks begins. One that is cut off, as they are put forward in it, begins then;
   * the rest of one in which they are put back belongs to it, unless that makes it come twice.
   */
  #hourOf(ms: number): number {
    const offsetMs = this.#offsetAt(ms);
    const startMs = ms - modulo(ms + offsetMs, HOUR_MS);
    const offsetBefore = this.#offsetAt(startMs);
    if (offsetBefore === offsetMs) return startMs;
    if (offsetBefore > offsetMs) return this.#hourOf(startMs);
    let changeMs = startMs - modulo(startMs, SLOT_MS);
    while (this.#offsetAt(changeMs) !== offsetMs) changeMs += SLOT_MS;
    return changeMs;
  }

  /**
   * The number of the bucket of more than an hour that an instant is in. Each begins when the clocks show
   * its beginning for the first time, and ends when the next one begins, whatever they show in between.
   */
  #indexOf(ms: number, widthMs: number): number {
    const wallMs = ms + this.#offsetAt(ms);
    let index = Math.floor((wallMs - originOf(widthMs)) / widthMs);
    while (this.#beginning(index, widthMs) > ms) index--;
    while (this.#beginning(index + 1, widthMs) <= ms) index++;
    return index;
  }

  /** When the clocks show the beginning of a bucket, or have gone past it if they never do. */
  #beginning(index: number, widthMs: number): number {
    const wallMs = originOf(widthMs) + index * widthMs;
    return remembered(this.#instants, wallMs, () => {
      const wall = Temporal.Instant.fromEpochMilliseconds(wallMs).toZonedDateTimeISO("UTC");
      const time = wall.toPlainDateTime().toZonedDateTime(this.#timeZone);
      if (time.toPlainDateTime().equals(wall.toPlainDateTime())) return time.epochMilliseconds;
      // The change itself may be where it has come to.
      const after = time.add({ milliseconds: 1 });
      return after.getTimeZoneTransition("previous")!.epochMilliseconds;
    });
  }

  /** How far the clocks are ahead of UTC, asked once for a quarter of an hour. */
  #offsetAt(ms: number): number {
    const offsetOf = (ms: number) =>
      Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(this.#timeZone)
        .offsetNanoseconds / 1e6;
    if (!this.#isNamed || ms < SLOTS_SINCE_MS) return offsetOf(ms);
    const slotMs = ms - modulo(ms, SLOT_MS);
    return remembered(this.#offsets, slotMs, () => offsetOf(slotMs));
  }
}

/** Weeks begin on a Monday, all else with the day. */
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

/** The rest that is never negative. */
function modulo(dividend: number, divisor: number): number {
  return (dividend % divisor + divisor) % divisor;
}
