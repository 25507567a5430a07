/**
 * Reads the records of an imported file: lines of JSON, or rows of CSV under a header.
 *
 * @module
 */
import { CsvError, parse as csvParser } from "csv-parse/stream";
import { isUtf8 } from "node:buffer";
import type { FileStatus } from "../platform/file_system.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import { parseLine } from "../line/parse_line.ts";
import { gunzipped, GzipDamageError } from "../read/gunzip.ts";
import { CommandError } from "./command_error.ts";
import { exactNumbers } from "./exact_numbers.ts";
import { LineBreakChunks } from "./line_break_chunks.ts";
import {
  type Bytes,
  openContent,
  type SourceContent,
  type Spool,
  STANDARD_INPUT,
} from "./source_content.ts";

/** The format of the records in an imported file: lines of JSON, or rows of CSV. */
export type SourceFormat = "jsonl" | "csv";

/** The format of an imported file. If a member is undefined, it is derived from the name of the file. */
export type SourceOptions = {
  readonly format: SourceFormat | undefined;
  readonly delimiter: string | undefined;
};

/** The values of a record, by the name of the CSV column or of the JSON member. */
export type Values = Readonly<Record<string, unknown>>;

/** A record: its line number, its content, and its values or the reason why the record is unreadable. */
export type SourceRecord =
  & {
    readonly line: number;
    /**
     * The content from which the ID of the record is computed: the bytes of a JSON line, the cells of a CSV row as
     * JSON, or the problem if the bytes cannot be read. Equal records have equal contents.
     */
    readonly content: string | Uint8Array;
  }
  & (
    | { readonly values: Values }
    /** `isRest` is set if the records after the unreadable one cannot be read either. */
    | { readonly problem: string; readonly isRest?: true }
  );

/** The callbacks that are called while the records of a file are read. */
export interface SourceListener {
  /** Called after bytes were read, with the number of bytes since the last call, to show the progress. */
  onRead(byteLength: number): void;
  /** Called with the columns of a CSV file before its first record is yielded. May throw to reject the file. */
  onColumns(columns: readonly string[]): void;
}

const KNOWN_EXTENSIONS: Readonly<Record<string, { format: SourceFormat; delimiter?: string }>> = {
  csv: { format: "csv" },
  tsv: { format: "csv", delimiter: "\t" },
  json: { format: "jsonl" },
  jsonl: { format: "jsonl" },
  ndjson: { format: "jsonl" },
};
const TOO_LONG = `longer than ${MAX_LINE_BYTES} bytes`;
const CR = 0x0d;
const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/** Thrown if `line` and all later lines of a file cannot be read. */
class RestError extends Error {
  constructor(readonly line: number, problem: string) {
    super(problem);
  }
}

/** An open file with records, or the records from a pipe. */
export class SourceFile implements Disposable {
  /** The name of the file, as the user typed it. */
  readonly name: string;
  /** The format of the records. */
  readonly format: SourceFormat;
  readonly #content: SourceContent;
  readonly #delimiter: string;

  private constructor(
    content: SourceContent,
    { name, format, delimiter }: { name: string; format: SourceFormat; delimiter: string },
  ) {
    this.#content = content;
    this.name = name;
    this.format = format;
    this.#delimiter = delimiter;
  }

  /**
   * Opens a file whose records are to be imported; the name `-` means standard input. The records of a pipe can be read
   * several times only with `spool`.
   *
   * @throws {CommandError} If the file does not exist or is a directory, or its format is unknown.
   */
  static async open(
    name: string,
    { format, delimiter }: SourceOptions,
    spool?: Spool,
  ): Promise<SourceFile> {
    const known = KNOWN_EXTENSIONS[name.replace(/\.gz$/, "").split(".").at(-1)!];
    const itsFormat = format ?? known?.format;
    const shown = name === STANDARD_INPUT ? "standard input" : name;
    if (itsFormat === undefined) {
      throw new CommandError(
        `Cannot import ${shown}: the name does not show the format; add --format jsonl or csv`,
        2,
      );
    }
    return new SourceFile(await openContent(name, spool), {
      name: shown,
      format: itsFormat,
      delimiter: delimiter ?? known?.delimiter ?? ",",
    });
  }

  /** The status of the file when it was opened; null for a pipe. */
  get status(): FileStatus | null {
    return this.#content.status;
  }

  /** Number of bytes to read; 0 if the number is unknown, as for a pipe that is not stored. */
  get byteLength(): number {
    return this.#content.byteLength;
  }

