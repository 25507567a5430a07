/**
 * `scout import`: appends events from the files of other tools to a log, at the times of the events.
 *
 * All records are checked before the first one is appended, because appended events cannot be removed.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { isSameFile } from "../platform/file_system.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { isChained, opened, type Run } from "./command.ts";
import { tell } from "./messages.ts";
import { checkKind } from "./log_kind.ts";
import { locateLog } from "./log_path.ts";
import { CommandError } from "./command_error.ts";
import {
  type Appended,
  appendEvents,
  type PlacedEvent,
  type TargetLog,
  withPrices,
} from "./append_events.ts";
import { type CallOptions, checkCalls, countCalls, wantedCalls } from "./import_calls.ts";
import { ImportFile } from "./import_file.ts";
import type { Problems } from "./import_problems.ts";
import { type Spool, STANDARD_INPUT } from "./source_content.ts";
import { importPaths } from "./import_paths.ts";
import { addToSums, type CheckedFile, checkRecords, wantedRecords } from "./import_records.ts";
import { ImportSums, unpricedMessage } from "./import_sums.ts";
import {
  choiceOf,
  condition,
  type LogOptions,
  targetOptions,
  timeZone,
  valueOf,
} from "./options.ts";
import { readPrices } from "./prices_file.ts";
import { ProgressBar } from "./progress_bar.ts";
import { parseIsoTime } from "./when.ts";
import {
  type FieldFactor,
  type FieldSource,
  type MappingOptions,
  RecordMapping,
} from "./record_mapping.ts";
import { SOURCE_FORMATS, SourceFile, type SourceOptions } from "./source_file.ts";
import { isTranscript } from "../import/formats.ts";
import { checkedDigest } from "../llm/checked_prices.ts";
import { counted, shownNumber, shownText } from "../shown.ts";
import type { Output } from "./terminal.ts";

interface ImportCommandOptions
  extends Omit<LogOptions, "file">, SourceOptions, Omit<MappingOptions, "prices"> {
  readonly paths: readonly string[];
  readonly session: string | undefined;
  readonly skipInvalid: boolean;
  readonly again: boolean;
  readonly dryRun: boolean;
  readonly pricesFile: string | undefined;
  /** Whether to import prompts and answers. */
  readonly texts: boolean;
}

const fieldSource = valueOf("FIELD=COLUMN", parseFieldSource, { field: "", column: "" });
const fieldFactor = valueOf("FIELD=FACTOR", parseFieldFactor, { field: "", factor: 1 });
const delimiter = valueOf("CHARACTER", parseDelimiter, ",");
const isoTime = valueOf("TIME", parseIsoTime, () => Temporal.Now.instant());

