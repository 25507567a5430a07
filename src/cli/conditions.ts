/**
 * Parses conditions on the fields of events, as users write them on the command line: `model=large`, `cost>0.5`,
 * `error~time.?out`. Pure.
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
  const [, before = "", operator, after = ""] = CONDITION.exec(input) ?? [];
  const [name, value] = [before.trim(), after.trimStart()];
  if (operator === undefined || name === "") {
    throw new RangeError(
      "not a condition; use FIELD=VALUE such as model=small, and quote > and <: 'cost>0.5'",
    );
  }
  checkValue({ name, operator, value });
  const isMet = testOf(operator as Operator, value);
  return {
    text: input,
    isMetBy(event) {
      const found = fieldOf(event, name);
      return found === undefined ? operator === "!=" : isMet(found);
    },
  };
}

/**
 * Rejects conditions that would silently match nothing or everything. These are conditions with an operator of another
 * language, such as `==`, and comparisons with a number in another notation, which would be compared as text.
 *
 * @throws {RangeError} The message says what to write.
 */
function checkValue(
  { name, operator, value }: {
    readonly name: string;
    readonly operator: string;
    readonly value: string;
  },
): void {
  const meant = OTHER_OPERATORS[`${operator}${value[0] ?? ""}`];
  if (meant !== undefined) {
    throw new RangeError(`not a condition; use ${name}${meant}${value.slice(1).trimStart()}`);
  }
  if (/^[<>]/.test(operator) && NEARLY_NUMBER.test(value) && !NUMBER.test(value)) {
    throw new RangeError(
      `not a condition, because "${value}" is not a number; use a number such as ${name}${operator}0.5`,
    );
  }
}

/** Operators of other languages, and the operators of conditions to use instead. */
const OTHER_OPERATORS: Readonly<Record<string, string>> = {
  "==": "=",
  "=~": "~",
  "=>": ">=",
  "=<": "<=",
  "<>": "!=",
};
/**
 * Matches a number that JSON does not allow: with a currency, a unit, a decimal comma, or no digit before the point.
 * Does not match a time, because times are compared as text.
 */
const NEARLY_NUMBER = /^[-+]?(?:[$€£]\s*[\d.]|\.\d|\d+(?:[.,]\d+)*\s*(?:[a-zµ%€]{0,3})$)/i;

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

/**
 * For each operator, a function that checks whether the operator accepts a field. The sign is -1, 0 or 1 if the field
 * is less than, equal to or greater than the value of the condition.
 */
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
