/**
 * `scout report`: writes a report on the log as one HTML file.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { basename, dirname, join, resolve } from "../platform/path.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { type AuditReader, collectArchives } from "../audit_reader.ts";
import { withFlags } from "../errors.ts";
import { type AuditEvent, isReservedType } from "../event.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { eventFilter, mayLineHold } from "../read/filter.ts";
import type { QueryOptions } from "../read/query_options.ts";
import type { ReportOptions } from "../report/options.ts";
import type { Queryable, Report, Select } from "../report/render_report.ts";
import { openForAppend } from "../platform/regular_file.ts";
import { counted, shownBytes, shownText } from "../shown.ts";
import { opened, type Run, withReaders } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { listedFiles } from "./listed_files.ts";
import { checkThere } from "./log_kind.ts";
import { statusLogger, tellArchives } from "./messages.ts";
import { openInBrowser } from "./open_in_browser.ts";
import {
  type FieldOptions,
  fieldOptions,
  fieldsToQuery,
  type ReadingOptions,
  type ShownOptions,
  summingOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { ProgressBar } from "./progress_bar.ts";
import { optionsToReport, type ReportLookOptions, reportLookOptions } from "./report_options.ts";
import type { Output } from "./terminal.ts";

const STANDARD_OUTPUT = "-";
/** The start of every report. A file that starts differently is not a report, so it is not overwritten. */
const REPORT_START = "<!DOCTYPE html>";
/**
 * Estimated length of a line in bytes, for the progress bar. It is used for files whose number of lines is not in the
 * manifest.
 */
const LINE_BYTES = 200;
const EVENTS_PER_ADVANCE = 1_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Options of a report, and of the file to which the report is written. */
export type ReportFileOptions =
  & FieldOptions
  & TimeOptions
  & ReportLookOptions
  & { readonly out: string };

interface ReportCommandOptions extends ReadingOptions, ReportFileOptions {}

/** The parser of {@linkcode ReportFileOptions}. */
export const reportFileOptions: Parser<"sync", ReportFileOptions, unknown> = merge(
  object({
    out: withDefault(
      option("--out", string({ metavar: "FILE" }), {
        description:
          message`Write to FILE, or to standard output if FILE is -; default report.html`,
      }),
      "report.html",
    ),
  }),
  reportLookOptions,
  fieldOptions,
  timeOptions,
);

/** The `scout report` command. */
export const reportCommand: Parser<"sync", Run, unknown> = command(
  "report",
  map(
    merge(reportFileOptions, summingOptions),
    (options): Run => (output) => runReport(options, output),
  ),
  {
    brief: message`Writes a self-contained HTML report`,
    description:
      message`Shows spend, accuracy, a timeline of the calls, their durations, the reasons of failures, calls by model and agent, unfinished calls, and unreadable data; of all events, or of the events that match. Of a directory with several logs, shows all of them, with a table by log. With a filter, the heading names the filter, budgets are left out, and archives that may hold matching events are decoded. The page needs neither network nor scripts. Needs --allow-read and --allow-write for the file.`,
    footer: message`Example: scout report logs --since yesterday --budget 5 --tz Europe/Berlin`,
  },
);

function runReport(options: ReportCommandOptions, output: Output): Promise<number> {
  return writeReport(options, output, (render, query) => {
    return withReaders(options, async (readers, logs) => {
      logs.forEach(checkThere);
      const archives = options.verbose === true ? readers.map(collectArchives) : [];
      const [reader] = readers;
      const name = readers.length === 1
        ? reader.path
        : `${dirname(reader.path)} (${readers.map(({ path }) => basename(path)).join(", ")})`;
      const expected = readers.reduce((sum, each) => sum + expectedEvents(each, query), 0);
      const report = await render(await sourceOf(readers), {
        name,
        hasLogs: readers.length > 1,
        // With a filter, the stored sums of archives do not help, so each event is read.
        select: query.where === undefined ? undefined : eventFilter(query).matches,
        expectedEvents: expected,
      });
      for (const each of archives) tellArchives(each);
      return report;
    }, statusLogger);
  });
}

/** Resolves with the source of a report: the reader of a single log, or an object that reads several logs. */
async function sourceOf(
  readers: readonly [AuditReader, ...AuditReader[]],
): Promise<Queryable> {
  const [reader, ...others] = readers;
  if (others.length === 0) return reader;
  const { severalLogs, namedLogs } = await import("../report/several_logs.ts");
  return severalLogs(namedLogs(readers));
}

/**
 * A function that renders a report on events. `name` is the name of their source on the page, `hasLogs` is true if
 * they are from several logs, `select` selects the events of a log, and `expectedEvents` is an estimated total for the
 * progress bar.
 */
type Render = (
  source: Queryable | AsyncIterable<AuditEvent>,
  about: {
    readonly name: string;
    readonly hasLogs: boolean;
    readonly select?: Select | undefined;
    readonly expectedEvents?: number;
  },
) => Promise<Report>;

/**
 * Writes a report to a file or to standard output, and resolves with the exit code. `read` must pass the events of the
 * query to `render`.
 */
