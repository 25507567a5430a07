/**
 * What a fleet spends, known at any moment to who has to stop it.
 *
 * The cost of a block is in its headers, with the times between which its events were, and costs are kept
 * by the second. So a block whose events are of one second is not looked at; one of a shipper that was
 * behind, which is of many, is fetched, and so is one that a reader of events would cut or join.
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

/** Whose spend to follow. */
export interface FleetSpendOptions {
  /** The connection to the server; it is not closed. */
  connection: FleetFollowConnection;
  /** Name of the fleet. */
  fleet: string;
  /** Of this log alone. */
  log?: string;
  /** Name of the stream; default "AUDIT". */
  stream?: string;
  /** Hours that will be asked for at most; default 24. */
  maxHours?: number;
  /** The time, epoch milliseconds; default `Date.now`. */
  now?: () => number;
  /** Told whenever more was spent, or following has failed, as it does with what this throws. */
  onChange?: (spend: FleetSpend) => void;
}

/** What a fleet spends, followed until it is closed. */
export interface FleetSpend extends AsyncDisposable {
  /**
   * What the events of the last `hours` hours (default 1) cost, USD, as far as they are in the stream.
   *
   * It is never less than that: an event counts up to two seconds longer than it should, and one of a
   * machine whose clock is ahead, by a quarter of an hour at most, counts at once.
   *
   * @throws {RangeError} when `hours` is no number, or more than `maxHours`.
   * @throws {Error} when following has failed, as what is known grows old then, or was closed.
   */
  usd(hours?: number): number;
  /** What is missing of what was looked at. */
  readonly gaps: readonly FleetGap[];
  /** Milliseconds since the server was last heard of, as a rule a second at most; it is waited for. */
  readonly silentMs: number;
  /** Ends it. */
  close(): Promise<void>;
}

const HOURS_MAX = 24;
const HOUR_MS = 3_600_000;
/** Costs are kept by the second, so what was spent within one needs no closer look. */
const CLOSE_MS = 1_000;
const FORGET_EVERY_MS = 60_000;

/**
 * Follows what a fleet spends, by the headers of what its machines ship; resolves when all that was there is
 * counted. A server that is away later is waited for: who must not overspend looks at `silentMs` too.
 *
 * Needs `--allow-net` for the connection.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option that is none, naming it.
 * @throws {FleetServerError} for a stream that is not there.
 * @throws {FleetTimeoutError} for a server that does not answer for a minute.
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
    // It is waited for a server as long as it takes.
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
    if (this.#ending.signal.aborted) throw new Error("Cannot tell spend: it was closed");
    if (this.#failure !== undefined) {
      throw new Error("Cannot tell spend: following it has failed", { cause: this.#failure });
    }
    if (hours > this.#maxHours) {
      throw new RangeError(
        `Cannot tell spend: hours must be at most maxHours (${this.#maxHours}), got ${hours}`,
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

  /** Counts a block; tells whether it has cost anything. */
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

  /** Whether it does not matter when exactly its events were. */
  #isPlain({ firstMs, lastMs, usd }: BlockFigures): boolean {
    return usd === null || lastMs - firstMs < CLOSE_MS || lastMs < this.#sinceMs;
  }

  /** A time that nobody will ask for is not kept. */
  #add(epochMs: number, usd: number): void {
    const untilMs = this.#now() + this.#maxHours * HOUR_MS;
    if (epochMs >= this.#sinceMs && epochMs <= untilMs) this.#slots.add(epochMs, usd);
  }

  get #sinceMs(): number {
    return this.#now() - this.#maxHours * HOUR_MS;
  }

  /** The bytes of a block; null for one that is gone, or not what its headers say. */
  async #bytesOf({ seq, facts }: StoredFacts): Promise<Uint8Array | null> {
    const { place, subject } = this.#reading;
    const block = await answered(this.#reading, () => storedBlockFrom(place, { seq, subject }));
    if (block === null || block.seq !== seq || !("data" in block)) return null;
    return await contentOf(block.data, facts);
  }
}
