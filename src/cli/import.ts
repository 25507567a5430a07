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
import { isChained, opened, type Run } from "./command.ts";
import { tell } from "./messages.ts";
import { checkKind } from "./log_kind.ts";
import { locateLog } from "./log_path.ts";
import { type Appended, appendEvents, type TargetLog, withPrices } from "./import/append_events.ts";
import {
  type FilesOptions,
  type OpenedFiles,
  openFiles,
  refuseOwnFiles,
  tellSkipped,
} from "./import/files.ts";
import { ImportFile } from "./import/import_file.ts";
import { merged, type Plan, planCalls, planRecords, progressOf } from "./import/plan.ts";
import { type FieldFactor, type FieldSource, RecordMapping } from "./import/record_mapping.ts";
import { SOURCE_FORMATS } from "./import/source_file.ts";
import { ImportSums } from "./import/sums.ts";
import {
  choiceOf,
  condition,
  type LogOptions,
  targetOptions,
  timeZone,
  valueOf,
} from "./options.ts";
import { readPrices } from "./prices_file.ts";
import { parseIsoTime } from "./when.ts";
import { checkedDigest } from "../llm/checked_prices.ts";
import { loadEventSchema } from "../fields/known_fields.ts";
import { counted, shownNumber, shownText } from "../shown.ts";
import type { Output } from "./terminal.ts";

interface ImportCommandOptions extends Omit<LogOptions, "file">, FilesOptions {
  readonly session: string | undefined;
  readonly skipInvalid: boolean;
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
              message`A file, a directory, a quoted pattern such as 'logs/*.jsonl', or - for standard input; files whose names end with .gz are decompressed`,
          }),
          { min: 1, errors: { tooFew: message`No PATH is named` } },
        ),
        format: optional(option("--format", choiceOf("FORMAT", SOURCE_FORMATS), {
          description:
            message`Format of the files; default: by the content of each file, else by its name`,
        })),
        pricesFile: optional(option("--prices", string({ metavar: "FILE" }), {
          description:
            message`Compute missing costs from a table of prices, JSON in the schema of LiteLLM; also adds the costs of calls that were imported without one`,
        })),
        texts: option("--text", {
          description:
            message`Import the prompts and answers of new calls too, and the inputs and outputs of tools`,
        }),
        skipInvalid: option("--skip-invalid", {
          description: message`Leave out invalid records, and report them`,
        }),
        again: option("--again", {
          description: message`Import records of JSONL and CSV that were imported before once more`,
        }),
        dryRun: option("--dry-run", {
          description:
            message`Check the files, and show the sums of the new events and of the usage that is left out; append nothing`,
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
            message`Import only the records that meet a condition on a member or column, such as type=GENERATION; repeat for more conditions, which must all be met`,
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
    brief: message`Imports Claude Code and Codex transcripts, OpenTelemetry spans, JSONL and CSV`,
    description:
      message`Appends events from the files of other tools to a log, each at its own time. In transcripts of Claude Code (claude-code) and Codex (codex), and in OpenTelemetry spans (otlp), a model call becomes an event llm_call, and a tool call an event tool_call. In JSONL, CSV and logs of this program (scout), each record becomes an event. Its ts is the time: ISO 8601, or seconds or milliseconds since 1970. Its event is the type. All other members or columns become fields of the same names. All files are checked first; if a record is invalid, for example without a readable time, nothing is imported. If a known field has an invalid value, such as the cost n/a, the value is imported as cost_raw and reported; with --map cost=COLUMN, it is invalid. Each event has the field import_id, so importing the same files again adds only new events. In a directory and its subdirectories, files whose content does not show a format are left out. Needs --allow-read for the files, and --allow-write for the directory of the log.`,
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

async function runImport(options: ImportCommandOptions, output: Output): Promise<number> {
  await loadEventSchema();
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
  const plans: Plan[] = [];
  if (files.transcripts.length > 0) {
    plans.push(await planCalls(files.transcripts, { ...options, path, prices }, sums));
  }
  // Without such files, the log need not be searched for their records.
  if (files.records.length > 0) {
    plans.push(await planRecords(files.records, { ...options, ...target, mapping }, sums));
  }
  const plan = merged(plans);
  tellSkipped(files.skipped, options);
  const unpriced = sums.unpricedMessage(prices !== undefined);
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

function resultLine(
  { checked, importedBefore, grown, invalid, wanted, files }: Plan,
  { imported, path, isDryRun }: { imported: number; path: string; isDryRun: boolean },
): string {
  const unchanged = importedBefore - grown;
  const before = unchanged === 0
    ? ""
    : `; ${shownNumber(unchanged)} ${unchanged === 1 ? "was" : "were"} imported before`;
  const growth = grown === 0
    ? ""
    : `, ${shownNumber(grown)} ${grown === 1 ? "has" : "have"} grown or got a cost`;
  if (isDryRun) {
    const errors = invalid === 0 ? ": no errors" : "";
    const added = shownNumber(wanted - grown);
    const where = files.length === 1 ? "" : ` in ${counted(files.length, "file")}`;
    return `Checked ${counted(checked, "event")}${where}${errors}; ${added} new${growth}${before}`;
  }
  return wanted === 0 && checked > 0
    ? `0 new: ${shownText(path)} already has all ${counted(checked, "event")}`
    : `Imported ${shownNumber(imported)} of ${counted(checked, "event")} into ${
      shownText(path)
    }${growth}${before}`;
}
