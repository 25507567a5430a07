/**
 * The options of a report and their checks.
 *
 * @module
 */
import { shown } from "../event.ts";
import {
  abortSignal,
  checkOptions,
  number,
  type OptionCheck,
  type OptionChecks,
  text,
  time,
} from "../options/option_checks.ts";
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

const REPORT_OPTION_CHECKS: OptionChecks<ReportOptions> = {
  since: time,
  until: time,
  timeZone: text,
  title: text,
  budgetPerHour: number(0, { unit: "USD", orEqual: false }),
  signal: abortSignal,
};

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
 * Fills in the defaults and checks every name and value.
 *
 * @param options The options as the caller passed them.
 * @param further Checks of the options that the caller has besides.
 * @throws {TypeError} If an option is unknown or of the wrong type; names it.
 * @throws {RangeError} If a time, a time zone or a budget is invalid; names the option.
 */
export function resolveReportOptions(
  options: ReportOptions,
  further: Readonly<Record<string, OptionCheck>> = {},
): ResolvedReportOptions {
  checkOptions(options, { ...REPORT_OPTION_CHECKS, ...further }, "report");
  const { since, until, timeZone = "UTC", title = "Audit log", budgetPerHour } = options;
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
      `Cannot report: timeZone must be one such as Europe/Berlin or UTC, got ${shown(timeZone)}`,
      { cause },
    );
  }
}
