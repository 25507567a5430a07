/**
 * Preserves numbers in imported JSON text that JavaScript cannot represent, such as IDs of 64 bits and `1e400`. Pure.
 *
 * @module
 */
import { mapOutsideStrings } from "../../line/parse_line.ts";

/**
 * Matches JSON text with a number that could lose digits, overflow or become zero when JavaScript parses it. Other text
 * needs no closer look. A number in JSON is at the start or follows a colon, a comma, a bracket or white space. Other
 * digits, such as those of a UUID, are part of a string.
 */
const SUSPECT = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|[\d.]+[eE])/;
// The expression does not match a number before a colon. In JSON a name must be in quotes, so adding quotes to such a
// number would turn invalid text into valid JSON.
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\d.eE]|\s*:)/g;

/**
 * Returns JSON text in which each number that JavaScript cannot represent is in quotes, so that parsing yields the
 * digits as a string. Fractions are not put in quotes, although parsing may round them, because a rounded fraction is
 * still useful as a number.
 */
export function exactNumbers(json: string): string {
  if (!SUSPECT.test(json)) return json;
  return mapOutsideStrings(
    json,
    (part) => part.replace(NUMBER, (source) => isExact(source) ? source : `"${source}"`),
  );
}

function isExact(source: string): boolean {
  const value = Number(source);
  if (!Number.isFinite(value)) return false;
  if (value === 0) return significantDigits(source) === "";
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return true;
  return significantDigits(source) === significantDigits(String(value));
}

/** Returns the digits of a number, without its sign, point and exponent, and without zeros at both ends. */
function significantDigits(number: string): string {
  return number.replace(/e.*$/i, "").replace(/[-.]/g, "").replace(/^0+|0+$/g, "");
}
