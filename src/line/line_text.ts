/**
 * What the text of a line tells before it is parsed. Pure.
 *
 * @module
 */

const PREFIX = '{"ts":"';
const TS_LENGTH = "2026-02-13T14:30:22.123Z".length;
// Days and hours that overflow into the next month or day are left out: their order is not that of time.
const TS = /^\d{4}-\d\d-(?:[01]\d|2[0-8])T(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{3}Z"$/;

/** Tells of the lines of one text, which are asked for in their order, how they begin. */
export class LineBeginnings {
  readonly #text: string;
  readonly #escape: Finder;
  readonly #furtherTs: Finder;

  /** The text may have any number of characters for a byte that is no ASCII. */
  constructor(text: string) {
    this.#text = text;
    this.#escape = finderOf(text, "\\");
    this.#furtherTs = finderOf(text, '"ts"');
  }

  /** Whether the line has a backslash, so that what it holds may be written in another way. */
  hasEscape(start: number, end: number): boolean {
    return this.#escape(start, end);
  }

  /**
   * The time with which the line begins, as text that sorts as time does; null for a line that begins
   * in another way than this library's. It is that of the event where {@linkcode hasOtherTs} is false.
   */
  ts(start: number): string | null {
    if (!this.#text.startsWith(PREFIX, start)) return null;
    const from = start + PREFIX.length;
    const ts = this.#text.slice(from, from + TS_LENGTH + 1);
    return TS.test(ts) ? ts.slice(0, -1) : null;
  }

  /** Whether a line that begins with a time may have a second `ts`, which would be the one that counts. */
  hasOtherTs(start: number, end: number): boolean {
    return this.#escape(start, end) || this.#furtherTs(start + PREFIX.length, end);
  }
}

/** Tells whether the text has a string in a range; ranges ascend, so the text is searched once. */
export type Finder = (start: number, end: number) => boolean;

/** Makes the finder of a string. */
export function finderOf(text: string, string: string): Finder {
  let next = -1;
  return (start, end) => {
    if (next < start) {
      next = text.indexOf(string, start);
      if (next < 0) next = Infinity;
    }
    return next < end;
  };
}
