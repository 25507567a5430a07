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

/** The options of `scout import` that decide which files are read, and how. */
export interface FilesOptions extends SourceOptions, Omit<MappingOptions, "prices"> {
  readonly paths: readonly string[];
}

/** The files of an import, grouped by their kind, and the paths of the files that are left out. */
export interface OpenedFiles {
  readonly transcripts: readonly SourceFile[];
  readonly records: readonly SourceFile[];
  readonly skipped: readonly string[];
}

/** Opens the files that the paths name. */
export async function openFiles(options: FilesOptions, spool?: Spool): Promise<OpenedFiles> {
  const mapped = mappingOption(options);
  const { format } = options;
  if (mapped !== undefined && format !== undefined && format !== "jsonl" && format !== "csv") {
    throw new CommandError(
      `Cannot import: ${mapped} works only with JSONL and CSV, got --format ${format}`,
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

/** Reports the files of a directory that were left out. The first ones are listed, and the others only counted. */
export function tellSkipped(skipped: readonly string[], format: string | undefined): void {
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
