/**
 * The options that several commands share, and the parsers of their values.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, option } from "@optique/core/primitives";
import { choice, integer, string, type ValueParser } from "@optique/core/valueparser";
import { messageOf } from "../errors.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { type Condition, parseCondition } from "./conditions.ts";
import { PATH_FLAG } from "./log_path.ts";
import { nearestName } from "../options/nearest_name.ts";
import type { Question } from "./nothing_found.ts";
import type { ColorMode } from "./terminal.ts";
import { parseWhen, type When } from "./when.ts";

/** Options of every command. The type is an alias, because the types of the parsers do not accept an interface. */
export type OutputOptions = {
  readonly json: boolean;
  readonly color: ColorMode;
};

/** Options of every command that shows times. */
export type ShownOptions = OutputOptions & { readonly timeZone: string };

/** Options of every command that works on a log. */
export type LogOptions = OutputOptions & {
  readonly file: string | undefined;
  readonly path: string | undefined;
  /** Whether the command reports the archives that it has decoded; only for commands that use stored sums. */
  readonly verbose?: boolean;
};

/** Options of every command that works on a log and shows times. */
export type ReadingOptions = LogOptions & ShownOptions;

/** Options that select events by their fields. */
export type FieldOptions = {
  readonly event: readonly string[];
  readonly session: string | undefined;
  readonly where: readonly Condition[];
};

/** Options that select events by their times. */
export type TimeOptions = {
  readonly since: When | undefined;
  readonly until: When | undefined;
};

/** Creates the parser of an option value. `read` converts the text of the value, and throws if the text is invalid. */
export function valueOf<T>(
  metavar: Uppercase<string>,
  read: (input: string) => T,
  placeholder: T,
): ValueParser<"sync", T> {
  return {
    mode: "sync",
    metavar: metavar as "TIME",
    placeholder,
    parse(input) {
      try {
        return { success: true, value: read(input) };
      } catch (error) {
        return { success: false, error: message`${input} is ${text(messageOf(error))}` };
      }
    },
    format: () => metavar,
  };
}

