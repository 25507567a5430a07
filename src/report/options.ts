/**
 * The options of a report, and the checks of the options.
 *
 * @module
 */
import {
  abortSignal,
  checkOptions,
  number,
  type OptionCheck,
  type OptionChecks,
  text,
  texts,
  time,
  timeZone as timeZoneCheck,
} from "../options/option_checks.ts";
import { isTimeKey } from "../stats/group_key.ts";
import { areGroupNames } from "../stats/source.ts";
import { type TimeLike, toEpochMs } from "../time.ts";
import { MODEL } from "./groups.ts";

/** The time range and the look of a report. */
export interface ReportOptions {
  /**
   * The start of the range (inclusive). Without this option, the report starts with the first event. If `since` or
   * `until` is set, events without a readable time are left out.
   *
   * @default {undefined}
   */
  since?: TimeLike;
  /**
   * The end of the range (exclusive). Without this option, the report ends with the last event.
   *
   * @default {undefined}
   */
  until?: TimeLike;
  /**
   * The time zone of all times on the page and of the hours and days in its charts: an IANA name such as
   * `Europe/Berlin`, or a UTC offset such as `+05:30`.
   *
   * @default {"UTC"}
   */
  timeZone?: string;
  /**
   * One or two names of fields by whose values the charts of the spend and the tokens are grouped. A table shows the
   * calls, the failures and the accuracy of these groups, and of each model and agent. Examples are `"agent"` or
   * `["agent", "model"]`; `"session"` stands for the field `session_id`. Archives have stored sums by
   * `model`, `event` or both, by `agent`, by `session`, and by each of {@linkcode AuditLogOptions.rollupFields}. For
   * any other choice, such as `["agent", "model"]`, every archive is decoded.
   *
   * @default {"model"}
   */
  by?: string | readonly string[];
  /**
   * The heading of the page.
   *
   * @default {"Audit log"}
   */
  title?: string;
  /**
   * The budget in USD per hour, greater than 0. The spend chart shows the budget as a line, and the page says in how
   * many bars the spend exceeded it. If the bars are shorter than an hour, the spend of the hour up to the end of each
   * bar is compared, and drawn as another line. Events before `since` do not count, so with `since` the spend of the
   * first hour is that since the start of the range. Without this option, the spend is not compared with a budget.
   *
   * @default {undefined}
   */
  budgetPerHour?: number;
  /**
   * A signal that cancels the report. Without this option, {@linkcode renderReport} reads to the end of the events,
   * and {@linkcode serveReport} serves until the server is closed.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

const REPORT_OPTION_CHECKS: OptionChecks<ReportOptions> = {
  since: time,
  until: time,
  timeZone: timeZoneCheck,
  by: {
    must: "one or two names of fields, and neither hour nor day",
    isOfType: texts.isOfType,
    isInRange: (value: string | readonly string[]) => {
      const names = [value].flat();
      return names.length > 0 && areGroupNames(names) && !names.some(isTimeKey);
    },
  },
  title: text,
  budgetPerHour: number(0, { unit: "USD", orEqual: false }),
  signal: abortSignal,
};

/** {@linkcode ReportOptions} with all defaults filled in. */
export interface ResolvedReportOptions {
  /** `true` if the report has a time range, so that only events with a time in this range are counted. */
  readonly isTimed: boolean;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly timeZone: string;
  /** The names of the fields by which the spend and the tokens are grouped. */
  readonly by: readonly string[];
  readonly title: string;
  readonly budgetPerHour: number | null;
}

/**
 * Checks whether a time in epoch milliseconds is in the time range of a report. An unreadable time is NaN. Every
 * comparison with NaN is false, so a report with a time range leaves such an event out.
 */
export function isInReport(
  epochMs: number,
  { isTimed, sinceMs, untilMs }: Pick<ResolvedReportOptions, "isTimed" | "sinceMs" | "untilMs">,
): boolean {
  return !isTimed || (epochMs >= sinceMs && epochMs < untilMs);
}

/**
 * Checks the name and the value of every option, and fills in the defaults.
 *
 * @param options The options as the caller passed them.
 * @param further The checks of additional options that the caller accepts.
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
 * @throws {RangeError} If a time, a time zone or a budget is invalid; the message names the option.
 */
export function resolveReportOptions(
  options: ReportOptions,
  further: Readonly<Record<string, OptionCheck>> = {},
): ResolvedReportOptions {
  checkOptions(options, { ...REPORT_OPTION_CHECKS, ...further }, "report");
  const { since, until, timeZone = "UTC", by = MODEL, title = "Audit log", budgetPerHour } =
    options;
  return {
    isTimed: since !== undefined || until !== undefined,
    sinceMs: since === undefined ? -Infinity : toEpochMs(since, "since"),
    untilMs: until === undefined ? Infinity : toEpochMs(until, "until"),
    // The report shows the name of the time zone in its usual spelling, such as Europe/Berlin for europe/berlin.
    timeZone: Temporal.Now.zonedDateTimeISO(timeZone).timeZoneId,
    by: [by].flat(),
    title,
    budgetPerHour: budgetPerHour ?? null,
  };
}
