/**
 * The options of a report and their checks.
 *
 * @module
 */
import { shown } from "../event.ts";
import { type TimeLike, toEpochMs } from "../time.ts";

/** What a report is about, and how it shows it. */
export interface ReportOptions {
  /** Events from this instant on; default: from the first. */
  since?: TimeLike;
  /** Events before this instant; default: up to the last. */
  until?: TimeLike;
  /** Time zone of the buckets and of all times that are shown, as IANA names it; default "UTC". */
  timeZone?: string;
  /** Heading of the page; default "Audit log". */
  title?: string;
  /** USD that may be spent in an hour: the line in the chart of the spend; default none. */
  budgetPerHour?: number;
  /** Ends the work with its reason when aborted. */
  signal?: AbortSignal;
}

/** {@linkcode ReportOptions} with nothing left open. */
export interface ResolvedReportOptions {
  /** Whether only events with a time between the two that follow are meant. */
  readonly isTimed: boolean;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly timeZone: string;
  readonly title: string;
  readonly budgetPerHour: number | null;
}

/**
 * Fills in the defaults and checks every value.
 *
 * @throws {RangeError} for a time, a time zone or a budget that is none, naming the option.
 * @throws {TypeError} for a title that is no text.
 */
export function resolveReportOptions(options: ReportOptions): ResolvedReportOptions {
  const { since, until, timeZone = "UTC", title = "Audit log", budgetPerHour } = options;
  if (typeof title !== "string") {
    throw new TypeError(`Cannot report as title must be a string: ${shown(title)}`);
  }
  if (budgetPerHour !== undefined && !(Number.isFinite(budgetPerHour) && budgetPerHour > 0)) {
    const found = shown(budgetPerHour);
    throw new RangeError(`Cannot report as budgetPerHour must be a number > 0 (USD): ${found}`);
  }
  return {
    isTimed: since !== undefined || until !== undefined,
    sinceMs: since === undefined ? -Infinity : toEpochMs(since, "since"),
    untilMs: until === undefined ? Infinity : toEpochMs(until, "until"),
    timeZone: checkedTimeZone(timeZone),
    title,
    budgetPerHour: budgetPerHour ?? null,
  };
}

function checkedTimeZone(timeZone: string): string {
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timeZone).timeZoneId;
  } catch (cause) {
    throw new RangeError(
      `Cannot report as timeZone must be one such as Europe/Berlin or UTC: ${shown(timeZone)}`,
      { cause },
    );
  }
}
