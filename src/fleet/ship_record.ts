/**
 * Records the newest archive of a log that a fleet has received. So retention can keep an archive until the fleet has
 * received it.
 *
 * @module
 */
import { messageOf, pathFlag } from "../errors.ts";
import type { Clock } from "../platform/clock.ts";
import { mayWrite } from "../platform/regular_file.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import {
  isSameFleet,
  readShipped,
  type Received,
  type ReceivingFleet,
  recordReceived,
} from "../segments/shipped_file.ts";

/** Milliseconds after which `audit.shipped.jsonl` is read again, because another program may have changed it. */
const LOOK_EVERY_MS = 1_000;

/** Options of {@linkcode ShipRecord}. */
export interface ShipRecordOptions {
  readonly log: LogDirectory;
  readonly fleet: ReceivingFleet;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Records in `audit.shipped.jsonl` which archives the fleet of one shipper has received. */
export class ShipRecord {
  readonly #options: ShipRecordOptions;
  /** The newest received archive when `audit.shipped.jsonl` was last read; undefined before the first read. */
  #archive: string | null | undefined;
  #lookedMs = -Infinity;

  /** Creates the record without accessing the disk. */
  constructor(options: ShipRecordOptions) {
    this.#options = options;
  }

  /**
   * Records the newest archive that the fleet has received in `audit.shipped.jsonl`. Does nothing if the file does not
   * exist or already states the archive. Never rejects: if the file cannot be written, logs a warning.
   */
  async update({ archive, position }: Pick<Received, "archive" | "position">): Promise<void> {
    const { log, fleet, clock, signal } = this.#options;
    const nowMs = clock.monotonicMs();
    if (archive === this.#archive && nowMs < this.#lookedMs + LOOK_EVERY_MS) return;
    this.#archive = archive;
    this.#lookedMs = nowMs;
    const lines = readShipped(log);
    if (lines === null) return;
    const stated = lines.fleets.find((each) => isSameFleet(each, fleet));
    if (stated?.archive === archive) return;
    const { directory, shipped } = log.files;
    if (!mayWrite(directory)) {
      log.warnOnce(
        `Cannot record which archives are shipped, so retention keeps them until a limit of untilShipped is exceeded; run again with ${
          pathFlag("write", directory)
        }: ${shipped}`,
      );
      return;
    }
    try {
      const own = { ...fleet, archive, position, ts: new Date().toISOString() };
      await recordReceived(log, own, { clock, signal });
    } catch (error) {
      log.warnOnce(
        `Cannot record which archives are shipped, so retention keeps them until a limit of untilShipped is exceeded: ${
          messageOf(error)
        }: ${shipped}`,
      );
    }
  }
}
