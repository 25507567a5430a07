/**
 * Places and formats the labels of a time axis. Pure.
 *
 * @module
 */

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MONTHS = [
  "Jan",
  "Feb",
  "Mar",
  "Apr",
  "May",
  "Jun",
  "Jul",
  "Aug",
  "Sep",
  "Oct",
  "Nov",
  "Dec",
] as const;

/** The steps between labels of a time axis, the smallest first. Steps of 7 or 14 days start on Mondays. */
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((every) => ({ unit: "second" as const, every })),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((every) => ({
    unit: "minute" as const,
    every,
  })),
  ...[1, 2, 7, 14].map((every) => ({ unit: "day" as const, every })),
  ...[1, 2, 3, 6].map((every) => ({ unit: "month" as const, every })),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].map((every) => ({
    unit: "year" as const,
    every,
  })),
];
type Step = typeof STEPS[number];

/** The first Monday of 1970, in days since 1970-01-01, a Thursday. Weeks start on Mondays. */
const FIRST_MONDAY = 4;

/** A label of a time axis, and the index of the bucket that the label belongs to. */
export interface Tick {
  readonly index: number;
  readonly label: string;
}

/**
 * Returns at most `ticksMax` labels for the time buckets that start at `startsMs`. Labels are at round times in the
 * time zone. The first label of each day or year has a second line with the day or the year.
 */
export function timeTicks(
  startsMs: readonly number[],
  { timeZone, ticksMax }: { timeZone: string; ticksMax: number },
): Tick[] {
  const times = startsMs.map((ms) =>
    Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timeZone).toPlainDateTime()
  );
  const areMinutes = startsMs.every((ms) => ms % MINUTE_MS === 0);
  for (const step of areMinutes ? STEPS.filter(({ unit }) => unit !== "second") : STEPS) {
    const indexes = indexesOf(times, step);
    if (indexes.length > ticksMax) continue;
    const shown = indexes.length > 0 ? indexes : times.slice(0, 1).map((_, index) => index);
    return shown.map((index, place) => ({
      index,
      label: labelOf(times[index]!, times[shown[place - 1] ?? -1], step),
    }));
  }
  return [];
}

/** Returns the indexes of the buckets in which a new step starts, such as an hour or a day. */
function indexesOf(times: readonly Temporal.PlainDateTime[], { unit, every }: Step): number[] {
  const steps = times.map((time) => countOf(time, unit) / every);
  return steps.flatMap((step, index) => {
    const before = steps[index - 1];
    const isBeginning = before === undefined
      ? Number.isInteger(step)
      : Math.floor(step) !== Math.floor(before);
    return isBeginning ? [index] : [];
  });
}

function countOf(time: Temporal.PlainDateTime, unit: Step["unit"]): number {
  if (unit === "year") return time.year + (time.dayOfYear - 1) / time.daysInYear;
  if (unit === "month") return time.year * 12 + time.month - 1 + (time.day - 1) / time.daysInMonth;
  const ms = time.toZonedDateTime("UTC").epochMilliseconds;
  if (unit === "second") return ms / 1_000;
  return unit === "minute" ? ms / MINUTE_MS : ms / DAY_MS - FIRST_MONDAY;
}

function labelOf(
  time: Temporal.PlainDateTime,
  before: Temporal.PlainDateTime | undefined,
  { unit }: Step,
): string {
  const date = `${time.day} ${MONTHS[time.month - 1]}`;
  if (unit === "year") return `${time.year}`;
  if (unit === "minute" || unit === "second") {
    const clock = time.toPlainTime().toString({ smallestUnit: unit });
    const isSameDay = before?.toPlainDate().equals(time.toPlainDate()) ?? false;
    return isSameDay ? clock : `${clock}\n${date}`;
  }
  const day = unit === "day" ? date : MONTHS[time.month - 1]!;
  return before?.year === time.year ? day : `${day}\n${time.year}`;
}
