/**
 * The spend of a fleet (many machines that ship their logs into one NATS stream), updated with each shipped block so
 * that a guard can stop the fleet in time.
 *
 * A block is a range of bytes of a log that was shipped. Its headers state its cost and the times of its first and last
 * event. Costs are summed by second, so a block whose events are within one second is counted by its headers alone. The
 * block itself is fetched if its events span more time, for example because its shipper lagged, or if its lines overlap
 * with other blocks.
 *
 * @module
 */
import { callback, checkOptions, number, type OptionChecks } from "../options/option_checks.ts";
import { LineTest } from "../read/line_test.ts";
import { costOf, spendWindow } from "../cost/spend.ts";
import { contentOf } from "./block.ts";
import { blockEvents } from "./block_events.ts";
import type { BlockFigures } from "./block_figures.ts";
import type { FleetFollowConnection } from "./connection.ts";
import { CostSlots } from "./cost_slots.ts";
import { type FleetGap, LogsProgress } from "./log_progress.ts";
import {
  answered,
  CLOCK_MARGIN_MS,
  PLACE_OPTION_CHECKS,
  readingOf,
  storedBlockFrom,
} from "./stored_blocks.ts";
import { type FactsReading, type StoredFacts, storedFacts } from "./stored_facts.ts";

/** Options of {@linkcode fleetSpend}. */
export interface FleetSpendOptions {
  /** Connection to the server. {@linkcode FleetSpend.close} does not close the connection. */
  connection: FleetFollowConnection;
  /** Name of the fleet: 1 to 64 letters, digits, "-" and "_". */
  fleet: string;
  /**
   * Name of the only log to follow: 1 to 64 letters, digits, "-" and "_". If it is not set, all logs are followed.
   *
   * @default {undefined}
   */
  log?: string;
  /**
   * Name of the NATS stream of the fleet: 1 to 64 letters, digits, "-" and "_".
   *
   * @default {"AUDIT"}
   */
  stream?: string;
  /**
   * Number of past hours whose costs {@linkcode FleetSpend.usd} can sum, a number > 0. Older costs are dropped.
   *
   * @default {24}
   */
  maxHours?: number;
  /**
   * Clock that returns epoch milliseconds.
   *
   * @default {Date.now}
   */
  now?: () => number;
  /**
   * Function that is called each time the spend has grown, and once if following has failed. If the function
   * throws, following fails.
   *
   * @default {undefined}
   */
  onChange?: (spend: FleetSpend) => void;
}

/** The spend of a fleet, which is updated until `close()` is called. */
export interface FleetSpend extends AsyncDisposable {
  /**
   * Returns the cost of the events of the last hours. Only events that were shipped to the stream count.
   *
   * The result is never too low, but it can be slightly too high: an event may count up to two seconds longer than
   * `hours`. An event from a machine whose clock is up to 15 minutes ahead counts at once.
   *
   * @param hours Length of the window in hours, at most `maxHours`; by default 1.
   * @returns The sum in USD.
   * @throws {TypeError} If `hours` is not a number.
   * @throws {RangeError} If `hours` is NaN or more than `maxHours`.
   * @throws {Error} If the spend was closed or following has failed, because the sum would be out of date.
   */
  usd(hours?: number): number;
  /**
   * The gaps that were found so far: ranges of bytes of logs that are missing in the stream. Their costs are not
   * counted.
   */
  readonly gaps: readonly FleetGap[];
  /**
   * Milliseconds since the server last responded, usually at most 1,000. If the server does not respond, the spend is
   * out of date, and no error is thrown. So a guard has to compare this number with a limit of its own.
   */
  readonly silentMs: number;
  /**
   * Stops following the spend of the fleet. The connection stays open.
   *
   * @returns A promise that resolves when following has stopped.
   */
  close(): Promise<void>;
}

const HOURS_MAX = 24;
const HOUR_MS = 3_600_000;
/**
 * Time span in milliseconds. If all events of a block are within this span, the block is counted by its headers alone,
 * without fetching its lines.
 */
const CLOSE_MS = 1_000;
const FORGET_EVERY_MS = 60_000;

/**
 * Follows the spend of a fleet, mostly by the headers of the blocks that its machines ship.
 *
 * If the server stops responding after the start, following waits for the server without an error. A guard that must
 * not let the fleet overspend also has to check `silentMs`.
 *
 * Needs `--allow-net` for the connection.
 *
 * @param options The fleet, and the function to call after each change.
 * @returns The spend. The promise resolves when every block that was in the stream is counted.
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
 * @throws {RangeError} If an option is out of its range or a name is invalid; the message names the option.
 * @throws {FleetServerError} If the stream does not exist.
 * @throws {FleetTimeoutError} If the server does not respond for a minute at the start.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@nats-io/transport-node";
 * import { fleetSpend } from "@vivarium/scout/fleet";
 *
 * const controller = new AbortController();
 * const connection = await connect({ servers: "127.0.0.1:4222" });
 * await using spend = await fleetSpend({
 *   connection,
 *   fleet: "mine",
 *   onChange(spend) {
 *     if (spend.usd(1) > 5) controller.abort(new Error("the budget is spent"));
 *   },
 * });
 * console.log(spend.usd(24), "USD in the last day");
 * ```
 */
export async function fleetSpend(options: FleetSpendOptions): Promise<FleetSpend> {
  const following = new Following(options);
  await following.isReady;
  return following;
}

