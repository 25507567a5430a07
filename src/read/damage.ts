/**
 * What of a log could not be read.
 *
 * @module
 */
import type { Logger } from "../logger.ts";

/** A region of a file that could not be read. */
export interface Damage {
  /** The file. */
  readonly path: string;
  /** Where the region begins; in an archive, counted in what it holds. */
  readonly byteOffset: number;
  /** How long it is; 0 when everything from there on is lost. */
  readonly byteLength: number;
  /** What is wrong with it. */
  readonly reason: string;
}

/** Tells of each damaged region once, however often it is met. */
export class DamageReport {
  /** The regions met so far. */
  readonly regions: Damage[];
  readonly #logger: Logger;
  readonly #seen = new Set<string>();

  /** Has met none yet, and adds them to those that others have met. */
  constructor(logger: Logger, regions: Damage[] = []) {
    this.#logger = logger;
    this.regions = regions;
  }

  /** A region was met. */
  add(path: string, region: { byteOffset: number; byteLength: number }, reason: string): void {
    const { byteOffset, byteLength } = region;
    const key = `${byteOffset} ${path}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.regions.push({ path, byteOffset, byteLength, reason });
    this.#logger.warn(`Skipped damage in audit log: ${reason}, at byte ${byteOffset}: ${path}`);
  }
}
