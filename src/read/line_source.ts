/**
 * The log that a reader reads, and its settings.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";

/** A log, and the settings for reading its lines. */
export interface LineSource {
  readonly log: LogDirectory;
  /** Maximum length of a line in bytes, line break included. A longer line is reported as damage. */
  readonly maxLineBytes: number;
  readonly logger: Logger;
  /**
   * The reader of the manifest, which caches the lines of the manifest. Without `manifest`, a new reader is created.
   */
  readonly manifest?: ManifestReader;
}
