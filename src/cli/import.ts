/**
 * `scout import`: appends the records of other files to a log, with the times of the records.
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
import { isChained, type Run } from "./command.ts";
import { tell } from "./messages.ts";
import { checkKind } from "./log_kind.ts";
import { locateLog } from "./log_path.ts";
import { CommandError } from "./command_error.ts";
import { appendEvents, type Checked, type CheckedFile, checkEvents } from "./import_events.ts";
import { ImportFile } from "./import_file.ts";
import { choiceOf, type LogOptions, targetOptions, timeZone, valueOf } from "./options.ts";
import { parseIsoTime } from "./when.ts";
import { type FieldSource, type MappingOptions, RecordMapping } from "./record_mapping.ts";
import { SourceFile, type SourceOptions } from "./source_file.ts";
import { counted, shownNumber, shownText } from "../shown.ts";
import type { Output } from "./terminal.ts";

interface ImportCommandOptions extends Omit<LogOptions, "file">, SourceOptions, MappingOptions {
  readonly files: readonly string[];
  readonly session: string | undefined;
  readonly skipInvalid: boolean;
  readonly again: boolean;
  readonly dryRun: boolean;
}

const fieldSource = valueOf("FIELD=COLUMN", parseFieldSource, { field: "", column: "" });
const delimiter = valueOf("CHARACTER", parseDelimiter, ",");
const isoTime = valueOf("TIME", parseIsoTime, () => Temporal.Now.instant());

/** The `scout import` command. */
export const importCommand: Parser<"sync", Run, unknown> = command(
  "import",
  map(
    merge(
      object({
        files: multiple(
          argument(string({ metavar: "FILE" }), {
            description:
              message`A file to import, or - for standard input; a name that ends with .gz is decompressed`,
          }),
          { min: 1, errors: { tooFew: message`No FILE is named` } },
        ),
        skipInvalid: option("--skip-invalid", {
          description: message`Leave out invalid records, and report them`,
        }),
        again: option("--again", {
          description: message`Import records that were imported before once more`,
        }),
        dryRun: option("--dry-run", { description: message`Check the files, and append nothing` }),
      }),
      object("Fields", {
        map: multiple(option("--map", fieldSource, {
          description:
            message`Read a field from another column or member, such as usage.input_tokens; repeat for more fields`,
        })),
        event: optional(option("--event", string({ metavar: "TYPE" }), {
          description: message`Event type of records without a type`,
        })),
        session: optional(option("--session", string({ metavar: "ID" }), {
          description: message`Session ID of records without a session ID; default: a new session`,
        })),
        text: multiple(option("--text", string({ metavar: "COLUMN" }), {
          description: message`Keep the cells of a column as text, even if they look like numbers`,
        })),
      }),
      object("Format", {
        format: optional(option("--format", choiceOf("FORMAT", ["jsonl", "csv"]), {
          description: message`Format of the files; default: from the name of each file`,
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
    brief: message`Imports JSONL and CSV files`,
    description:
      message`Appends each line of JSON, or row of CSV under a header, as an event. The column ts is the time (ISO 8601, or seconds or milliseconds since 1970), the column event is the type, and every other column becomes a field of the same name. All files are checked first; if any record is invalid, nothing is imported. A value that a known field does not take, such as a cost of n/a, is imported as cost_raw and reported. The field import_id of each event shows that its record was imported: importing a file again adds only its new records. Needs --allow-read for the files, and --allow-write for the directory of the log.`,
    footer:
      message`Example: scout import trace.csv --event nav --map ts=TIMESTAMP --map input_t=ContextTokens`,
  },
);

function parseFieldSource(input: string): FieldSource {
  const at = input.indexOf("=");
  if (at <= 0 || at === input.length - 1) {
    throw new RangeError("not a mapping; use FIELD=COLUMN such as ts=TIMESTAMP");
  }
  return { field: input.slice(0, at), column: input.slice(at + 1) };
}

function parseDelimiter(input: string): string {
  if (input.length !== 1 || /["\r\n]/.test(input)) {
    throw new RangeError(
      "not a delimiter; use exactly one character that is neither a quote nor a line break",
    );
  }
  return input;
}

async function runImport(options: ImportCommandOptions, output: Output): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const mapping = new RecordMapping(options);
  const log = locateLog({ file: undefined, path: options.path });
  const { path } = log;
  checkKind(log);
  const spool = options.dryRun ? null : stack.use(new ImportFile(path));
  const files: SourceFile[] = [];
  for (const name of options.files) {
    files.push(stack.use(await SourceFile.open(name, options, spool?.spool.bind(spool))));
  }
  refuseOwnFiles(path, files);
  const target = { path, chain: await isChained(path), sessionId: options.session };
  const { skipInvalid, again } = options;
  const checked = await checkEvents(files, mapping, { ...target, skipInvalid, again });
  const { wanted, ...counts } = countsOf(checked);
  for (const message of mapping.rawMessages()) tell(message);
  for (const message of mapping.clockChanges.messages(options.timeZone)) tell(message);
  if (checked.invalid.count > 0) {
    tell(`${counted(checked.invalid.count, "invalid record")} left out`, checked.invalid.list());
  }
  if (!again) refuseUnchanged(checked.files);
  const { imported, stoppedBefore } = options.dryRun
    ? { imported: 0, stoppedBefore: null }
    : await appendEvents(checked.files, mapping, target);
  if (options.json) output.json({ path, ...counts, imported, files: checked.files.map(shownFile) });
  else {
    const before = counts.importedBefore === 0
      ? ""
      : `; ${shownNumber(counts.importedBefore)} ${
        counts.importedBefore === 1 ? "was" : "were"
      } imported before`;
    const result = options.dryRun
      ? `Checked ${counted(counts.checked, "event")}${counts.invalid === 0 ? ": no errors" : ""}`
      : `Imported ${shownNumber(imported)} of ${counted(counts.checked, "event")} into ${
        shownText(path)
      }`;
    output.line(`${result}${before}`);
  }
  await output.flush();
  if (stoppedBefore !== null) {
    const advice = again ? "" : "; run the same command again to import them";
    tell(
      `interrupted; the record at ${stoppedBefore} and all later records were not imported${advice}`,
    );
    return 130;
  }
  if (options.dryRun || imported === wanted) return 0;
  tell("Cannot import all events: the files were changed after they were checked");
  return 1;
}

function countsOf({ files, invalid }: Checked) {
  const sum = (count: (file: CheckedFile) => number) =>
    files.reduce((sum, file) => sum + count(file), 0);
  const [checked, added] = [sum(({ events }) => events), sum(({ newEvents }) => newEvents)];
  const wanted = sum(({ isWanted }) => isWanted.reduce((sum, is) => sum + is, 0));
  return { checked, importedBefore: checked - added, invalid: invalid.count, wanted };
}

function shownFile({ file: { name }, events, newEvents }: CheckedFile) {
  return { name, events, importedBefore: events - newEvents };
}

/**
 * Rejects the import if every file was imported before, because nothing would be imported. A file without a valid
 * record does not count as imported before.
 *
 * @throws {CommandError} If every file has valid records, and all of them were imported before.
 */
function refuseUnchanged(files: readonly CheckedFile[]): void {
  if (!files.every(({ events, newEvents }) => events > 0 && newEvents === 0)) return;
  const names = files.map(({ file: { name } }) => name).join(", ");
  throw new CommandError(
    `Cannot import ${names}: every record was imported before; add --again to import the records again`,
    1,
  );
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
