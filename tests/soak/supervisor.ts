/**
 * Keeps several writers running on one log. Kills and stops them at times that a seed determines, and starts new
 * writers.
 *
 * @module
 */
import { SeededRandom } from "../seeded_random.ts";
import { type Fate, type Moment, nextFate } from "./fate.ts";
import { type Account, SoakWriter } from "./writer.ts";

/** Options of a {@linkcode Supervisor}. */
export interface SoakOptions {
  /** Directory of the log. It must not contain a log yet. */
  directory: string;
  path: string;
  seed: number;
  /** Number of writers that run at the same time. */
  writers: number;
  /** Size in bytes at which a writer rotates. A small size makes the writers rotate all the time. */
  rotationSizeBytes: number;
  /** Is true if the lines form a hash chain. */
  chain: boolean;
  /** The soak ends at a kill, once at least this number of kills was made and the log has an archive. */
  killsMax: number;
  /** Ends the soak when aborted. */
  signal: AbortSignal;
}

/** The counts of a soak test so far, and an {@linkcode Account} of each writer. */
export interface Played {
  kills: number;
  stops: number;
  /** Number of kills after which half a line was left behind. */
  tears: number;
  acknowledged: number;
  accounts: Account[];
}

const HALF_LINE = '{"ts":"2026-02-13T14:30:22.123Z","event":"na';

/** Starts, stops and kills the writers of one soak test. */
export class Supervisor {
  readonly played: Played = { kills: 0, stops: 0, tears: 0, acknowledged: 0, accounts: [] };
  readonly #options: SoakOptions;
  readonly #ending = new AbortController();
  readonly #whenEnding: Promise<void>;

  /** Creates a supervisor. Starts no writer yet. */
  constructor(options: SoakOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEnding = promise;
    AbortSignal.any([options.signal, this.#ending.signal])
      .addEventListener("abort", () => resolve(), { once: true });
  }

  /** Runs writers until enough kills or the abort of the signal. Resolves when all writers have ended. */
  async run(): Promise<Played> {
    const places = Array.from({ length: this.#options.writers }, (_, place) => this.#fill(place));
    await Promise.all(places);
    return this.played;
  }

  /** Runs one writer after the other until the soak test ends. There is always one running writer for each place. */
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

  /** Stops and kills the writer at the drawn times, or asks it to end. Resolves with `true` if it was killed. */
  async #live(writer: SoakWriter, { stop, kill }: Fate): Promise<boolean> {
    if (stop !== undefined && await this.#comes(writer, stop)) {
      this.played.stops++;
      writer.signal("SIGSTOP");
      await this.#pause(stop.stoppedMs);
      // A writer that is killed while it is stopped cannot release the lock itself, so the system must release it.
      if (kill.delayMs % 2 === 1) return this.#kill(writer);
      writer.signal("SIGCONT");
    }
    if (await this.#comes(writer, kill)) return this.#kill(writer);
    await writer.tellToEnd();
    return false;
  }

  /** Leaves half a line in the active file, as a kill during a write would. Such a kill is too rare to wait for. */
  async #tear(): Promise<void> {
    const { path } = this.#options;
    try {
      using lock = Deno.openSync(`${path}.lock`, { read: true, write: true });
      await lock.lock(true);
      if (!Deno.readTextFileSync(path).endsWith("\n")) return;
      Deno.writeTextFileSync(path, HALF_LINE, { append: true, create: false });
      this.played.tears++;
    } catch (error) {
      // The active file does not exist: no writer has created it yet, or a writer has just rotated it.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits for the moment in the run of the writer. Resolves with `false` if the soak test ends first. */
  async #comes(writer: SoakWriter, { milestone, count, delayMs }: Moment): Promise<boolean> {
    await Promise.race([writer.reached(milestone, count), this.#whenEnding]);
    if (!this.#isEnding) await this.#pause(delayMs);
    return !this.#isEnding;
  }

  #kill(writer: SoakWriter): true {
    writer.kill();
    this.played.kills++;
    // All kills may happen before the first rotation. So the soak test ends only after the log has an archive.
    if (this.played.kills >= this.#options.killsMax && this.#hasArchive()) this.#ending.abort();
    return true;
  }

  #hasArchive(): boolean {
    return Array.from(Deno.readDirSync(this.#options.directory)).some(({ name }) =>
      name.endsWith(".jsonl.gz")
    );
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted || this.#options.signal.aborted;
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}
