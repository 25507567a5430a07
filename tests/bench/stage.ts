/**
 * Where workloads run: the contenders, the directory, the number of rounds.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import { Contender, type Outcome, type Round } from "./contender.ts";
import { lineCounts } from "./line_counts.ts";

/** Who can be measured: programs of this directory, and peers with dependencies of their own. */
export type ContenderName =
  | "scout"
  | "report"
  | "fleet"
  | "plain"
  | "peers/pino"
  | "peers/pino_roll"
  | "peers/winston"
  | "peers/logtape"
  | "peers/rotating_file_stream"
  | "peers/duckdb";

/** One side of a comparison. */
export interface Side {
  readonly contender: ContenderName;
  readonly workload: string;
  readonly events: number;
  readonly [name: string]: string | number;
}

/** Every log that is written is one of these. */
const LOG_NAME = "audit.jsonl";
const PEERS_CONFIG = fromFileUrl(new URL("./peers/deno.json", import.meta.url));

/** A stage for one run; disposing of it ends the contenders and removes what they wrote. */
export class Stage implements AsyncDisposable {
  readonly rounds: number;
  /** By how much less is done. */
  readonly #scale: number;
  readonly #directory: string;
  readonly #onProgress: (text: string) => void;
  readonly #contenders = new Map<string, Contender>();
  readonly #histories = new Map<number, Promise<History>>();
  #logs = 0;

  /** Sets the stage in a directory of its own, in `parent`. */
  constructor(
    { parent, rounds, scale, onProgress }: {
      parent: string;
      rounds: number;
      scale: number;
      onProgress: (text: string) => void;
    },
  ) {
    this.#directory = Deno.makeTempDirSync({ dir: parent, prefix: ".bench_" });
    this.rounds = rounds;
    this.#scale = scale;
    this.#onProgress = onProgress;
  }

  /** So many, or fewer in a quick run. */
  scaled(count: number): number {
    return Math.max(1, Math.round(count / this.#scale));
  }

  /** Tells what is being done. */
  progress(text: string): void {
    this.#onProgress(text);
  }

  /** The path of a log that is not there yet, in a new directory. */
  newLog(): string {
    const directory = join(this.#directory, String(++this.#logs));
    Deno.mkdirSync(directory);
    return join(directory, LOG_NAME);
  }

  /** Removes a log and its directory. */
  removeLog(path: string): void {
    Deno.removeSync(dirname(path), { recursive: true });
  }

  /** Has a contender do a round; `instance` tells those of one program apart. */
  run(name: ContenderName, round: Round, instance = 0): Promise<Outcome> {
    const key = `${name} ${instance}`;
    const contender = this.#contenders.get(key) ?? start(name);
    this.#contenders.set(key, contender);
    return contender.run(round);
  }

  /** Has a contender do a round that has done nothing before, and does nothing after it. */
  async runOnce(name: ContenderName, round: Round): Promise<Outcome> {
    await using contender = start(name);
    return await contender.run(round);
  }

  /** Writes one log, and sees that what was written reached its files. */
  write({ contender, ...round }: Side): Promise<Outcome> {
    return this.#writeBy((path) => this.run(contender, { ...round, path }), round.events);
  }

  /** As {@linkcode write}, in a process of its own. */
  writeOnce({ contender, ...round }: Side): Promise<Outcome> {
    return this.#writeBy((path) => this.runOnce(contender, { ...round, path }), round.events);
  }

  async #writeBy(run: (path: string) => Promise<Outcome>, events: number): Promise<Outcome> {
    const path = this.newLog();
    const outcome = await run(path);
    await this.checkLines(path, events);
    this.removeLog(path);
    return outcome;
  }

  /**
   * Sees that so many lines reached the files of a log.
   *
   * @throws {Error} when there are more or less; then what was measured is void.
   */
  async checkLines(path: string, events: number): Promise<void> {
    const lines = await lineCounts(dirname(path));
    if (lines !== events) throw new Error(`The round is void: ${lines} of ${events} lines`);
  }

  /** Does all works in turn, once to warm up and then in rounds; gives the figures of each. */
  async inTurn(works: readonly (() => Promise<number>)[]): Promise<number[][]> {
    const figures: number[][] = works.map(() => []);
    for (let round = 0; round <= this.rounds; round++) {
      this.progress(round === 0 ? "warming up" : `round ${round} of ${this.rounds}`);
      for (const [index, work] of works.entries()) {
        const figure = await work();
        if (round > 0) figures[index]!.push(figure);
      }
    }
    return figures;
  }

  /** Has two sides write in turn. */
  async race(ours: Side, theirs: Side): Promise<Race> {
    let syncs: number | undefined;
    const rateOf = async (side: Side) => {
      const outcome = await this.write(side);
      if (side === ours) syncs = outcome.syncs;
      return side.events / outcome.elapsedMs! * 1000;
    };
    const race = await this.raceOf(() => rateOf(ours), () => rateOf(theirs));
    return { ...race, syncs };
  }

  /** As {@linkcode race}, of what gives events per second. */
  async raceOf(our: () => Promise<number>, their: () => Promise<number>): Promise<Race> {
    const [theirs = [], ours = []] = await this.inTurn([their, our]);
    return { ours, theirs, ratios: ours.map((rate, round) => rate / theirs[round]!) };
  }

  /** A log of so many archives and half a segment, made once; it spans 7.2 hours for each archive. */
  history(archives: number): Promise<History> {
    let history = this.#histories.get(archives);
    if (history === undefined) {
      history = this.#makeHistory(archives);
      this.#histories.set(archives, history);
    }
    return history;
  }

  async #makeHistory(archives: number): Promise<History> {
    this.progress(`writing a history of ${archives} archives`);
    const path = this.newLog();
    const events = Math.round((archives + 0.5) * EVENTS_PER_SEGMENT);
    await this.run("scout", {
      workload: "rotatingMemory",
      path,
      events,
      spanHours: (archives + 0.5) * HOURS_PER_SEGMENT,
      rotationSizeBytes: SEGMENT_BYTES,
    });
    await this.checkLines(path, events);
    return { path, events };
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const contender of this.#contenders.values()) await contender[Symbol.asyncDispose]();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

function start(name: ContenderName): Contender {
  const config = name.startsWith("peers/") ? ["--config", PEERS_CONFIG] : [];
  const program = new URL(`./${name}.ts`, import.meta.url);
  return new Contender(program, ["--quiet", "--allow-all", ...config]);
}

/** What a race came to: events per second, and how many times the one is the other. */
export interface Race {
  readonly ratios: readonly number[];
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Syncs that the witness of ours counted in the last round. */
  readonly syncs?: number | undefined;
}

/** A log that was written to be read. */
export interface History {
  readonly path: string;
  readonly events: number;
}

const SEGMENT_BYTES = 10 * 1024 * 1024;
const EVENTS_PER_SEGMENT = 63_000;
const HOURS_PER_SEGMENT = 7.2;
