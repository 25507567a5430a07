/**
 * The log that a reader reads, and its settings.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { Logger } from "../logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";

/** A log, and the settings for reading its lines. */
export interface LineSource {
  readonly log: LogDirectory;
  /** Maximum length of a line in bytes, line break included. A longer line is reported as damage. */
  readonly maxLineBytes: number;
  readonly logger: Logger;
  /**
   * The clock that divides long work into steps. Between two steps, the reader waits for a turn of the event loop, so
   * that other tasks can run.
   */
  readonly clock: Clock;
  /**
   * The reader of the manifest, which caches the lines of the manifest. Without `manifest`, a new reader with an empty
   * cache is created.
   */
  readonly manifest?: ManifestReader;
  /** Receives the text of the line of each event. Without `texts`, the texts are dropped. */
  readonly texts?: LineTexts | undefined;
  /** Receives the archives that are used. Without `archives`, they are not collected. */
  readonly archives?: UsedArchives | undefined;
}

/** The archives that a reader has used so far, by their paths. */
export interface UsedArchives {
  /** The archives of which only the stored sums were used. */
  readonly summed: Set<string>;
  /** The archives that were decoded, because their stored sums were missing or did not answer a question. */
  readonly decoded: Set<string>;
}

/**
 * The text of each event's line, as it is in the file. A parsed event may differ from its text, because JSON.parse()
 * rounds integers of more than 53 bits.
 */
export type LineTexts = WeakMap<AuditEvent, string>;
