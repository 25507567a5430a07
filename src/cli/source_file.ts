/**
 * Reads the records of an imported file: lines of JSON, or rows of CSV under a header.
 *
 * @module
 */
import { CsvError, parse as csvParser } from "csv-parse/stream";
import { isUtf8 } from "node:buffer";
import { readChunks } from "../platform/chunks.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../errors.ts";
import type { FileHandle, FileStatus } from "../platform/file_system.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import { parseLine } from "../line/parse_line.ts";
import { gunzipped, GzipDamageError } from "../read/gunzip.ts";
import { CommandError } from "./command_error.ts";
import { exactNumbers } from "./exact_numbers.ts";

/** The format of the records in a file. */
export type SourceFormat = "jsonl" | "csv";

/** The format of a file. An undefined member is derived from the name of the file. */
export type SourceOptions = {
  readonly format: SourceFormat | undefined;
  readonly delimiter: string | undefined;
};

/** The values of a record, by the name of the CSV column or of the JSON member. */
export type Values = Readonly<Record<string, unknown>>;

/** A record: its line number, and its values or the reason why the record is unreadable. */
export type SourceRecord =
  & { readonly line: number }
  & ({ readonly values: Values } | { readonly problem: string });

/** The callbacks that are called while a file is read. */
export interface SourceListener {
  /** Called after bytes were read, with the number of bytes since the last call. */
  onRead(byteLength: number): void;
  /** Called with the columns of a CSV file, before its first record. */
  onColumns(columns: readonly string[]): void;
}

type Bytes = Uint8Array<ArrayBuffer>;

const KNOWN_EXTENSIONS: Readonly<Record<string, { format: SourceFormat; delimiter?: string }>> = {
  csv: { format: "csv" },
  tsv: { format: "csv", delimiter: "\t" },
  json: { format: "jsonl" },
  jsonl: { format: "jsonl" },
  ndjson: { format: "jsonl" },
};
const TOO_LONG = `longer than ${MAX_LINE_BYTES} bytes`;
const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/** The error that ends reading if a file is unreadable from a line on. */
class RestError extends Error {
  constructor(readonly line: number, problem: string) {
    super(problem);
  }
}

/** An open file of records, which can be read several times. */
export class SourceFile implements Disposable {
  /** The name of the file, as the user typed it. */
  readonly name: string;
  /** The format of the records. */
  readonly format: SourceFormat;
  /** The status of the file when it was opened. Bytes that are appended later are not read. */
  readonly status: FileStatus;
  readonly #handle: FileHandle;
  readonly #delimiter: string;

