/**
 * Which lines are worth parsing: a look at the text that never passes over a line that matches. Pure.
 *
 * A value that a line must hold stands in it as JSON writes it, unless the line uses escapes; so a line
 * with a backslash is always parsed. A time decides only where the line begins with it as this library
 * writes it, and the line has no second `ts`, which would be the one that counts.
 *
 * @module
 */
import { finderOf, LineBeginnings } from "../line/line_text.ts";

/** What an event must have to match, as far as a look at its line can tell. */
export interface LineNeeds {
  /** Of each list, the line holds at least one of the values, which are strings of JSON. */
  readonly strings?: readonly (readonly string[])[];
  /** The event is of this instant or later, epoch milliseconds. */
  readonly sinceMs?: number;
  /** The event is before this instant, epoch milliseconds. */
  readonly untilMs?: number;
}

/** Tests the lines of one text after the other. */
export class LineTest {
  readonly #strings: readonly (readonly string[])[];
  readonly #sinceTs: string;
  readonly #untilTs: string;
  readonly #isTimed: boolean;
  readonly #isOpen: boolean;

  /** Every line passes that may hold an event with these needs. */
  constructor({ strings = [], sinceMs = -Infinity, untilMs = Infinity }: LineNeeds) {
    // A value that JSON writes with an escape can be written without it or with another one.
    this.#strings = strings
      .map((list) => list.map((value) => JSON.stringify(value)))
      .filter((list) => !list.some((value) => value.includes("\\")));
    this.#sinceTs = firstTsOf(sinceMs);
    this.#untilTs = firstTsOf(untilMs);
    this.#isTimed = sinceMs !== -Infinity || untilMs !== Infinity;
    this.#isOpen = !this.#isTimed && this.#strings.length === 0;
  }

  /** Gives the test for the lines of a text, which are asked for in their order. */
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

/** The first time of four digits of years that is not before the instant, as text that sorts with them. */
function firstTsOf(epochMs: number): string {
  if (epochMs <= YEAR_0_MS) return "";
  if (epochMs > YEAR_10000_MS - 1) return ":";
  return new Date(Math.ceil(epochMs)).toISOString();
}
