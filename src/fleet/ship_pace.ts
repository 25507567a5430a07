/**
 * How much is sent at a time, and how long is waited when it cannot be.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { Clock } from "../platform/clock.ts";
import { delay } from "./delay.ts";

const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 30_000;
/** A server that is away may be back at any moment; one that is full, when somebody has seen to it. */
const AWAY_BACKOFF_MAX_MS = 2_000;
/** Blocks become smaller, down to this, where none is answered in time, and longer again by as much. */
const SLOW_BLOCK_BYTES = 32 * 1024;

/** What a {@linkcode ShipPace} is made of. */
export interface ShipPaceOptions {
  readonly blockBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** What is shipped, for who is told that it waits. */
  readonly subject: string;
}

/** The pace of one shipper. */
export class ShipPace {
  readonly #options: ShipPaceOptions;
  #blockBytes: number;
  #backoffMs = BACKOFF_MIN_MS;

  /** As fast as it goes, until it does not. */
  constructor(options: ShipPaceOptions) {
    this.#options = options;
    this.#blockBytes = options.blockBytesMax;
  }

  /** How many bytes of the log the next block may have. */
  get blockBytes(): number {
    return this.#blockBytes;
  }

  /** A block was stored. */
  goOn(): void {
    this.#backoffMs = BACKOFF_MIN_MS;
    this.#blockBytes = Math.min(this.#blockBytes + SLOW_BLOCK_BYTES, this.#options.blockBytesMax);
  }

  /** What a slow line does not carry in time would be sent again and again. */
  slowDown(): void {
    const slowest = Math.min(SLOW_BLOCK_BYTES, this.#options.blockBytesMax);
    this.#blockBytes = Math.max(Math.floor(this.#blockBytes / 2), slowest);
  }

  /** Waits until there may be room. */
  waitForRoom(why: string): Promise<void> {
    return this.#backOff(why, BACKOFF_MAX_MS);
  }

  /** Waits until there may be an answer. */
  waitForServer(why: string): Promise<void> {
    return this.#backOff(why, AWAY_BACKOFF_MAX_MS);
  }

  /** Waits longer each time, and says once why. */
  async #backOff(why: string, maxMs: number): Promise<void> {
    const { clock, logger, signal, subject } = this.#options;
    if (this.#backoffMs === BACKOFF_MIN_MS) {
      logger.warn(`Shipping waits for the server, as ${why}: ${subject}`);
    }
    await delay(Math.min(this.#backoffMs, maxMs), clock, signal);
    this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MAX_MS);
  }
}
