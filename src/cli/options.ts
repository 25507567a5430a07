/**
 * The options that commands share, and how their values are read.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { choice, string, type ValueParser } from "@optique/core/valueparser";
import type { AuditEvent } from "../event.ts";
import { messageOf } from "../errors.ts";
import type { QueryOptions } from "../read/query.ts";
import type { ColorMode } from "./terminal.ts";
import { parseWhen, type When } from "./when.ts";

/** Options of every command. A type, as the parsers take no interface for an object. */
export type OutputOptions = {
  readonly json: boolean;
  readonly color: ColorMode;
};

/** Options of every command that shows times. */
export type ShownOptions = OutputOptions & { readonly timeZone: string };

/** Options of every command on a log. */
export type LogOptions = OutputOptions & { readonly path: string | undefined };

/** Options of every command on a log that shows times. */
export type ReadingOptions = LogOptions & ShownOptions;

/** What the events are like that a command is about. */
export type FieldOptions = {
  readonly event: readonly string[];
  readonly session: string | undefined;
  readonly where: readonly FieldTest[];
};

/** From when to when they are. */
export type TimeOptions = {
  readonly since: When | undefined;
  readonly until: When | undefined;
};

/** Whether an event has a field of a value. */
export type FieldTest = (event: AuditEvent) => boolean;

/** Makes the parser of a value from a function that throws for what it does not take. */
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
        return { success: false, error: message`${input} is ${text(messageOf(error))}.` };
      }
    },
    format: () => metavar,
  };
}

const when = valueOf("TIME", parseWhen, () => Temporal.Now.instant());
/** The parser of a time zone's name. */
export const timeZone: ValueParser<"sync", string> = valueOf("ZONE", checkTimeZone, "UTC");
const fieldTest = valueOf("FIELD=VALUE", parseFieldTest, () => true);

function checkTimeZone(name: string): string {
  try {
    return Temporal.Now.zonedDateTimeISO(name).timeZoneId;
  } catch (cause) {
    throw new RangeError("no time zone such as Europe/Berlin or UTC", { cause });
  }
}

/** A value is compared as it stands in the line, a string without its quotes. */
function parseFieldTest(input: string): FieldTest {
  const at = input.indexOf("=");
  if (at <= 0) throw new RangeError("no test such as model=small");
  const [name, expected] = [input.slice(0, at), input.slice(at + 1)];
  return (event) => {
    if (!Object.hasOwn(event, name)) return false;
    const value = event[name];
    return (typeof value === "string" ? value : JSON.stringify(value)) === expected;
  };
}

const path = {
  path: optional(option("--path", string({ metavar: "FILE" }), {
    description: message`The active file of the log; default ~/.scout/audit.jsonl`,
  })),
};
const output = {
  json: option("--json", {
    description: message`Write JSON: a line for each event, or one object for a summary`,
  }),
  color: withDefault(
    option("--color", choice(["auto", "always", "never"]), {
      description:
        message`When to write in colour: auto (the default, heeds NO_COLOR), always or never`,
    }),
    "auto",
  ),
};
const shown = {
  ...output,
  timeZone: withDefault(
    option("--tz", timeZone, {
      description:
        message`Time zone of what is shown and of times that name none: UTC, Europe/Berlin; default the local one`,
    }),
    () => Temporal.Now.timeZoneId(),
  ),
};
const LOG_LABEL = "Log and output";

/** The parser of {@linkcode ShownOptions}. */
export const shownOptions: Parser<"sync", ShownOptions, unknown> = object("Output", shown);

/** The parser of {@linkcode LogOptions}. */
export const logOptions: Parser<"sync", LogOptions, unknown> = object(LOG_LABEL, {
  ...path,
  ...output,
});

/** The parser of {@linkcode ReadingOptions}. */
export const readingOptions: Parser<"sync", ReadingOptions, unknown> = object(LOG_LABEL, {
  ...path,
  ...shown,
});

/** The parser of {@linkcode FieldOptions}. */
export const fieldOptions: Parser<"sync", FieldOptions, unknown> = object("Which events", {
  event: multiple(option("--event", string({ metavar: "TYPE" }), {
    description: message`Of this type; more than once for more types`,
  })),
  session: optional(option("--session", string({ metavar: "ID" }), {
    description: message`Of this session`,
  })),
  where: multiple(option("--where", fieldTest, {
    description: message`With this value of a field; more than once for more fields`,
  })),
});

/** The parser of the time from which on something is asked for. */
export const sinceOption: Parser<"sync", When | undefined, unknown> = optional(
  option("--since", when, {
    description: message`From this time on: 3h, yesterday, 2026-02-13T14:30`,
  }),
);

/** The parser of {@linkcode TimeOptions}. */
export const timeOptions: Parser<"sync", TimeOptions, unknown> = object("When", {
  since: sinceOption,
  until: optional(option("--until", when, { description: message`Before this time` })),
});

/** What to ask a reader for. */
export function fieldsToQuery(
  { event, session, where }: FieldOptions,
): Pick<QueryOptions, "eventType" | "sessionId" | "where"> {
  return {
    ...event.length === 0 ? {} : { eventType: event },
    ...session === undefined ? {} : { sessionId: session },
    ...where.length === 0 ? {} : { where: (found) => where.every((test) => test(found)) },
  };
}

/** As {@linkcode fieldsToQuery}, with the times as they are now. */
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