/** Creates the parser of an option value that must be one of several words. */
export function choiceOf<const T extends string>(
  metavar: Uppercase<string>,
  words: readonly T[],
): ValueParser<"sync", T> {
  const allowed = `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  return choice(words, {
    metavar: metavar as "WHEN",
    errors: {
      invalidChoice: (input) => {
        const near = nearestName(input, words);
        return message`${input} is not ${text(allowed)}${
          text(near === undefined ? "" : `; did you mean ${near}?`)
        }`;
      },
    },
  });
}

/** Creates the parser of an option value that must be an integer from `min` to `max`. */
export function countOf(
  metavar: Uppercase<string>,
  { min, max }: { readonly min: number; readonly max?: number },
): ValueParser<"sync", number> {
  const range = max === undefined ? `an integer >= ${min}` : `an integer from ${min} to ${max}`;
  const refused = (input: unknown) => message`${String(input)} is not ${text(range)}`;
  return integer({
    min,
    ...max === undefined ? {} : { max },
    metavar: metavar as "N",
    errors: {
      invalidInteger: refused,
      unsafeInteger: refused,
      belowMinimum: refused,
      aboveMaximum: refused,
    },
  });
}

/** Creates the parser of a number such as an amount in USD: a number >= 0, or > 0 if `orZero` is false. */
export function amountOf(
  metavar: Uppercase<string>,
  { orZero = true }: { readonly orZero?: boolean } = {},
): ValueParser<"sync", number> {
  const read = (input: string) => {
    const amount = /^\d*\.?\d+$/.test(input) ? Number(input) : NaN;
    if (Number.isFinite(amount) && (orZero || amount > 0)) return amount;
    throw new RangeError(`not a number ${orZero ? ">= 0" : "> 0"}; use 5 or 0.25`);
  };
  return valueOf(metavar, read, 1);
}

/** The parser of `--reason`. The text becomes the field `reason` of the line that the command logs. */
export const reasonOption: Parser<"sync", string | undefined, unknown> = optional(
  option("--reason", string({ metavar: "TEXT" }), {
    description: message`The reason to record in the log`,
  }),
);

/** The parser of a time, such as `3h`, `yesterday` or `2026-02-13T14:30`. */
export const when: ValueParser<"sync", When> = valueOf(
  "TIME",
  parseWhen,
  () => Temporal.Now.instant(),
);
/** The parser of the name of a time zone. */
export const timeZone: ValueParser<"sync", string> = valueOf("ZONE", checkTimeZone, "UTC");
/** The parser of a condition on a field of events, such as `cost>0.5`. */
export const condition: ValueParser<"sync", Condition> = valueOf(
  "CONDITION",
  parseCondition,
  { text: "", isMetBy: () => true },
);

function checkTimeZone(name: string): string {
  try {
    return Temporal.Now.zonedDateTimeISO(name).timeZoneId;
  } catch (cause) {
    throw new RangeError("not a time zone; use a name such as Europe/Berlin or UTC", { cause });
  }
}

const log = {
  file: optional(argument(string({ metavar: "LOG" }), {
    description:
      message`The log: its active file, or the directory that holds it. Default: the value of SCOUT_PATH (needs ${PATH_FLAG}), else ~/.scout/audit.jsonl (needs --allow-env=HOME)`,
  })),
  path: optional(option("--path", string({ metavar: "FILE" }), {
    description: message`The log, instead of the argument LOG`,
  })),
};
const output = {
  json: option("--json", {
    description: message`Write JSON: one line per event, or one object for a summary`,
  }),
  color: withDefault(
    option("--color", choiceOf("WHEN", ["auto", "always", "never"]), {
      description:
        message`When to use color: auto (the default, respects NO_COLOR), always or never`,
    }),
    "auto" as const,
  ),
};
const shown = {
  ...output,
  timeZone: withDefault(
    option("--tz", timeZone, {
      description:
        message`Time zone of the output, and of times without a UTC offset: UTC, Europe/Berlin; default: the local zone`,
    }),
    () => Temporal.Now.timeZoneId(),
  ),
};
const LOG_LABEL = "Log and output";

/** The parser of {@linkcode ShownOptions}. */
export const shownOptions: Parser<"sync", ShownOptions, unknown> = object("Output", shown);

/** The parser of {@linkcode LogOptions}. */
export const logOptions: Parser<"sync", LogOptions, unknown> = object(LOG_LABEL, {
  ...log,
  ...output,
});

/** The parser of {@linkcode LogOptions} without the argument LOG, for a command whose arguments are files to import. */
export const targetOptions: Parser<"sync", Omit<LogOptions, "file">, unknown> = object(LOG_LABEL, {
  path: optional(option("--path", string({ metavar: "FILE" }), {
    description:
      message`The log: its active file, or the directory that holds it. Default: as for ${"scout status"}`,
  })),
  ...output,
});

/** The parser of {@linkcode ReadingOptions}, for a command that uses the sums that are stored beside archives. */
export const summingOptions: Parser<"sync", ReadingOptions, unknown> = object(LOG_LABEL, {
  ...log,
  ...shown,
  verbose: option("--verbose", {
    description:
      message`Report on standard error how many archives were decoded because their stored sums were not enough`,
  }),
});

/** The parser of {@linkcode ReadingOptions}. */
export const readingOptions: Parser<"sync", ReadingOptions, unknown> = object(LOG_LABEL, {
  ...log,
  ...shown,
});

/** The parser of `--where`. */
export const whereOption: Parser<"sync", readonly Condition[], unknown> = multiple(
  option("--where", condition, {
    description:
      message`Events whose field meets a condition: model=small, cost>0.5, tool!=search, error~timeout (a regular expression). Repeat for more conditions`,
  }),
);

/** The parser of {@linkcode FieldOptions}. */
export const fieldOptions: Parser<"sync", FieldOptions, unknown> = object("Event filters", {
  event: multiple(option("--event", string({ metavar: "TYPE" }), {
    description: message`Events of this type; repeat for more types`,
  })),
  session: optional(option("--session", string({ metavar: "ID" }), {
    description: message`Events of this session`,
  })),
  where: whereOption,
});

/** The parser of `--since`. */
export const sinceOption: Parser<"sync", When | undefined, unknown> = optional(
  option("--since", when, {
    description: message`Events from this time on: 3h, yesterday, 2026-02-13T14:30`,
  }),
);

/** The parser of {@linkcode TimeOptions}. */
export const timeOptions: Parser<"sync", TimeOptions, unknown> = object("Time range", {
  since: sinceOption,
  until: optional(option("--until", when, { description: message`Events before this time` })),
});

/** Converts the options of a command that select events by their fields to options of a query. */
export function fieldsToQuery(
  { event, session, where }: FieldOptions,
): Pick<QueryOptions, "eventType" | "sessionId" | "where"> {
  return {
    ...event.length === 0 ? {} : { eventType: event },
    ...session === undefined ? {} : { sessionId: session },
    ...where.length === 0 ? {} : { where: (found) => where.every(({ isMetBy }) => isMetBy(found)) },
  };
}

/**
 * Converts the options of a command that select events by their fields and times to options of a query. Relative times,
 * such as `3h` for 3 hours ago, count back from `now`.
 */
export function optionsToQuery(
  { since, until, ...fields }: FieldOptions & TimeOptions,
  now: Temporal.ZonedDateTime,
): QueryOptions {
  return {
    ...fieldsToQuery(fields),
    ...since === undefined ? {} : { since: since(now) },
    ...until === undefined ? {} : { until: until(now) },
  };
}

/** Returns the facts about a query that the message needs if the query finds nothing. */
export function questionOf(
  { event, session, where, since, until }: FieldOptions & Partial<TimeOptions>,
  now: Temporal.ZonedDateTime,
): Question {
  return {
    event,
    session,
    hasTests: where.length > 0,
    since: since?.(now),
    until: until?.(now),
  };
}
