/**
 * The options of budgets and holds, and their checks. A hold is an amount that a program reserves on a budget before a
 * call.
 *
 * @module
 */
import { fieldError, shown } from "../event.ts";
import { unfitReason } from "../fields/known_fields.ts";
import {
  abortSignal,
  anything,
  checkOption,
  checkOptions,
  flag,
  nonEmptyText,
  number,
  type OptionCheck,
  type OptionChecks,
  time,
} from "../options/option_checks.ts";
import { type TimeLike, toEpochMs } from "../time.ts";
import { type Fields, mergeFields } from "../write/merge_fields.ts";
import type { BudgetTerms } from "./account.ts";
import { BUDGET_FIELDS } from "./budget_lines.ts";
import { type Amounts, BUDGET_UNITS, type BudgetUnit, toAmount } from "./amount.ts";

/** The limit of a budget. Exactly one of the properties must be set: it decides the unit of the budget. */
export interface BudgetLimit {
  /** Limit in USD, a number >= 0. */
  usd?: number;
  /** Limit in tokens, input and output together, an integer >= 0. */
  tokens?: number;
  /** Limit in calls, an integer >= 0. */
  calls?: number;
}

/** Options of `budget()`. */
export interface BudgetOptions {
  /** Name of the budget, a non-empty string. Every process that uses this name on the log shares the budget. */
  name: string;
  /**
   * The limit. If `limit` equals the limit that a process declared last, the current limit stays. It stays even if
   * `scout budget set` has changed it since. Otherwise the new limit counts for every process from now on.
   */
  limit: BudgetLimit;
  /**
   * Length of the rolling window in hours, a number > 0. If `hours` is not set, the budget is a total: it has no window
   * and counts everything from `since` on.
   *
   * @default {undefined}
   */
  hours?: number;
  /**
   * Start of a budget without `hours`: earlier events do not count. By default, the budget starts when it is declared
   * for the first time.
   *
   * @default {undefined}
   */
  since?: TimeLike;
  /**
   * Fields that select the events to count. An event without a hold counts only if it has these fields with exactly
   * these values. By default every event counts.
   *
   * @default {{}}
   */
  where?: object;
}

