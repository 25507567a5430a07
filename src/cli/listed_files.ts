/**
 * Lists the files of a log with their manifest lines. The manifest line of an archive has figures about its events. So
 * a command need not read an archive if the figures are enough.
 *
 * @module
 */
import { systemClock } from "../platform/clock.ts";
import { type AuditReader, manifestOf } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import type { DamageReport } from "../read/damage.ts";
import { LineTest } from "../read/line_test.ts";
import { lineOf, linesOf } from "../read/manifest_lines.ts";
import { eventsOf } from "../read/read_file.ts";
import { type SnapshotFile, takeSnapshot } from "../read/snapshot.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { statusLogger } from "./messages.ts";

/** A file of a log, with the line about it in the manifest and a way to read its events. */
export interface ListedFile {
  readonly file: SnapshotFile;
  /**
   * The manifest line of the file; undefined if the file is not an archive, or if the manifest has no usable line about
   * it.
   */
  readonly line: ArchiveLine | undefined;
  /**
   * Reads the events of the file in batches, oldest first. If `lineTest` is set, skips the lines that do not pass the
   * test. The events must be read before {@linkcode listedFiles} yields the next file, because it closes all files at
   * its end.
   */
  readonly events: (damage: DamageReport, lineTest?: LineTest) => AsyncGenerator<AuditEvent[]>;
}

/** Yields the files of a reader's log, oldest first. All files are from one snapshot. */
export function* listedFiles(reader: AuditReader): Generator<ListedFile> {
  const log = new LogDirectory(denoFileSystem, reader.path);
  using snapshot = takeSnapshot(log);
  const lines = linesOf(manifestOf(reader), statusLogger);
  for (const file of snapshot.files) {
    const events = (damage: DamageReport, lineTest = new LineTest({})) =>
      eventsOf(file, {
        log,
        clock: systemClock,
        maxLineBytes: MAX_LINE_BYTES,
        damage,
        lineTest,
        order: "asc",
        signal: undefined,
      });
    yield { file, line: lineOf(file, lines), events };
  }
}
