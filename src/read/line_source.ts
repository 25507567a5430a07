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
  /** Gives the turns of the event loop between the steps of long work. */
  readonly clock: Clock;
  /**
   * The reader of the manifest, which caches the lines of the manifest. Without `manifest`, a new reader is created.
   */
  readonly manifest?: ManifestReader;
  /** Receives the text of the line of each event. Without `texts`, the texts are dropped. */
  readonly texts?: LineTexts | undefined;
}

/** The lines of events as they are stored. A parsed event may differ: it has no number of more than 53 bits. */
export type LineTexts = WeakMap<AuditEvent, string>;
