/**
 * Decides how many bytes of the log a shipper sends at a time, and how long it waits before a retry when it cannot
 * send.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { Clock } from "../platform/clock.ts";
import { delay } from "./delay.ts";

const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 30_000;
/**
 * Maximum back-off in milliseconds while the server is unreachable. It is short, because the server may respond again
 * soon.
 */
const AWAY_BACKOFF_MAX_MS = 2_000;
/** Minimum block size on a slow connection, and the step by which blocks grow again, in bytes. */
const SLOW_BLOCK_BYTES = 32 * 1024;

/** Options of {@linkcode ShipPace}. */
export interface ShipPaceOptions {
  readonly blockBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** NATS subject of the log, which the warning about an interruption names. */
  readonly subject: string;
}

/** The block size of one shipper, and its back-off (the time that it waits before a retry). */
export class ShipPace {
  readonly #options: ShipPaceOptions;
  #blockBytes: number;
  #backoffMs = BACKOFF_MIN_MS;

  /** Starts with blocks of the maximum size, and with the shortest back-off. */
  constructor(options: ShipPaceOptions) {
    this.#options = options;
    this.#blockBytes = options.blockBytesMax;
  }

  /** Maximum number of bytes of the log in the next block. */
  get blockBytes(): number {
    return this.#blockBytes;
  }

  /** Resets the back-off and enlarges the next blocks. Called after a block was stored. */
  goOn(): void {
    this.#backoffMs = BACKOFF_MIN_MS;
    this.#blockBytes = Math.min(this.#blockBytes + SLOW_BLOCK_BYTES, this.#options.blockBytesMax);
  }

  /**
   * Halves the size of the next blocks. Called after a block timed out, because each retry of a large block would time
   * out again on a slow connection.
   */
  slowDown(): void {
    const slowest = Math.min(SLOW_BLOCK_BYTES, this.#options.blockBytesMax);
    this.#blockBytes = Math.max(Math.floor(this.#blockBytes / 2), slowest);
  }

  /** Waits before the next attempt if the stream is full. */
  waitForRoom(why: string): Promise<void> {
    return this.#backOff(why, BACKOFF_MAX_MS);
  }

  /** Waits before the next attempt if the server does not respond or is still storing a block. */
  waitForServer(why: string): Promise<void> {
    return this.#backOff(why, AWAY_BACKOFF_MAX_MS);
  }

  /**
   * Waits before a retry, twice as long each time. Logs the reason only before the first wait, so that a long
   * interruption logs one warning.
   */
  async #backOff(why: string, maxMs: number): Promise<void> {
    const { clock, logger, signal, subject } = this.#options;
    if (this.#backoffMs === BACKOFF_MIN_MS) {
      logger.warn(`Shipping is interrupted and will be retried: ${why}: ${subject}`);
    }
    await delay(Math.min(this.#backoffMs, maxMs), clock, signal);
    this.#backoffMs = Math.min(2 * this.#backoffMs, BACKOFF_MAX_MS);
  }
}