/** The `scout import` command. */
export const importCommand: Parser<"sync", Run, unknown> = command(
  "import",
  map(
    merge(
      object({
        paths: multiple(
          argument(string({ metavar: "PATH" }), {
            description:
              message`A file, a directory, a pattern such as logs/*.jsonl, or - for standard input; a name that ends with .gz is decompressed`,
          }),
          { min: 1, errors: { tooFew: message`No PATH is named` } },
        ),
        format: optional(option("--format", choiceOf("FORMAT", SOURCE_FORMATS), {
          description:
            message`Format of the files; default: by the content of each file, else by its name`,
        })),
        pricesFile: optional(option("--prices", string({ metavar: "FILE" }), {
          description:
            message`Compute missing costs from a table of prices, JSON in the schema of LiteLLM`,
        })),
        texts: option("--text", {
          description:
            message`Import the prompts and answers in transcripts too, and the inputs and outputs of tools`,
        }),
        skipInvalid: option("--skip-invalid", {
          description: message`Leave out invalid records, and report them`,
        }),
        again: option("--again", {
          description: message`Import records that were imported before once more`,
        }),
        dryRun: option("--dry-run", {
          description:
            message`Check the files, show what would be imported and what not, and append nothing`,
        }),
      }),
      object("Fields of JSONL and CSV", {
        map: multiple(option("--map", fieldSource, {
          description:
            message`Read a field from another column or member, such as usage.input_tokens; repeat for more fields`,
        })),
        scale: multiple(option("--scale", fieldFactor, {
          description:
            message`Multiply the numbers of a field, such as duration_ms=1000 for durations in seconds; repeat for more fields`,
        })),
        where: multiple(option("--where", condition, {
          description:
            message`Import only the records that meet a condition on a member or column, such as type=GENERATION; repeat to combine`,
        })),
        event: optional(option("--event", string({ metavar: "TYPE" }), {
          description: message`Event type of records without a type`,
        })),
        session: optional(option("--session", string({ metavar: "ID" }), {
          description: message`Session ID of records without a session ID; default: a new session`,
        })),
        textColumns: multiple(option("--text-column", string({ metavar: "COLUMN" }), {
          description: message`Keep the cells of a column as text, even if they look like numbers`,
        })),
        delimiter: optional(option("--delimiter", delimiter, {
          description: message`Separator of CSV cells; default: a comma, or a tab in .tsv files`,
        })),
        timeUnit: optional(option("--time-unit", choiceOf("UNIT", ["s", "ms", "us", "ns"]), {
          description:
            message`Unit of times that are numbers; default: seconds or milliseconds, by their size`,
        })),
        timeStart: optional(option("--time-start", isoTime, {
          description: message`Count times that are numbers from this time; default 1970`,
        })),
        timeZone: withDefault(
          option("--tz", timeZone, {
            description: message`Time zone of times without a UTC offset; default UTC`,
          }),
          "UTC",
        ),
      }),
      targetOptions,
    ),
    (options): Run => (output) => runImport(options, output),
  ),
  {
    brief: message`Imports transcripts of Claude Code and Codex, OpenTelemetry, JSONL and CSV`,
    description:
      message`Appends events from files of other tools to a log, each at its own time. In transcripts of Claude Code (claude-code) and Codex (codex), and in spans of OpenTelemetry (otlp), each model call becomes an event llm_call, and each tool call an event tool_call. In JSONL, CSV and logs (scout), each record becomes an event: the member or column ts is the time (ISO 8601, or seconds or milliseconds since 1970), event is the type, and the others become fields of the same names. Checks all files first; if any record is invalid, nothing is imported. A value that a known field does not take, such as a cost of n/a, is imported as cost_raw and reported. Each event has the field import_id, so importing the same files again adds only new events. In a directory and its subdirectories, reads the files whose content shows their format. Needs --allow-read for the files, and --allow-write for the directory of the log.`,
    footer: message`Example: scout import ~/.claude/projects --prices prices.json`,
  },
);

function parseFieldSource(input: string): FieldSource {
  const at = input.indexOf("=");
  if (at <= 0 || at === input.length - 1) {
    throw new RangeError("not a mapping; use FIELD=COLUMN such as ts=TIMESTAMP");
  }
  return { field: input.slice(0, at), column: input.slice(at + 1) };
}

function parseFieldFactor(input: string): FieldFactor {
  const [field = "", factor = "", ...more] = input.split("=");
  const isNumber = /^\d*\.?\d+(e-?\d+)?$/i.test(factor) && Number(factor) > 0;
  if (field === "" || more.length > 0 || !isNumber) {
    throw new RangeError("not a factor; use FIELD=FACTOR such as duration_ms=1000");
  }
  return { field, factor: Number(factor) };
}

