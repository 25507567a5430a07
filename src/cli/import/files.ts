/**
 * Opens the files that the arguments of `scout import` name, and finds out how each is read.
 *
 * @module
 */
import { CommandError } from "../command_error.ts";
import { isTranscript } from "../../import/formats.ts";
import { tell } from "../messages.ts";
import { denoFileSystem } from "../../platform/deno_file_system.ts";
import { isSameFile } from "../../platform/file_system.ts";
import { LogDirectory } from "../../segments/log_directory.ts";
import { counted, shownNumber } from "../../shown.ts";
import { importPaths } from "./paths.ts";
import type { MappingOptions } from "./record_mapping.ts";
import { type Spool, STANDARD_INPUT } from "./source_content.ts";
import { SOURCE_FORMATS, SourceFile, type SourceOptions } from "./source_file.ts";

/** Maximum number of files without a known format that a message lists. */
const SKIPPED_SHOWN = 10;

/** The options of `scout import` that decide which files are read, and how. */
export interface FilesOptions extends SourceOptions, Omit<MappingOptions, "prices"> {
  readonly paths: readonly string[];
  /** Whether to import records that are in the log already. */
  readonly again: boolean;
}

/** The files of an import, grouped by their kind, and the paths of the files that are left out. */
export interface OpenedFiles {
  readonly transcripts: readonly SourceFile[];
  readonly records: readonly SourceFile[];
  readonly skipped: readonly string[];
}

/**
 * Opens the files that the paths name.
 *
 * @throws {CommandError} If no file can be imported, the format of a named file is unclear, or an option does not fit
 *   the format of a file.
 */
export async function openFiles(options: FilesOptions, spool?: Spool): Promise<OpenedFiles> {
  const { format } = options;
  const files: SourceFile[] = [];
  const skipped: string[] = [];
  for (const { name, isFound } of await importPaths(options.paths)) {
    const file = isFound
      ? await openFound(name, options)
      : await SourceFile.open(name, options, { spool });
    if (file !== null) files.push(file);
    else if (isFound) skipped.push(name);
    else throw unclearFormat(name);
  }
  if (files.length === 0) {
    const what = format === undefined ? "a known format" : `the format ${format}`;
    throw new CommandError(
      `Cannot import ${options.paths.join(", ")}: no file has ${what}`,
      1,
      skipped.slice(0, SKIPPED_SHOWN),
    );
  }
  const transcripts = files.filter((file) => isTranscript(file.format));
  for (const { name, format } of transcripts) checkOptions(options, { name, format });
  return { transcripts, records: files.filter((file) => !isTranscript(file.format)), skipped };
}

/**
 * Opens a file that was found in a directory, which may also have files in other formats. Resolves with null if its
 * format is not clear, or is not the one of `--format`.
 */
async function openFound(name: string, options: FilesOptions): Promise<SourceFile | null> {
  const { format } = options;
  const isPlain = format === "jsonl" || format === "csv";
  const formatBy = isPlain ? "name" : mappingOption(options) === undefined ? "content" : "both";
  const file = await SourceFile.open(name, { ...options, format: undefined }, { formatBy });
  return format === undefined || file?.format === format ? file : null;
}

/**
 * Checks that the options do not map fields or select records if a file is a transcript.
 *
 * @throws {CommandError} If an option works only with JSONL and CSV.
 */
function checkOptions(
  options: FilesOptions,
  { name, format }: { readonly name: string; readonly format: string },
): void {
  const option = options.again ? "--again" : mappingOption(options);
  if (option === undefined) return;
  const advice = options.format === undefined
    ? "; add --format jsonl if the file is not a transcript"
    : "";
  throw new CommandError(
    `Cannot import ${name}: ${option} works only with JSONL and CSV, but the format is ${format}${advice}`,
    2,
  );
}

/** Returns the name of an option that only JSONL and CSV have, if it is set. */
function mappingOption(options: FilesOptions): string | undefined {
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

/** Reports the files of a directory that were left out. With `--dry-run`, lists the first ones. */
export function tellSkipped(
  skipped: readonly string[],
  { format, dryRun }: { readonly format: string | undefined; readonly dryRun: boolean },
): void {
  if (skipped.length === 0) return;
  const more = skipped.length - SKIPPED_SHOWN;
  const what = counted(skipped.length, "file");
  const reason = format === undefined
    ? "whose content shows no format"
    : `not in the format ${format}`;
  const names = [
    ...skipped.slice(0, SKIPPED_SHOWN),
    ...more > 0 ? [`and ${shownNumber(more)} more`] : [],
  ];
  tell(`left out ${what} ${reason}`, dryRun ? names : []);
}

/**
 * Checks that no source file is part of the target log, because importing such a file would duplicate its events.
 *
 * @throws {CommandError} If a source file is part of the log.
 */
export function refuseOwnFiles(path: string, files: readonly SourceFile[]): void {
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
