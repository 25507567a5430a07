/**
 * Text pre-filter for lines: may yield false positives, never false negatives. Pure.
 *
 * A string value appears in a line exactly as JSON writes it, unless the line uses escapes. So a line with a backslash
 * always passes. The time of a line is used only if the line begins with a `ts` as this library writes it and has no
 * second `ts`, because a parser uses the last `ts`.
 *
 * @module
 */
import { finderOf, LineBeginnings } from "../line/line_text.ts";

/** The conditions of a filter that can be checked in the text of a line, before the line is parsed. */
export interface LineNeeds {
  /** Lists of string values. A line meets this condition if it contains at least one value of each list. */
  readonly strings?: readonly (readonly string[])[];
  /** A line meets this condition if its event is at or after this instant, in epoch milliseconds. */
  readonly sinceMs?: number;
  /** A line meets this condition if its event is before this instant, in epoch milliseconds. */
  readonly untilMs?: number;
}

/**
 * A pre-filter, which finds in the text of a line that its event cannot match, so that the line need not be parsed. One
 * pre-filter serves for any number of texts.
 */
export class LineTest {
  readonly #strings: readonly (readonly string[])[];
  readonly #sinceTs: string;
  readonly #untilTs: string;
  readonly #isTimed: boolean;
  readonly #isOpen: boolean;

  /** Creates a pre-filter that passes every line whose event may meet the conditions. */
  constructor({ strings = [], sinceMs = -Infinity, untilMs = Infinity }: LineNeeds) {
    // If a value has a character that JSON escapes, the value has several spellings. A list with such a value is not
    // checked.
    this.#strings = strings
      .map((list) => list.map((value) => JSON.stringify(value)))
      .filter((list) => !list.some((value) => value.includes("\\")));
    this.#sinceTs = firstTsOf(sinceMs);
    this.#untilTs = firstTsOf(untilMs);
    this.#isTimed = sinceMs !== -Infinity || untilMs !== Infinity;
    this.#isOpen = !this.#isTimed && this.#strings.length === 0;
  }

  /** Returns the lines of the text that can match, with line breaks between them. */
  passing(text: string): string {
    if (this.#isOpen) return text;
    const mayMatch = this.of(text);
    const lines: string[] = [];
    for (let start = 0; start < text.length;) {
      const lineBreak = text.indexOf("\n", start);
      const end = lineBreak < 0 ? text.length : lineBreak;
      if (mayMatch(start, end)) lines.push(text.slice(start, end));
      start = end + 1;
    }
    return lines.join("\n");
  }

  /**
   * Returns a function that checks whether a line of the text can match. The function takes the start and the end of
   * the line in the text, and must be called in the order of the lines.
   */
  of(text: string): (start: number, end: number) => boolean {
    if (this.#isOpen) return () => true;
    const beginnings = new LineBeginnings(text);
    const lists = this.#strings.map((list) => list.map((value) => finderOf(text, value)));
    return (start, end) => {
      if (beginnings.hasEscape(start, end)) return true;
      if (!lists.every((finders) => finders.some((find) => find(start, end)))) return false;
      if (!this.#isTimed) return true;
      const ts = beginnings.ts(start);
      if (ts === null || (ts >= this.#sinceTs && ts < this.#untilTs)) return true;
      return beginnings.hasOtherTs(start, end);
    };
  }
}

const YEAR_0_MS = Date.parse("0000-01-01T00:00:00.000Z");
const YEAR_10000_MS = Date.UTC(10_000, 0, 1);

/**
 * Returns the first time at or after the instant, as text that sorts correctly among times with years of four digits.
 * If the instant is before the year 0, returns `""`, which sorts before all such times. If it is after the year 9999,
 * returns `":"`, which sorts after them.
 */
function firstTsOf(epochMs: number): string {
  if (epochMs <= YEAR_0_MS) return "";
  if (epochMs > YEAR_10000_MS - 1) return ":";
  return new Date(Math.ceil(epochMs)).toISOString();
}
