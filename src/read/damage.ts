/**
 * The regions of a log that could not be read.
 *
 * @module
 */
import type { Logger } from "../logger.ts";

/** A region of a file of the log that could not be read. */
export interface Damage {
  /** The path of the file. */
  readonly path: string;
  /** Offset of the first byte of the region. In an archive, the offset counts decompressed bytes. */
  readonly byteOffset: number;
  /** The length of the region in bytes. If it is 0, the whole remainder of the file could not be read. */
  readonly byteLength: number;
  /** The reason why the region could not be read, such as `"not JSON"` or `"torn tail"`. */
  readonly reason: string;
}

/** Reports each damaged region once, even if the region is read several times. */
export class DamageReport {
  /** The damaged regions that were found so far. */
  readonly regions: Damage[];
  readonly #logger: Logger;
  readonly #seen = new Set<string>();

  /** Creates a report that appends new regions to `regions`. */
  constructor(logger: Logger, regions: Damage[] = []) {
    this.#logger = logger;
    this.regions = regions;
  }

  /** Adds a region and logs a warning. If the region was added before, does nothing. */
  add(path: string, region: { byteOffset: number; byteLength: number }, reason: string): void {
    const { byteOffset, byteLength } = region;
    const key = `${byteOffset} ${path}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.regions.push({ path, byteOffset, byteLength, reason });
    this.#logger.warn(`Skipped damage in audit log: ${reason}, at byte ${byteOffset}: ${path}`);
  }
}
