/**
 * Checks the text of lines before the lines are parsed. Pure.
 *
 * @module
 */

const PREFIX = '{"ts":"';
const TS_LENGTH = "2026-02-13T14:30:22.123Z".length;
// Excludes days above 28, hour 24 and second 60. For such times, the order of the texts may differ from the order of
// the times: second 60 counts as second 59, and 30 February is not a time.
const TS = /^\d{4}-\d\d-(?:[01]\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z"$/;

/** Checks how the lines of a text begin. The caller must check the lines in ascending order. */
export class LineBeginnings {
  readonly #text: string;
  readonly #escape: Finder;
  readonly #furtherTs: Finder;

  /**
   * Creates the checks for a text of many lines. The text may be UTF-8 that was decoded as Latin-1, because the checks
   * search only for ASCII characters.
   */
  constructor(text: string) {
    this.#text = text;
    this.#escape = finderOf(text, "\\");
    this.#furtherTs = finderOf(text, '"ts"');
  }

  /** Checks whether the line contains a backslash. If it does, names and values may be written with escapes. */
  hasEscape(start: number, end: number): boolean {
    return this.#escape(start, end);
  }

  /**
   * Returns the time at the start of a line, as text that sorts by time. Returns null if the line does not begin as
   * this library writes lines. If {@linkcode hasOtherTs} returns `true`, the event may have another time.
   */
  ts(start: number): string | null {
    if (!this.#text.startsWith(PREFIX, start)) return null;
    const from = start + PREFIX.length;
    const ts = this.#text.slice(from, from + TS_LENGTH + 1);
    return TS.test(ts) ? ts.slice(0, -1) : null;
  }

  /** Checks whether a line that begins with a time may contain a second `ts`, which would override the first. */
  hasOtherTs(start: number, end: number): boolean {
    return this.#escape(start, end) || this.#furtherTs(start + PREFIX.length, end);
  }
}

/** Checks whether a range of a text contains a string. Ranges must ascend, so that the text is searched only once. */
export type Finder = (start: number, end: number) => boolean;

/** Creates a function that checks whether a range of the text contains the string. */
export function finderOf(text: string, string: string): Finder {
  let next = -1;
  return (start, end) => {
    if (next < start) {
      next = indexOf(text, string, start);
      if (next < 0) next = Infinity;
    }
    return next < end;
  };
}

/**
 * Returns the index of a string in a text, at or after `from`; -1 if it is not there. A string that begins with a quote
 * is searched for without the quote, because lines of JSON are full of quotes. That is up to five times as fast.
 */
function indexOf(text: string, string: string, from: number): number {
  if (!string.startsWith('"')) return text.indexOf(string, from);
  const rest = string.slice(1);
  for (let at = text.indexOf(rest, from + 1); at >= 0; at = text.indexOf(rest, at + 1)) {
    if (text[at - 1] === '"') return at - 1;
  }
  return -1;
}
