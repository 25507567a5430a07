/**
 * Reads the records of an imported file: lines of JSON, or rows of CSV under a header.
 *
 * @module
 */
import { formatOf, type ImportFormat, TRANSCRIPT_FORMATS } from "../../import/formats.ts";
import type { FileStatus } from "../../platform/file_system.ts";
import { LineSplitter, type RawLine } from "../../line/line_splitter.ts";
import { MAX_LINE_BYTES } from "../../options/log_options.ts";
import { parseLine } from "../../line/parse_line.ts";
import { decodeUtf8 } from "../../line/utf8.ts";
import { gunzipped, GzipDamageError } from "../../read/gunzip.ts";
import { exactNumbers } from "./exact_numbers.ts";
import { LineBreakChunks } from "./line_break_chunks.ts";
import {
  type Bytes,
  openContent,
  type SourceContent,
  type Spool,
  STANDARD_INPUT,
} from "./source_content.ts";

/**
 * The format of an imported file: lines of JSON or rows of CSV, whose fields can be mapped; the lines of a log of this
 * library; or a transcript.
 */
export type SourceFormat = "jsonl" | "csv" | ImportFormat;

/** All formats, in the order in which help and messages name them. */
export const SOURCE_FORMATS: readonly SourceFormat[] = [
  ...TRANSCRIPT_FORMATS,
  "scout",
  "jsonl",
  "csv",
];

/** The format of an imported file. If a member is undefined, it is found out from the content or the name of the file. */
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
    | {
      readonly problem: string;
      readonly isRest?: true;
      /** Set if the record is the last line of the file and has no line break, so that its program may still write it. */
      readonly isUnfinished?: true;
    }
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
export class SourceFile {
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
   * several times only with `spool`. Resolves with `null` if the format is not clear.
   *
   * @param formatBy What decides about the format if the option `format` does not: the content, the name, or the content
   *   and then the name.
   * @throws {CommandError} If the file does not exist or is a directory.
   */
  static async open(
    name: string,
    { format, delimiter }: SourceOptions,
    { spool, formatBy = "both" }: {
      spool?: Spool | undefined;
      formatBy?: "content" | "name" | "both";
    } = {},
  ): Promise<SourceFile | null> {
    const known = KNOWN_EXTENSIONS[name.replace(/\.gz$/, "").split(".").at(-1)!];
    const content = await openContent(name, spool);
    // Text in a CSV file could look like the line of a transcript, so the name decides first.
    const byName = formatBy === "content" ? undefined : known?.format;
    const itsFormat = format ??
      (byName === "csv" || formatBy === "name" ? byName : await formatIn(content) ?? byName);
    if (itsFormat === undefined) return null;
    return new SourceFile(content, {
      name: name === STANDARD_INPUT ? "standard input" : name,
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
      else if (error instanceof GzipDamageError) yield unreadable(position.line + 1, error.message);
      else throw error;
    }
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

/** Number of lines in which the format of a file is looked for. */
const LINES_LOOKED_AT = 50;

/** Finds out the format of a file from its first lines; `undefined` if they do not show it. */
async function formatIn(content: SourceContent): Promise<ImportFormat | undefined> {
  const { isCompressed } = content;
  const bytes = isCompressed ? gunzipped(() => content.readHead()) : content.readHead();
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  let lines = 0;
  try {
    for await (const chunk of bytes) {
      for (const { bytes } of splitter.split(chunk)) {
        const format = bytes === null ? undefined : formatOfLine(bytes);
        if (format !== undefined || ++lines === LINES_LOOKED_AT) return format;
      }
    }
  } catch (error) {
    // The head of a compressed file ends in the middle of its data. Damage of a file is reported when it is read.
    if (!(error instanceof GzipDamageError)) throw error;
  }
  for (const { bytes } of splitter.end()) {
    return bytes === null ? undefined : formatOfLine(bytes);
  }
  return undefined;
}

function formatOfLine(bytes: Uint8Array): ImportFormat | undefined {
  const parsed = parseLine(withoutMark(bytes));
  return parsed !== null && "event" in parsed ? formatOf(parsed.event) : undefined;
}

async function* jsonRecords(
  source: LineBreakChunks,
  position: { line: number },
): AsyncGenerator<readonly SourceRecord[]> {
  const recordOf = ({ bytes, hasLineBreak }: RawLine): SourceRecord | null => {
    const line = ++position.line;
    if (bytes === null) return { line, problem: TOO_LONG, content: TOO_LONG };
    const text = line === 1 ? withoutMark(bytes) : bytes;
    const parsed = parseLine(text, exactNumbers);
    if (parsed === null) return null;
    // The CR before the line break is left out, so that a line has the same content with CR LF and with LF.
    const content = text.at(-1) === CR ? text.subarray(0, -1) : text;
    return "event" in parsed ? { line, content, values: parsed.event } : {
      line,
      content,
      problem: parsed.reason,
      ...hasLineBreak ? {} : { isUnfinished: true as const },
    };
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
  // The package is loaded only here, because most imports have no CSV.
  const { CsvError, parse: csvParser } = await import("csv-parse/stream");
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
  const rejectRest = (error: unknown) => {
    throw error instanceof CsvError ? new RestError(position.line + 1, error.message) : error;
  };
  for await (const chunk of checkedText(source)) {
    await writer.write(chunk).catch(rejectRest);
    yield records.splice(0);
  }
  // If the parser has failed, close() rejects without the reason. So `closed`, which rejects with the reason, is
  // awaited then.
  await writer.close().catch(() => writer.closed).catch(rejectRest);
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
    if (decodeUtf8(bytes) === null) throw new RestError(line, "not UTF-8");
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