function parseDelimiter(input: string): string {
  if (input.length !== 1 || /["\r\n]/.test(input)) {
    throw new RangeError(
      "not a delimiter; use exactly one character that is neither a quote nor a line break",
    );
  }
  return input;
}

/** The files of an import, by how they are read, and the paths that are left out. */
interface OpenedFiles {
  readonly transcripts: readonly SourceFile[];
  readonly records: readonly SourceFile[];
  readonly skipped: readonly string[];
}

/** The outcome of the checks: what the files have, and the events to append. */
interface Plan {
  /** Number of events that the files state. */
  readonly checked: number;
  readonly importedBefore: number;
  /** Number of calls that have grown since they were imported. */
  readonly grown: number;
  readonly invalid: number;
  /** Number of events to append. */
  readonly wanted: number;
  readonly files: readonly object[];
  readonly batches: (progress: ProgressBar) => AsyncIterable<readonly PlacedEvent[]>;
}

async function runImport(options: ImportCommandOptions, output: Output): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const prices = options.pricesFile === undefined ? undefined : readPrices(options.pricesFile);
  const pricesEvent = prices === undefined ? undefined : await opened(() => ({
    sha256: checkedDigest(prices, "import"),
    models: Object.keys(prices).length,
  }));
  const mapping = new RecordMapping({ ...options, prices });
  const log = locateLog({ file: undefined, path: options.path });
  const { path } = log;
  checkKind(log);
  const spool = options.dryRun ? null : stack.use(new ImportFile(path));
  const files = await openFiles(options, spool?.spool.bind(spool));
  refuseOwnFiles(path, [...files.transcripts, ...files.records]);
  const target = { path, chain: await isChained(path), sessionId: options.session };
  const sums = new ImportSums();
  const plans = [
    await planCalls(files.transcripts, { ...options, path, prices }, sums),
    await planRecords(files.records, { ...options, ...target, mapping }, sums),
  ];
  const plan = merged(plans);
  tellSkipped(files.skipped, options.format);
  const unpriced = prices === undefined ? null : unpricedMessage(sums.unpricedModels);
  if (unpriced !== null) tell(unpriced);
  const { imported, stoppedBefore } = options.dryRun
    ? { imported: 0, stoppedBefore: null }
    : await append(plan, { target, pricesEvent, all: files });
  const { batches: _, wanted, ...counts } = plan;
  if (options.json) {
    const { skipped } = files;
    const shownSums = options.dryRun ? sums.toJSON() : {};
    output.json({ path, ...counts, new: wanted, imported, skipped, ...shownSums });
  } else {
    output.line(resultLine(plan, { imported, path, isDryRun: options.dryRun }));
    if (options.dryRun) sums.lines().forEach((line) => output.line(line));
  }
  await output.flush();
  if (stoppedBefore !== null) {
    const advice = options.again ? "" : "; run the same command again to import them";
    tell(
      `interrupted; the record at ${stoppedBefore} and all later records were not imported${advice}`,
    );
    return 130;
  }
  if (options.dryRun || imported === wanted) return 0;
  tell("Cannot import all events: the files were changed after they were checked");
  return 1;
}

/** Opens the files that the paths name. */
async function openFiles(options: ImportCommandOptions, spool?: Spool): Promise<OpenedFiles> {
  const mapped = mappingOption(options);
  const { format } = options;
  if (mapped !== undefined && format !== undefined && format !== "jsonl" && format !== "csv") {
    throw new CommandError(
      `Cannot import: ${mapped} is for JSONL and CSV, not for --format ${format}`,
      2,
    );
  }
  const files: SourceFile[] = [];
  const skipped: string[] = [];
  for (const { name, isFound } of await importPaths(options.paths)) {
    // With an option for JSONL and CSV, a record is not a line of a transcript, even if it resembles one.
    const isMapped = mapped !== undefined || format === "jsonl" || format === "csv";
    const formatBy = isMapped ? "name" : isFound ? "content" : "both";
    const open = isFound ? { ...options, format: undefined } : options;
    const file = await SourceFile.open(name, open, { spool, formatBy });
    if (file === null && !isFound) throw unclearFormat(name);
    // A directory may also have files in other formats.
    if (file !== null && (format === undefined || file.format === format)) files.push(file);
    else skipped.push(name);
  }
  return {
    transcripts: files.filter((file) => isTranscript(file.format)),
    records: files.filter((file) => !isTranscript(file.format)),
    skipped,
  };
}

