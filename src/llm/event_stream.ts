/**
 * Reads server-sent events, in which model servers stream their answers, from the pieces of a text. The HTML Standard
 * defines their format (9.2.6).
 *
 * @module
 */

/** Matches the end of a line: "\r\n", "\n" or "\r". */
const LINE_END = /\r\n|\n|\r/g;

/** Splits the text of a stream into the data of its server-sent events. */
export class EventStreamReader {
  readonly #onData: (data: string) => void;
  readonly #maxChars: number;
  /**
   * The pieces of the unfinished line. They are joined only when the line ends, because a line can have many pieces and
   * each join copies.
   */
  #rest: string[] = [];
  #restChars = 0;
  /** `true` if the last piece ended with "\r". If the next piece starts with "\n", both belong to one line end. */
  #hasCr = false;
  #data: string[] = [];
  #dataChars = 0;

  /**
   * Creates a reader.
   *
   * @param onData Called with the data of each event.
   * @param maxChars Maximum length of an event. Longer events are skipped, so that memory is bounded.
   */
  constructor(onData: (data: string) => void, maxChars: number) {
    this.#onData = onData;
    this.#maxChars = maxChars;
  }

  /** Reads the next piece of the text. Pieces can begin and end anywhere, even within a line end. */
  take(piece: string): void {
    if (piece === "") return;
    const text = this.#hasCr && piece.startsWith("\n") ? piece.slice(1) : piece;
    this.#hasCr = piece.endsWith("\r");
    let start = 0;
    LINE_END.lastIndex = 0;
    for (let end = LINE_END.exec(text); end !== null; end = LINE_END.exec(text)) {
      this.#addRest(text.slice(start, end.index));
      this.#endLine();
      start = LINE_END.lastIndex;
    }
    this.#addRest(text.slice(start));
  }

  /** Reads the last event even if no empty line follows. Some servers omit the empty line after the last event. */
  end(): void {
    this.#endLine();
    this.#takeLine("");
  }

  #addRest(piece: string): void {
    this.#restChars += piece.length;
    if (this.#restChars <= this.#maxChars) this.#rest.push(piece);
    else this.#rest = [];
  }

  #endLine(): void {
    const line = this.#rest.join("");
    const isWhole = this.#restChars <= this.#maxChars;
    this.#rest = [];
    this.#restChars = 0;
    if (isWhole) this.#takeLine(line);
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