  /**
   * Opens a file whose records are to be imported.
   *
   * @throws {CommandError} If the file does not exist or is not a regular file, or its format is unknown.
   */
  constructor(name: string, { format, delimiter }: SourceOptions) {
    const known = KNOWN_EXTENSIONS[name.replace(/\.gz$/, "").split(".").at(-1)!];
    const itsFormat = format ?? known?.format;
    if (itsFormat === undefined) {
      throw new CommandError(
        `Cannot import ${name}: the name does not show the format; add --format jsonl or csv`,
        2,
      );
    }
    this.name = name;
    this.format = itsFormat;
    this.#delimiter = delimiter ?? known?.delimiter ?? ",";
    [this.#handle, this.status] = openSource(name);
  }

  /**
   * Yields the records in batches. If the remainder of the file is unreadable, the last record has the reason.
   */
  async *records(listener: SourceListener): AsyncGenerator<readonly SourceRecord[]> {
    const position = { line: 0 };
    try {
      yield* this.format === "csv"
        ? csvRecords(this.#chunks(listener), position, this.#delimiter, listener)
        : jsonRecords(this.#chunks(listener), position);
    } catch (error) {
      if (error instanceof RestError) yield [{ line: error.line, problem: error.message }];
      else if (error instanceof GzipDamageError || error instanceof CsvError) {
        yield [{ line: position.line + 1, problem: error.message }];
      } else throw error;
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#handle.close();
  }

  #chunks({ onRead }: SourceListener): AsyncIterable<Bytes> {
    let furthest = 0;
    const read = async function* (handle: FileHandle, byteLength: number): AsyncGenerator<Bytes> {
      let position = 0;
      for await (const chunk of readChunks(handle, byteLength)) {
        position += chunk.byteLength;
        // A damaged gzip file is read more than once; only the first pass counts as progress.
        onRead(Math.max(0, position - furthest));
        furthest = Math.max(furthest, position);
        yield chunk;
      }
    };
    const chunks = () => read(this.#handle, this.status.byteLength);
    return this.name.endsWith(".gz") ? gunzipped(chunks) : chunks();
  }
}

function openSource(name: string): [FileHandle, FileStatus] {
  let handle: FileHandle;
  try {
    handle = denoFileSystem.open(name, "read");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new CommandError(`Cannot import ${name}: the file does not exist`, 1);
    }
    throw withFlags(error, [pathFlag("read", name)], { action: `Cannot read ${name}` });
  }
  const status = handle.status();
  if (status.kind === "file") return [handle, status];
  handle.close();
  // The file must be regular, because a pipe cannot be read twice.
  throw new CommandError(
    `Cannot import ${name}: only a regular file can be imported, because the file is read twice`,
    1,
  );
}

async function* jsonRecords(
  chunks: AsyncIterable<Bytes>,
  position: { line: number },
): AsyncGenerator<readonly SourceRecord[]> {
  const recordOf = ({ bytes }: RawLine): SourceRecord | null => {
    const line = ++position.line;
    if (bytes === null) return { line, problem: TOO_LONG };
    const parsed = parseLine(line === 1 ? withoutMark(bytes) : bytes, exactNumbers);
    if (parsed === null) return null;
    return "event" in parsed ? { line, values: parsed.event } : { line, problem: parsed.reason };
  };
  const recordsOf = (lines: Iterable<RawLine>) =>
    Array.from(lines, recordOf).filter((record) => record !== null);
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  for await (const chunk of chunks) yield recordsOf(splitter.split(chunk));
  yield recordsOf(splitter.end());
}

async function* csvRecords(
  chunks: AsyncIterable<Bytes>,
  position: { line: number },
  delimiter: string,
  { onColumns }: SourceListener,
): AsyncGenerator<readonly SourceRecord[]> {
  const records: SourceRecord[] = [];
  let columns: readonly string[] | null = null;
  const take = (row: readonly string[]) => {
    const line = position.line + 1;
    position.line += 1 + row.reduce((breaks, cell) => breaks + cell.split("\n").length - 1, 0);
    if (row.length === 1 && row[0] === "") return;
    if (columns === null) onColumns(columns = row);
    else if (row.length !== columns.length) {
      records.push({
        line,
        problem: `the row must have ${columns.length} cells, got ${row.length}`,
      });
    } else {
      records.push({ line, values: Object.fromEntries(columns.map((name, n) => [name, row[n]])) });
    }
  };
  const parser = csvParser({
    bom: true,
    delimiter,
    max_record_size: MAX_LINE_BYTES,
    record_delimiter: ["\r\n", "\n"],
    // A row with a wrong number of cells is reported with its line; the rows after it may be valid.
    relax_column_count: true,
    // Rows are collected here, because the output stream of the parser drops the last rows before an error.
    on_record: (row: string[]) => void take(row),
  });
  const writer = parser.writable.getWriter();
  // If the parser fails, write() or close() below throws the error.
  writer.closed.catch(() => {});
  for await (const chunk of checkedText(chunks)) {
    await writer.write(chunk);
    yield records.splice(0);
  }
  // If the parser has failed, close() rejects without the reason; `closed` rejects with the reason.
  await writer.close().catch(() => writer.closed);
  yield records.splice(0);
}

/**
 * Yields the chunks of a file unchanged, and checks that each line is UTF-8 text.
 *
 * @throws {RestError} If a line is too long or is not UTF-8.
 */
async function* checkedText(chunks: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  let line = 0;
  const check = ({ bytes }: RawLine) => {
    line++;
    if (bytes === null) throw new RestError(line, TOO_LONG);
    if (!isUtf8(bytes)) throw new RestError(line, "not UTF-8");
  };
  for await (const chunk of chunks) {
    for (const rawLine of splitter.split(chunk)) check(rawLine);
    yield chunk;
  }
  for (const rawLine of splitter.end()) check(rawLine);
}

function withoutMark(bytes: Uint8Array): Uint8Array {
  const isMarked = BYTE_ORDER_MARK.every((byte, n) => bytes[n] === byte);
  return isMarked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
}