  /**
   * Yields the records of the file in batches. If the remainder of the file is unreadable, the last record has `isRest`
   * and the reason.
   */
  async *records(listener: SourceListener): AsyncGenerator<readonly SourceRecord[]> {
    const position = { line: 0 };
    const unreadable = (line: number, problem: string) => [
      { line, problem, content: problem, isRest: true as const },
    ];
    try {
      const chunks = await LineBreakChunks.of(this.#chunks(listener));
      yield* this.format === "csv"
        ? csvRecords(chunks, position, this.#delimiter, listener)
        : jsonRecords(chunks, position);
    } catch (error) {
      if (error instanceof RestError) yield unreadable(error.line, error.message);
      else if (error instanceof GzipDamageError || error instanceof CsvError) {
        yield unreadable(position.line + 1, error.message);
      } else throw error;
    }
  }

  /** Closes the imported file. */
  [Symbol.dispose](): void {
    this.#content[Symbol.dispose]();
  }

  #chunks({ onRead }: SourceListener): AsyncIterable<Bytes> {
    const content = this.#content;
    let furthest = 0;
    const read = async function* (): AsyncGenerator<Bytes> {
      let position = 0;
      for await (const chunk of content.read()) {
        position += chunk.byteLength;
        // A damaged gzip file is read more than once; only the first pass counts as progress.
        onRead(Math.max(0, position - furthest));
        furthest = Math.max(furthest, position);
        yield chunk;
      }
    };
    return content.isCompressed ? gunzipped(read) : read();
  }
}

async function* jsonRecords(
  source: LineBreakChunks,
  position: { line: number },
): AsyncGenerator<readonly SourceRecord[]> {
  const recordOf = ({ bytes }: RawLine): SourceRecord | null => {
    const line = ++position.line;
    if (bytes === null) return { line, problem: TOO_LONG, content: TOO_LONG };
    const text = line === 1 ? withoutMark(bytes) : bytes;
    const parsed = parseLine(text, exactNumbers);
    if (parsed === null) return null;
    // The CR before the line break is left out, so that a line has the same content with CR LF and with LF.
    const content = text.at(-1) === CR ? text.subarray(0, -1) : text;
    return "event" in parsed
      ? { line, content, values: parsed.event }
      : { line, content, problem: parsed.reason };
  };
  const recordsOf = (lines: Iterable<RawLine>) =>
    Array.from(lines, recordOf).filter((record) => record !== null);
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  for await (const chunk of source.chunks()) yield recordsOf(splitter.split(source.withLf(chunk)));
  yield recordsOf(splitter.end());
}

async function* csvRecords(
  source: LineBreakChunks,
  position: { line: number },
  delimiter: string,
  { onColumns }: SourceListener,
): AsyncGenerator<readonly SourceRecord[]> {
  const records: SourceRecord[] = [];
  let columns: readonly string[] | null = null;
  const take = (row: readonly string[]) => {
    const line = position.line + 1;
    position.line += 1 +
      row.reduce((breaks, cell) => breaks + cell.split(source.lineBreak).length - 1, 0);
    if (row.length === 1 && row[0] === "") return;
    if (columns === null) onColumns(columns = row);
    else if (row.length !== columns.length) {
      records.push({
        line,
        content: JSON.stringify(row),
        problem: `the row must have ${columns.length} cells, got ${row.length}`,
      });
    } else {
      const values = Object.fromEntries(columns.map((name, n) => [name, row[n]]));
      records.push({ line, content: JSON.stringify(values), values });
    }
  };
  const parser = csvParser({
    bom: true,
    delimiter,
    max_record_size: MAX_LINE_BYTES,
    record_delimiter: source.lineBreak === "\r" ? ["\r"] : ["\r\n", "\n"],
    // A row with a wrong number of cells must not end the parsing, because the rows after it may be valid.
    relax_column_count: true,
    // Rows are collected by this callback, because the output stream of the parser drops the last rows before an error.
    on_record: (row: string[]) => void take(row),
  });
  const writer = parser.writable.getWriter();
  // Without this handler, an error of the parser would be an unhandled rejection and end the process. The error is not
  // lost, because write() or close() reports it too.
  writer.closed.catch(() => {});
  for await (const chunk of checkedText(source)) {
    await writer.write(chunk);
    yield records.splice(0);
  }
  // If the parser has failed, close() rejects without the reason. So `closed`, which rejects with the reason, is
  // awaited then.
  await writer.close().catch(() => writer.closed);
  yield records.splice(0);
}

/**
 * Yields the chunks of a file unchanged, and checks that each line is UTF-8 text.
 *
 * @throws {RestError} If a line is too long or is not UTF-8.
 */
async function* checkedText(source: LineBreakChunks): AsyncGenerator<Bytes> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  let line = 0;
  const check = ({ bytes }: RawLine) => {
    line++;
    if (bytes === null) throw new RestError(line, TOO_LONG);
    if (!isUtf8(bytes)) throw new RestError(line, "not UTF-8");
  };
  for await (const chunk of source.chunks()) {
    for (const rawLine of splitter.split(source.withLf(chunk))) check(rawLine);
    yield chunk;
  }
  for (const rawLine of splitter.end()) check(rawLine);
}

function withoutMark(bytes: Uint8Array): Uint8Array {
  const isMarked = BYTE_ORDER_MARK.every((byte, n) => bytes[n] === byte);
  return isMarked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
}
