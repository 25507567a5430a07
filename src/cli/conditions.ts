/**
 * Conditions on the fields of events, as the command line takes them: `model=large`, `cost>0.5`, `error~time.?out`.
 * Pure.
 *
 * @module
 */
import { type AuditEvent, fieldOf, fieldText } from "../event.ts";

/** A condition on a field of an event. */
export interface Condition {
  /** The condition as the user has written it. */
  readonly text: string;
  /** Checks whether an event meets the condition. */
  readonly isMetBy: (event: AuditEvent) => boolean;
}

const OPERATORS = ["!=", ">=", "<=", "=", ">", "<", "~"] as const;
type Operator = typeof OPERATORS[number];

const CONDITION = /^([^=!<>~]+)(!=|>=|<=|=|>|<|~)(.*)$/s;
/** Matches a number as JSON writes it. Other texts, such as "007" or "", are compared as text. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Parses a condition: the name of a field, an operator and a value. A name with dots, such as `config.mode`, also names
 * a member of an object.
 *
 * - `=`, `!=`, `<`, `<=`, `>` and `>=` compare numbers if the field and the value are numbers; otherwise text. A field
 *   that is not a string is compared as its JSON.
 * - `~` searches the text of the field for a regular expression.
 *
 * An event without the field meets only conditions with `!=`.
 *
 * @throws {RangeError} If the text is not a condition; the message says what to write.
 */
export function parseCondition(input: string): Condition {
  const [, name = "", operator, value = ""] = CONDITION.exec(input) ?? [];
  if (operator === undefined) {
    throw new RangeError(
      "not a condition; use FIELD=VALUE such as model=small, and quote > and <: 'cost>0.5'",
    );
  }
  // `model==small` would otherwise search for the value "=small", and silently match nothing.
  if (operator === "=" && /^[=~]/.test(value)) {
    throw new RangeError(`not a condition; use ${name}${value[0]}${value.slice(1)}`);
  }
  const isMet = testOf(operator as Operator, value);
  return {
    text: input,
    isMetBy(event) {
      const found = fieldOf(event, name);
      return found === undefined ? operator === "!=" : isMet(found);
    },
  };
}

function testOf(operator: Operator, value: string): (found: unknown) => boolean {
  if (operator === "~") {
    const pattern = patternOf(value);
    return (found) => pattern.test(fieldText(found));
  }
  const isWanted = SIGNS[operator];
  const number = NUMBER.test(value) ? Number(value) : null;
  return (found) =>
    isWanted(
      number !== null && typeof found === "number"
        ? Math.sign(found - number)
        : compareTexts(fieldText(found), value),
    );
}

/** For each operator, whether it accepts a field that is less than (-1), equal to (0) or greater than (1) the value. */
const SIGNS: Readonly<Record<Exclude<Operator, "~">, (sign: number) => boolean>> = {
  "=": (sign) => sign === 0,
  "!=": (sign) => sign !== 0,
  "<": (sign) => sign < 0,
  "<=": (sign) => sign <= 0,
  ">": (sign) => sign > 0,
  ">=": (sign) => sign >= 0,
};

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function patternOf(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (cause) {
    throw new RangeError(`not a condition; ${(cause as Error).message}`, { cause });
  }
}