/** Returns the name of an option that only JSONL and CSV have, if it is set. */
function mappingOption(options: ImportCommandOptions): string | undefined {
  const set: readonly (readonly [name: string, isSet: boolean])[] = [
    ["--map", options.map.length > 0],
    ["--scale", options.scale.length > 0],
    ["--where", options.where.length > 0],
    ["--event", options.event !== undefined],
    ["--text-column", options.textColumns.length > 0],
    ["--delimiter", options.delimiter !== undefined],
    ["--time-unit", options.timeUnit !== undefined],
    ["--time-start", options.timeStart !== undefined],
  ];
  return set.find(([, isSet]) => isSet)?.[0];
}

function unclearFormat(name: string): CommandError {
  const shown = name === STANDARD_INPUT ? "standard input" : name;
  return new CommandError(
    `Cannot import ${shown}: neither its content nor its name shows the format; add --format ${
      SOURCE_FORMATS.join("|")
    }`,
    2,
  );
}

/** Reports the files of a directory that were left out. The first ones are listed, and the others only counted. */
function tellSkipped(skipped: readonly string[], format: string | undefined): void {
  if (skipped.length === 0) return;
  const more = skipped.length - SKIPPED_SHOWN;
  const what = counted(skipped.length, "file");
  const reason = format === undefined
    ? "whose content shows no format"
    : `not in the format ${format}`;
  tell(`left out ${what} ${reason}`, [
    ...skipped.slice(0, SKIPPED_SHOWN),
    ...more > 0 ? [`and ${shownNumber(more)} more`] : [],
  ]);
}

const SKIPPED_SHOWN = 10;

async function planCalls(
  files: readonly SourceFile[],
  options: CallOptions & { readonly again: boolean },
  sums: ImportSums,
): Promise<Plan> {
  using progress = progressOf("Checking", files);
  const checkedCalls = await checkCalls(files, sums, { ...options, progress });
  const { calls, invalid, openTools, otherSignals, unfinished } = checkedCalls;
  tellInvalid(invalid);
  if (openTools > 0) tell(`left out ${counted(openTools, "tool call")} without a result`);
  if (otherSignals > 0) {
    const records = counted(otherSignals, "record");
    tell(`left out ${records} with logs or metrics, because only spans state calls`);
  }
  if (unfinished > 0) tell(`left out ${counted(unfinished, "incomplete last line")}`);
  const { checked, added, grown } = countCalls(calls);
  return {
    checked,
    importedBefore: checked - added,
    grown,
    invalid: invalid.count,
    wanted: added + grown,
    files: checkedCalls.files.map(({ file: { name, format }, events }) => ({
      name,
      format,
      events,
    })),
    batches: (progress) => wantedCalls(checkedCalls, options, progress),
  };
}

async function planRecords(
  files: readonly SourceFile[],
  options: TargetLog & ImportCommandOptions & { readonly path: string; mapping: RecordMapping },
  sums: ImportSums,
): Promise<Plan> {
  const { mapping, dryRun } = options;
  using progress = progressOf("Checking", files);
  const { files: checked, invalid, unwanted } = await checkRecords(files, mapping, {
    ...options,
    progress,
  });
  for (const message of mapping.rawMessages()) tell(message);
  for (const message of mapping.clockChanges.messages(options.timeZone)) tell(message);
  tellInvalid(invalid);
  if (unwanted > 0) tell(`left out ${counted(unwanted, "record")} that --where does not select`);
  // A pipe that is not stored in a file cannot be read again.
  const readable = checked.filter(({ file }) => file.status !== null);
  if (dryRun) await addToSums(sums, readable, mapping, progress);
  const sum = (count: (file: CheckedFile) => number) =>
    checked.reduce((sum, file) => sum + count(file), 0);
  const events = sum(({ events }) => events);
  return {
    checked: events,
    importedBefore: events - sum(({ newEvents }) => newEvents),
    grown: 0,
    invalid: invalid.count,
    wanted: sum(({ wantedCount }) => wantedCount),
    files: checked.map(({ file: { name, format }, events, newEvents }) => ({
      name,
      format,
      events,
      importedBefore: events - newEvents,
    })),
    batches: (progress) => wantedRecords(checked, mapping, progress),
  };
}

