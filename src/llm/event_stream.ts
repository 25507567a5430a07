/**
 * Reads server-sent events from the pieces of a text, as the HTML Standard defines them (9.2.6).
 *
 * @module
 */

/** Matches the end of a line. */
const LINE_END = /\r\n|\n|\r/g;

/** Splits a text into the data of its server-sent events. */
export class EventStreamReader {
  readonly #onData: (data: string) => void;
  readonly #maxChars: number;
  /** The last line, whose end has not come. */
  #rest = "";
  #data: string[] = [];
  #dataChars = 0;

  /**
   * Creates a reader.
   *
   * @param onData Called with the data of each event.
   * @param maxChars Maximum length of an event. Longer ones are skipped, so that memory is bounded.
   */
  constructor(onData: (data: string) => void, maxChars: number) {
    this.#onData = onData;
    this.#maxChars = maxChars;
  }

  /** Reads the next piece of the text. */
  take(piece: string): void {
    const text = this.#rest + piece;
    let start = 0;
    LINE_END.lastIndex = 0;
    for (let end = LINE_END.exec(text); end !== null; end = LINE_END.exec(text)) {
      // The "\n" of a "\r\n" may come with the next piece.
      if (end[0] === "\r" && end.index === text.length - 1) break;
      this.#takeLine(text.slice(start, end.index));
      start = LINE_END.lastIndex;
    }
    const rest = text.slice(start);
    this.#rest = rest.length > this.#maxChars ? "" : rest;
  }

  /** Reads the last event, if no empty line ends it. Some servers leave it out. */
  end(): void {
    if (this.#rest !== "") this.#takeLine(this.#rest.replace(/\r$/, ""));
    this.#rest = "";
    this.#takeLine("");
  }

  #takeLine(line: string): void {
    if (line === "") {
      if (this.#data.length > 0 && this.#dataChars <= this.#maxChars) {
        this.#onData(this.#data.join("\n"));
      }
      this.#data = [];
      this.#dataChars = 0;
    } else if (line.startsWith("data:")) {
      const data = line.slice(line[5] === " " ? 6 : 5);
      this.#dataChars += data.length;
      if (this.#dataChars <= this.#maxChars) this.#data.push(data);
    }
  }
}