/** Options of a hold. A hold needs an amount in the unit of each of its budgets, such as `usd` for a budget in USD. */
export interface HoldOptions {
  /**
   * Amount to hold in USD, a number >= 0.
   *
   * @default {undefined}
   */
  usd?: number;
  /**
   * Amount to hold in tokens, an integer >= 0.
   *
   * @default {undefined}
   */
  tokens?: number;
  /**
   * Amount to hold in calls, an integer >= 0.
   *
   * @default {1}
   */
  calls?: number;
  /**
   * Other budgets of the same log on which the call counts too. The hold is granted only if it fits on every budget.
   *
   * @default {[]}
   */
  and?: readonly { readonly name: string }[];
  /**
   * Fields of the hold and of the event that settles it, such as the model.
   *
   * @default {{}}
   */
  fields?: object;
  /**
   * Number of seconds, > 0, after which the amount of a hold that has not ended counts as spent. The default is 15
   * minutes.
   *
   * @default {900}
   */
  maxSec?: number;
  /**
   * If `true`, a hold that does not fit now waits until it fits. Otherwise it is refused.
   *
   * @default {false}
   */
  wait?: boolean;
  /**
   * Aborts a hold that is not granted yet, even while it waits. The call of `hold()` then rejects with the reason of
   * the signal.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

const BUDGET_CHECKS: OptionChecks<BudgetOptions> = {
  name: nonEmptyText,
  limit: anything,
  hours: number(0, { unit: "hours", orEqual: false }),
  since: time,
  where: anything,
};
const COUNT: OptionCheck = {
  must: "an integer >= 0",
  isOfType: (value) => typeof value === "number",
  isInRange: (value: number) => Number.isSafeInteger(value) && value >= 0,
};
const AMOUNT_CHECKS: OptionChecks<BudgetLimit> = {
  usd: number(0, { unit: "USD", orEqual: true }),
  tokens: COUNT,
  calls: COUNT,
};
const HOLD_CHECKS: OptionChecks<HoldOptions> = {
  ...AMOUNT_CHECKS,
  and: anything,
  fields: anything,
  maxSec: number(0, { unit: "seconds", orEqual: false }),
  wait: flag,
  signal: abortSignal,
};

const DECLARE = "declare budget";
const HOLD = "hold";

/**
 * The names of fields that `where` must not contain. `event` is excluded, because the event type of a call is not known
 * yet when its hold is written. `ts` and the fields of budgets are excluded, because the log sets them, not the
 * program.
 */
const NOT_IN_WHERE = ["event", "ts", ...BUDGET_FIELDS];

/** Default number of seconds after which the amount of a hold that has not ended counts as spent. */
const MAX_SEC = 900;

/** A budget that a program declares, with its options checked and converted. */
export interface Declaration {
  readonly terms: BudgetTerms;
  /** The limit as an integer amount: billionths of a USD, tokens or calls. */
  readonly limit: number;
  /** `true` if neither `hours` nor `since` is set. The budget then starts when it is declared for the first time. */
  readonly startsNow: boolean;
}

/**
 * Checks the options of a budget and returns its declaration. If neither `hours` nor `since` is set, the budget starts
 * at `nowMs`, in epoch milliseconds.
 *
 * @throws {TypeError} If an option is unknown, missing or of the wrong type; the message names it.
 * @throws {RangeError} If an option is out of its range; the message names it.
 */
export function declarationOf(options: BudgetOptions, nowMs: number): Declaration {
  checkOptions(options, BUDGET_CHECKS, DECLARE);
  const { name, limit, hours, since, where = {} } = options;
  checkOption(name, nonEmptyText, `Cannot ${DECLARE}: name`);
  const wanted = mergeFields({}, where);
  for (const field of NOT_IN_WHERE) {
    if (!Object.hasOwn(wanted, field)) continue;
    throw new TypeError(
      `Cannot ${DECLARE}: where cannot select by "${field}", because it is not a field of a hold`,
    );
  }
  const unit = unitOf(limit);
  if (hours !== undefined && since !== undefined) {
    throw new TypeError(`Cannot ${DECLARE}: the options hours and since are both set; omit one`);
  }
  const startMs = Math.trunc(since === undefined ? nowMs : toEpochMs(since, "since"));
  return {
    terms: {
      name,
      unit,
      hours: hours ?? null,
      sinceMs: hours === undefined ? startMs : null,
      where: plainCopy(wanted),
    },
    limit: toAmount(limit[unit]!, unit),
    startsNow: hours === undefined && since === undefined,
  };
}

/** A hold that a program requests, with its options checked and converted. */
export interface CheckedHold {
  readonly amounts: Amounts;
  readonly fields: Fields;
  readonly maxMs: number;
  readonly waits: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks the options of a hold, whose budgets have the terms in `terms`. Returns the amounts and the fields of the
 * hold, including the fields that the `where` of its budgets requires.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type, or a field contradicts `where` of a budget.
 * @throws {RangeError} If an option is out of its range.
 * @throws {AuditEventError} If a field is invalid.
 */
export function checkedHold(
  options: HoldOptions,
  terms: readonly BudgetTerms[],
  bound: Fields,
): CheckedHold {
  checkOptions(options, HOLD_CHECKS, HOLD);
  const { fields = {}, maxSec = MAX_SEC, wait = false, signal } = options;
  const amounts: Partial<Record<BudgetUnit, number>> = {};
  for (const { unit } of terms) {
    const value = options[unit] ?? (unit === "calls" ? 1 : undefined);
    if (value !== undefined) amounts[unit] = toAmount(value, unit);
  }
  const own = mergeFields(bound, fields);
  if (Object.hasOwn(fields, "cost") && own.cost !== undefined && own.cost !== null) {
    throw fieldError("cost", own.cost, "be passed to settle(), not to hold()");
  }
  for (const [name, value] of Object.entries(own)) {
    const reason = unfitReason(name, value);
    if (reason !== null) throw fieldError(name, value, `be ${reason}`);
    if (BUDGET_FIELDS.includes(name)) {
      throw fieldError(name, value, "not be set, because it is reserved for budgets");
    }
  }
  const maxMs = maxSec * 1000;
  return { amounts, fields: withWhere(own, terms, HOLD), maxMs, waits: wait, signal };
}

/**
 * Returns the fields of a hold or of its event, together with the fields that the `where` option of the budgets
 * requires. So the line matches each budget on which it counts.
 *
 * @throws {TypeError} If a field has another value than a budget requires.
 */
export function withWhere(
  fields: Fields,
  terms: readonly BudgetTerms[],
  action: "hold" | "settle",
): Fields {
  const all: Record<string, unknown> = {};
  for (const { name: budget, where } of terms) {
    for (const [name, value] of Object.entries(where)) {
      for (const has of [all, fields]) {
        const isOther = Object.hasOwn(has, name) && has[name] !== undefined &&
          has[name] !== null && JSON.stringify(has[name]) !== JSON.stringify(value);
        if (!isOther) continue;
        throw new TypeError(
          `Cannot ${action}: the field "${name}" must be ${
            shown(value)
          }, as budget "${budget}" requires, got ${shown(has[name])}`,
        );
      }
      all[name] = value;
    }
  }
  return { ...fields, ...all };
}

function unitOf(limit: unknown): BudgetUnit {
  checkOptions(limit, AMOUNT_CHECKS, DECLARE, "limit.");
  const set = BUDGET_UNITS.filter((unit) => (limit as BudgetLimit)[unit] !== undefined);
  const [unit] = set;
  if (unit === undefined || set.length > 1) {
    throw new TypeError(
      `Cannot ${DECLARE}: limit must have exactly one of usd, tokens and calls, got ${
        set.length === 0 ? "none" : set.join(" and ")
      }`,
    );
  }
  return unit;
}

/**
 * Returns a copy of the fields, with the values that a reader gets after the fields were written as JSON and parsed.
 */
function plainCopy(fields: Fields): Record<string, unknown> {
  return JSON.parse(JSON.stringify(fields));
}