function tellInvalid(invalid: Problems): void {
  if (invalid.count === 0) return;
  tell(`${counted(invalid.count, "invalid record")} left out`, invalid.list());
}

function merged(plans: readonly Plan[]): Plan {
  const sum = (count: (plan: Plan) => number) => plans.reduce((sum, plan) => sum + count(plan), 0);
  return {
    checked: sum(({ checked }) => checked),
    importedBefore: sum(({ importedBefore }) => importedBefore),
    grown: sum(({ grown }) => grown),
    invalid: sum(({ invalid }) => invalid),
    wanted: sum(({ wanted }) => wanted),
    files: plans.flatMap(({ files }) => files),
    async *batches(progress) {
      for (const { batches } of plans) yield* batches(progress);
    },
  };
}

async function append(
  plan: Plan,
  { target, pricesEvent, all: { transcripts, records } }: {
    target: TargetLog;
    pricesEvent: { sha256: string; models: number } | undefined;
    all: OpenedFiles;
  },
): Promise<Appended> {
  if (plan.wanted === 0) return { imported: 0, stoppedBefore: null };
  using progress = progressOf("Importing", [...transcripts, ...records]);
  const batches = plan.batches(progress);
  return await appendEvents(
    pricesEvent === undefined ? batches : withPrices(batches, pricesEvent),
    target,
  );
}

function progressOf(label: string, files: readonly SourceFile[]): ProgressBar {
  const bytes = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const what = files.length === 1 ? files[0]!.name : counted(files.length, "file");
  return new ProgressBar(`${label} ${what}`, bytes);
}

function resultLine(
  { checked, importedBefore, grown, invalid, wanted }: Plan,
  { imported, path, isDryRun }: { imported: number; path: string; isDryRun: boolean },
): string {
  const result = isDryRun
    ? `Checked ${counted(checked, "event")}${invalid === 0 ? ": no errors" : ""}; ${
      shownNumber(wanted)
    } new`
    : wanted === 0 && checked > 0
    ? `0 new: nothing was added to ${shownText(path)}`
    : `Imported ${shownNumber(imported)} of ${counted(checked, "event")} into ${shownText(path)}`;
  const before = importedBefore === 0
    ? ""
    : `; ${shownNumber(importedBefore)} ${importedBefore === 1 ? "was" : "were"} imported before${
      grown === 0 ? "" : `, of which ${shownNumber(grown)} ${grown === 1 ? "has" : "have"} grown`
    }`;
  return result + before;
}

/**
 * Checks that no source file is part of the target log, because importing such a file would duplicate its events.
 *
 * @throws {CommandError} If a source file is part of the log.
 */
function refuseOwnFiles(path: string, files: readonly SourceFile[]): void {
  const log = new LogDirectory(denoFileSystem, path);
  const segments = log.segments()
    .flatMap(({ stamp }) => [log.files.archive(stamp), log.files.sealed(stamp)]);
  for (const ownPath of [path, ...segments]) {
    const status = denoFileSystem.status(ownPath);
    if (status === null) continue;
    const file = files.find((file) => file.status !== null && isSameFile(file.status, status));
    if (file !== undefined) {
      throw new CommandError(`Cannot import ${file.name}: the file is part of the log ${path}`, 2);
    }
  }
}
