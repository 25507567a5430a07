/**
 * Keeps writers running on one log, kills and stops them as the seed says, and starts new ones.
 *
 * @module
 */
import { SeededRandom } from "../seeded_random.ts";
import { type Fate, type Moment, nextFate } from "./fate.ts";
import { type Account, SoakWriter } from "./writer.ts";

/** What to play. */
export interface SoakOptions {
  /** Directory of the log, which has no log yet. */
  directory: string;
  path: string;
  seed: number;
  /** How many writers run at once. */
  writers: number;
  /** Size of a segment; small, so that rotation never rests. */
  rotationSizeBytes: number;
  /** Whether the lines are in a chain. */
  chain: boolean;
  /** How many kills there are at most. */
  killsMax: number;
  /** Ends the soak. */
  signal: AbortSignal;
}

/** What has been played so far. */
export interface Played {
  kills: number;
  stops: number;
  /** How many kills left half a line. */
  tears: number;
  acknowledged: number;
  accounts: Account[];
}

const HALF_LINE = '{"ts":"2026-02-13T14:30:22.123Z","event":"na';

/** The writers of one soak. */
export class Supervisor {
  readonly played: Played = { kills: 0, stops: 0, tears: 0, acknowledged: 0, accounts: [] };
  readonly #options: SoakOptions;
  readonly #ending = new AbortController();
  readonly #whenEnding: Promise<void>;

  /** Starts nothing yet. */
  constructor(options: SoakOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEnding = promise;
    AbortSignal.any([options.signal, this.#ending.signal])
      .addEventListener("abort", () => resolve(), { once: true });
  }

  /** Plays until there were `killsMax` kills or the signal comes; then every writer has ended. */
  async run(): Promise<Played> {
    const places = Array.from({ length: this.#options.writers }, (_, place) => this.#fill(place));
    await Promise.all(places);
    return this.played;
  }

  /** Has one writer run after the other. */
  async #fill(place: number): Promise<void> {
    const seed = `${this.#options.seed} place ${place}`;
    const random = new SeededRandom(seed);
    for (let life = 0; !this.#isEnding; life++) {
      const writer = new SoakWriter({
        ...this.#options,
        by: `${place}.${life}`,
        seed: `${seed} life ${life}`,
        onAcknowledged: () => this.played.acknowledged++,
      });
      this.played.accounts.push(writer.account);
      const fate = nextFate(random);
      const wasKilled = await this.#live(writer, fate);
      await writer.ended;
      if (wasKilled && fate.tears) await this.#tear();
    }
  }

  /** Tells whether it was killed. */
  async #live(writer: SoakWriter, { stop, kill }: Fate): Promise<boolean> {
    if (stop !== undefined && await this.#comes(writer, stop)) {
      this.played.stops++;
      writer.signal("SIGSTOP");
      await this.#pause(stop.stoppedMs);
      // Whoever dies while it is stopped never gives the lock back by itself.
      if (kill.delayMs % 2 === 1) return this.#kill(writer);
      writer.signal("SIGCONT");
    }
    if (await this.#comes(writer, kill)) return this.#kill(writer);
    await writer.tellToEnd();
    return false;
  }

  /** Leaves half a line in the active file: a kill within a write is too rare to wait for. */
  async #tear(): Promise<void> {
    const { path } = this.#options;
    try {
      using lock = Deno.openSync(`${path}.lock`, { read: true, write: true });
      await lock.lock(true);
      if (!Deno.readTextFileSync(path).endsWith("\n")) return;
      Deno.writeTextFileSync(path, HALF_LINE, { append: true, create: false });
      this.played.tears++;
    } catch (error) {
      // Nobody has made it yet, or somebody has just sealed it.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits for the moment; false when the soak ends first. */
  async #comes(writer: SoakWriter, { milestone, count, delayMs }: Moment): Promise<boolean> {
    await Promise.race([writer.reached(milestone, count), this.#whenEnding]);
    if (!this.#isEnding) await this.#pause(delayMs);
    return !this.#isEnding;
  }

  #kill(writer: SoakWriter): true {
    writer.kill();
    if (++this.played.kills >= this.#options.killsMax) this.#ending.abort();
    return true;
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted || this.#options.signal.aborted;
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}
