/**
 * Checks the options of a function: unknown names and invalid values are rejected. Pure.
 *
 * @module
 */
import { nonRecordKind, shown } from "../event.ts";
import { nearestName } from "./nearest_name.ts";
import { type TimeLike, toEpochMs } from "../time.ts";

/** The check of one option. An option that is `undefined` counts as left out and is not checked. */
export interface OptionCheck {
  /** Description of a valid value, for the message: "an integer >= 1". */
  readonly must: string;
  /** Checks whether a value is of the right type. If it is not, the error is a `TypeError`. */
  readonly isOfType: (value: unknown) => boolean;
  /** Checks whether a value of the right type is in its range. If it is not, the error is a `RangeError`. */
  readonly isInRange?: (value: never) => boolean;
}

/** The checks of all options of an options type. The compiler reports a missing check. */
export type OptionChecks<T> = Readonly<Record<keyof T & string, OptionCheck>>;

const isNumber = (value: unknown) => typeof value === "number";

/**
 * Accepts any value. Used for options that other code checks, and for objects of other libraries, such as a connection.
 */
export const anything: OptionCheck = { must: "any value", isOfType: () => true };
/** Accepts a string. */
export const text: OptionCheck = {
  must: "a string",
  isOfType: (value) => typeof value === "string",
};
/** Accepts a non-empty string. */
export const nonEmptyText: OptionCheck = {
  must: "a non-empty string",
  isOfType: (value) => typeof value === "string" && value !== "",
};
/** Accepts a string or an array of strings. */
export const texts: OptionCheck = {
  must: "a string or an array of strings",
  isOfType: (value) =>
    typeof value === "string" ||
    (Array.isArray(value) && value.every((each) => typeof each === "string")),
};
/** Accepts `true` and `false`. */
export const flag: OptionCheck = {
  must: "true or false",
  isOfType: (value) => typeof value === "boolean",
};
/** Accepts events to iterate over. A string can be iterated too, but its characters are not events. */
export const eventSource: OptionCheck = {
  must: "an iterable of events, such as log.query()",
  isOfType: (value) =>
    typeof value === "object" && value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value),
};
/** Accepts a function. */
export const callback: OptionCheck = {
  must: "a function",
  isOfType: (value) => typeof value === "function",
};
/** Accepts an `AbortSignal`. */
export const abortSignal: OptionCheck = {
  must: "an AbortSignal",
  isOfType: (value) => value instanceof AbortSignal,
};
/** Accepts the name of a time zone, or a UTC offset. */
export const timeZone: OptionCheck = {
  must: "a time zone such as Europe/Berlin",
  isOfType: (value) => typeof value === "string",
  isInRange: isTimeZone,
};
/** Accepts a number of hours: any number except NaN. */
export const hours: OptionCheck = {
  must: "a number",
  isOfType: isNumber,
  isInRange: (value: number) => !Number.isNaN(value),
};

function isTimeZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    // The name is not a time zone. The caller reports the name, so the message of the platform is not needed.
    return false;
  }
}

/** Returns a check that accepts an integer >= `min`, and also `Infinity` if `orInfinity` is set. */
export function integer(min: number, orInfinity = false): OptionCheck {
  return {
    must: `an integer >= ${min}${orInfinity ? " or Infinity" : ""}`,
    isOfType: isNumber,
    isInRange: (value: number) =>
      (Number.isSafeInteger(value) && value >= min) || (orInfinity && value === Infinity),
  };
}

/** Returns a check that accepts a finite number > `min`, or >= `min` if `orEqual` is set. Messages name `unit`. */
export function number(
  min: number,
  { unit, orEqual }: { unit: string; orEqual: boolean },
): OptionCheck {
  return {
    must: `a number ${orEqual ? ">=" : ">"} ${min} (${unit})`,
    isOfType: isNumber,
    isInRange: (value: number) => Number.isFinite(value) && (orEqual ? value >= min : value > min),
  };
}

/** Returns a check that accepts one of several strings. */
export function oneOf(...choices: readonly string[]): OptionCheck {
  return {
    must: choices.map((choice) => `"${choice}"`).join(" or "),
    isOfType: (value) => typeof value === "string",
    isInRange: (value: string) => choices.includes(value),
  };
}

/** Marks an option as a {@linkcode TimeLike}, which {@linkcode checkOptions} checks with {@linkcode toEpochMs}. */
export const time: OptionCheck = { must: "a time", isOfType: () => true };

/**
 * Checks the name of every own enumerable key of the options, and the value of every known option.
 *
 * @param options The options, as the caller passed them.
 * @param checks The check of each option.
 * @param action The action of the function, for the message: "query audit log".
 * @param prefix The text before each option name in the message: "retention." for nested options.
 * @throws {TypeError} If the options are not an object, or if a value is of the wrong type. Also if a name is unknown,
 *   even if its value is undefined. The message names the option. For an unknown name, the message also suggests the
 *   nearest known name.
 * @throws {RangeError} If a value is out of its range; the message names the option and the value.
 */
export function checkOptions(
  options: unknown,
  checks: Readonly<Record<string, OptionCheck>>,
  action: string,
  prefix = "",
): void {
  const kind = typeof options === "object" && options !== null
    ? nonRecordKind(options)
    : shown(options);
  if (kind !== "") {
    const what = prefix === "" ? "the options" : prefix.slice(0, -1);
    throw new TypeError(`Cannot ${action}: ${what} must be an object, got ${kind}`);
  }
  for (const name of Object.keys(options as object)) {
    if (!Object.hasOwn(checks, name)) throw unknownOption(name, checks, action, prefix);
  }
  for (const [name, check] of Object.entries(checks)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    if (check === time) toEpochMs(value as TimeLike, `${prefix}${name}`);
    else checkOption(value, check, `Cannot ${action}: ${prefix}${name}`);
  }
}

/**
 * Checks the value of one option. The message of an error starts with `subject`: "Cannot open audit log: path".
 *
 * @throws {TypeError} If the value is of the wrong type.
 * @throws {RangeError} If the value is out of its range.
 */
export function checkOption(value: unknown, check: OptionCheck, subject: string): void {
  const isOfType = check.isOfType(value);
  if (isOfType && (check.isInRange?.(value as never) ?? true)) return;
  const message = `${subject} must be ${check.must}, got ${shown(value)}`;
  throw isOfType ? new RangeError(message) : new TypeError(message);
}

function unknownOption(
  name: string,
  checks: Readonly<Record<string, OptionCheck>>,
  action: string,
  prefix: string,
): TypeError {
  const names = Object.keys(checks);
  const nearest = nearestName(name, names);
  const hint = nearest === undefined
    ? `the known options are ${names.join(", ")}`
    : `did you mean "${prefix}${nearest}"?`;
  return new TypeError(`Cannot ${action}: unknown option "${prefix}${name}"; ${hint}`);
}