export async function writeReport(
  options: ReportFileOptions & ShownOptions,
  output: Output,
  read: (render: Render, query: ReportQuery) => Promise<Report>,
): Promise<number> {
  const { out, json, open } = options;
  const isPrinted = out === STANDARD_OUTPUT;
  if (isPrinted && open) {
    throw new CommandError(
      "Cannot open report: the report is written to standard output; use --out FILE",
      2,
    );
  }
  // The file is opened first, so that an unwritable file is reported before the whole log is read.
  using file = isPrinted ? null : await opened(() => new ReportFile(out));
  const { reportOn } = await import("../report/render_report.ts");
  const reportOptions = optionsToReport(options);
  const { events, page } = await read(async (source, { expectedEvents, ...about }) => {
    if (expectedEvents === undefined) return await reportOn(source, reportOptions, about);
    using bar = new ProgressBar("Reading", expectedEvents);
    let waiting = 0;
    const onEvents = (events: number) => {
      waiting += events;
      if (waiting < EVENTS_PER_ADVANCE) return;
      bar.advance(waiting);
      waiting = 0;
    };
    return await reportOn(source, reportOptions, { ...about, onEvents });
  }, { ...rangeOf(reportOptions), ...filterOf(options) });
  if (file === null) {
    output.line(page.trimEnd());
  } else {
    const bytes = file.write(page);
    if (json) output.json({ out: file.path, events, bytes });
    else {
      const amount = `${counted(events, "event")} as ${shownBytes(bytes)}`;
      output.line(`Wrote ${amount} to ${shownText(file.path)}`);
    }
  }
  await output.flush();
  if (file !== null && open) await openInBrowser(file.path);
  return 0;
}

/**
 * Returns the query options for the field options of a report. With a filter, the lines of budgets are left out,
 * because the amounts of a budget cannot be computed from only some of the events.
 */
function filterOf(options: FieldOptions): ReportQuery {
  const filter = fieldsToQuery(options);
  if (Object.keys(filter).length === 0) return filter;
  const { where = () => true } = filter;
  return { ...filter, where: (event) => !isReservedType(event.event) && where(event) };
}

/** The query for the events of a report. */
type ReportQuery = Omit<QueryOptions, "limit" | "order">;

function rangeOf({ since, until }: ReportOptions): ReportQuery {
  return {
    ...since === undefined ? {} : { since },
    ...until === undefined ? {} : { until },
  };
}

/**
 * Returns an estimate of the number of events in a time range: from the manifest or, for files without a usable
 * manifest line, from their lengths.
 */
function expectedEvents(reader: AuditReader, query: ReportQuery): number {
  const filter = eventFilter(query);
  let events = 0;
  for (const { file, line } of listedFiles(reader)) {
    if (line === undefined) events += file.byteLength / LINE_BYTES;
    else if (mayLineHold(line, filter)) events += line.lines;
  }
  return events;
}

/** The file that a report is written to. */
class ReportFile implements Disposable {
  /** The absolute path of the file. */
  readonly path: string;
  readonly #handle: FileHandle;
  /** Whether this object has created the file, and has not written a report into it yet. */
  #isNew: boolean;

  /**
   * Opens the file, and creates it if it does not exist.
   *
   * @throws {CommandError} If the path is a directory, or its parent directory does not exist.
   * @throws {TypeError} If the file exists and is not a report.
   * @throws {Deno.errors.NotCapable} If a permission is missing; the message names its flag.
   */
  constructor(path: string) {
    this.path = resolve(path);
    try {
      if (denoFileSystem.status(this.path)?.kind === "directory") {
        const file = join(path, "report.html");
        throw new CommandError(`Cannot write report: --out ${path} is a directory; use ${file}`, 2);
      }
      const { handle, created } = openForAppend(denoFileSystem, this.path, { access: "update" });
      this.#handle = handle;
      this.#isNew = created;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        const directory = dirname(this.path);
        throw new CommandError(
          `Cannot write report: the directory does not exist: ${directory}`,
          1,
        );
      }
      const flags = [`--allow-read=${this.path}`, `--allow-write=${this.path}`];
      throw withFlags(error, flags, { action: "Cannot write report" });
    }
    try {
      this.#checkOverwritable();
    } catch (error) {
      this.#handle.close();
      throw error;
    }
  }

  /** Replaces the content of the file with the page, and returns the length of the page in bytes. */
  write(page: string): number {
    const bytes = encoder.encode(page);
    this.#handle.truncateSync(0);
    for (let written = 0; written < bytes.byteLength;) {
      written += this.#handle.appendSync(bytes.subarray(written));
    }
    this.#isNew = false;
    return bytes.byteLength;
  }

  /** Closes the file. Removes the file if this object has created it and no report was written. */
  [Symbol.dispose](): void {
    this.#handle.close();
    if (this.#isNew) denoFileSystem.remove(this.path);
  }

  #checkOverwritable(): void {
    const start = new Uint8Array(REPORT_START.length);
    const length = this.#handle.readSync(start, 0);
    if (length === 0 || decoder.decode(start.subarray(0, length)) === REPORT_START) return;
    throw new TypeError(
      `Cannot write report: the existing file is not a report; use another --out FILE: ${this.path}`,
    );
  }
}
