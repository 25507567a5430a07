/**
 * Checks the options of a function: unknown names and invalid values are rejected. Pure.
 *
 * @module
 */
import { nonRecordKind, shown } from "../event.ts";
import { nearestName } from "./nearest_name.ts";
import { type TimeLike, toEpochMs } from "../time.ts";

/** The check of one option. `undefined` means that the option was left out, and is not checked. */
export interface OptionCheck {
  /** Description of a valid value, for the message: "an integer >= 1". */
  readonly must: string;
  /** Checks whether the value is of the right type; if it is not, the error is a `TypeError`. */
  readonly isOfType: (value: unknown) => boolean;
  /** Checks whether a value of the right type is in its range; if it is not, the error is a `RangeError`. */
  readonly isInRange?: (value: never) => boolean;
}

/** The checks of all options of a type. The compiler reports a missing one. */
export type OptionChecks<T> = Readonly<Record<keyof T & string, OptionCheck>>;

const isNumber = (value: unknown) => typeof value === "number";

/** Any value, for an option that is checked elsewhere or that the function only calls, such as a connection. */
export const anything: OptionCheck = { must: "any value", isOfType: () => true };
/** A string. */
export const text: OptionCheck = {
  must: "a string",
  isOfType: (value) => typeof value === "string",
};
/** A string that is not empty. */
export const nonEmptyText: OptionCheck = {
  must: "a non-empty string",
  isOfType: (value) => typeof value === "string" && value !== "",
};
/** A string or an array of strings. */
export const texts: OptionCheck = {
  must: "a string or an array of strings",
  isOfType: (value) =>
    typeof value === "string" ||
    (Array.isArray(value) && value.every((each) => typeof each === "string")),
};
/** `true` or `false`. */
export const flag: OptionCheck = {
  must: "true or false",
  isOfType: (value) => typeof value === "boolean",
};
/** A function. */
export const callback: OptionCheck = {
  must: "a function",
  isOfType: (value) => typeof value === "function",
};
/** An abort signal. */
export const abortSignal: OptionCheck = {
  must: "an AbortSignal",
  isOfType: (value) => value instanceof AbortSignal,
};
/** A number of hours: any number except NaN. */
export const hours: OptionCheck = {
  must: "a number",
  isOfType: isNumber,
  isInRange: (value: number) => !Number.isNaN(value),
};

/** Returns the check of an integer >= `min`, or of `Infinity` too if `orInfinity` is set. */
export function integer(min: number, orInfinity = false): OptionCheck {
  return {
    must: `an integer >= ${min}${orInfinity ? " or Infinity" : ""}`,
    isOfType: isNumber,
    isInRange: (value: number) =>
      (Number.isSafeInteger(value) && value >= min) || (orInfinity && value === Infinity),
  };
}

/** Returns the check of a finite number > `min`, or >= `min` if `orEqual` is set, in the unit. */
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

/** Returns the check of a string that is one of the choices. */
export function oneOf(...choices: readonly string[]): OptionCheck {
  return {
    must: choices.map((choice) => `"${choice}"`).join(" or "),
    isOfType: (value) => typeof value === "string",
    isInRange: (value: string) => choices.includes(value),
  };
}

/** A {@linkcode TimeLike}. {@linkcode checkOptions} checks it with {@linkcode toEpochMs}. */
export const time: OptionCheck = { must: "a time", isOfType: () => true };

/**
 * Checks the name of every own enumerable key of the options, and the value of every known option.
 *
 * @param options The options, as the caller passed them.
 * @param checks The check of each option.
 * @param action The action of the function, for the message: "query audit log".
 * @param prefix The text before each name in the message: "retention." for nested options.
 * @throws {TypeError} If the options are not an object, a name is unknown, even with an undefined value, or a
 *   value is of the wrong type. The message names the option, and for an unknown name the nearest known one.
 * @throws {RangeError} If a value is out of its range; names the option and the value.
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
 * Checks one value. The message starts with `subject`.
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
    ? `known are ${names.join(", ")}`
    : `did you mean "${prefix}${nearest}"?`;
  return new TypeError(`Cannot ${action}: unknown option "${prefix}${name}"; ${hint}`);
}