const OPTION_CHECKS: OptionChecks<FleetSpendOptions> = {
  ...PLACE_OPTION_CHECKS,
  maxHours: number(0, { unit: "hours", orEqual: false }),
  now: callback,
  onChange: callback,
};

class Following implements FleetSpend {
  readonly gaps: FleetGap[] = [];
  readonly isReady: Promise<void>;
  readonly #now: () => number;
  readonly #maxHours: number;
  readonly #onChange: ((spend: FleetSpend) => void) | undefined;
  readonly #reading: FactsReading;
  readonly #logs: LogsProgress;
  readonly #slots = new CostSlots();
  readonly #lineTest = new LineTest({ strings: [["cost"]] });
  readonly #ending = new AbortController();
  readonly #finished: Promise<void>;
  #heardMs: number;
  #forgottenMs: number;
  #failure: unknown;

  constructor(options: FleetSpendOptions) {
    checkOptions(options, OPTION_CHECKS, "follow the spend of a fleet");
    const { connection, maxHours = HOURS_MAX, now = Date.now } = options;
    this.#now = now;
    this.#maxHours = maxHours;
    this.#onChange = options.onChange;
    const asked = { ...options, since: this.#sinceMs, signal: this.#ending.signal };
    // After the first response, the reader waits for the server without a time limit, because the server may come back.
    const reading = readingOf(asked, { follow: true, patienceMs: Infinity });
    this.#reading = { ...reading, connection };
    this.#logs = new LogsProgress((gap) => this.gaps.push(gap), { isFromStart: false });
    this.#heardMs = this.#forgottenMs = this.#reading.clock.monotonicMs();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.isReady = promise;
    this.#finished = this.#follow(resolve).catch((error) => {
      if (this.#ending.signal.aborted) return;
      this.#failure = error;
      reject(error);
      this.#onChange?.(this);
    });
  }

  usd(hours = 1): number {
    if (this.#ending.signal.aborted) throw new Error("Cannot read spend: the FleetSpend is closed");
    if (this.#failure !== undefined) {
      throw new Error("Cannot read spend: following the fleet has failed", {
        cause: this.#failure,
      });
    }
    if (hours > this.#maxHours) {
      throw new RangeError(
        `Cannot read spend: hours must be at most maxHours (${this.#maxHours}), got ${hours}`,
      );
    }
    const window = spendWindow({ hours, now: this.#now });
    if (window === null) return 0;
    return this.#slots.sumOf(window.sinceMs, window.untilMs + CLOCK_MARGIN_MS);
  }

  get silentMs(): number {
    return this.#reading.clock.monotonicMs() - this.#heardMs;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #follow(onCaughtUp: () => void): Promise<void> {
    const { clock } = this.#reading;
    for await (const stored of storedFacts(this.#reading)) {
      this.#heardMs = clock.monotonicMs();
      if (stored === null) onCaughtUp();
      else if (await this.#count(stored)) this.#onChange?.(this);
      if (this.#heardMs - this.#forgottenMs > FORGET_EVERY_MS) {
        this.#forgottenMs = this.#heardMs;
        this.#slots.forgetBefore(this.#sinceMs);
      }
    }
  }

  /** Counts the costs of a block. Resolves with `true` if the sums may have changed. */
  async #count(stored: StoredFacts): Promise<boolean> {
    const { log, facts } = stored;
    const progress = this.#logs.of(log, facts);
    if (progress.hasSeen(facts)) return false;
    if (progress.isAddedWholly(facts) && this.#isPlain(facts.figures!)) {
      progress.pass(facts);
      const { lastMs, usd } = facts.figures!;
      if (usd === null) return false;
      this.#add(lastMs, usd);
      return true;
    }
    const lines = progress.take(facts, await this.#bytesOf(stored));
    if (lines === null) return false;
    const parsing = { lineTest: this.#lineTest, onDamage() {} };
    for (const batch of blockEvents(lines.bytes, parsing)) {
      for (const event of batch) {
        const cost = costOf(event);
        if (cost !== null) this.#add(cost.epochMs, cost.usd);
      }
    }
    return true;
  }

  /**
   * Checks whether the headers of a block suffice to count its costs. They suffice if the block has no cost, or if its
   * events are within one second or older than the window.
   */
  #isPlain({ firstMs, lastMs, usd }: BlockFigures): boolean {
    return usd === null || lastMs - firstMs < CLOSE_MS || lastMs < this.#sinceMs;
  }

  /** Adds a cost, unless its time is outside the window that `usd()` can sum. */
  #add(epochMs: number, usd: number): void {
    const untilMs = this.#now() + this.#maxHours * HOUR_MS;
    if (epochMs >= this.#sinceMs && epochMs <= untilMs) this.#slots.add(epochMs, usd);
  }

  get #sinceMs(): number {
    return this.#now() - this.#maxHours * HOUR_MS;
  }

  /**
   * Fetches the bytes of a block from the stream. Resolves with null if the block was deleted or its bytes do not match
   * its headers.
   */
  async #bytesOf({ seq, facts }: StoredFacts): Promise<Uint8Array | null> {
    const { place, subject } = this.#reading;
    const block = await answered(this.#reading, () => storedBlockFrom(place, { seq, subject }));
    if (block === null || block.seq !== seq || !("data" in block)) return null;
    return await contentOf(block.data, facts);
  }
}
