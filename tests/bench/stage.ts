/**
 * The resources that all workloads of the benchmark share: the processes under measurement (contenders), a directory
 * for logs, and the number of rounds.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import { Contender, type Outcome, type Round } from "./contender.ts";
import { lineCounts } from "./line_counts.ts";

/**
 * Name of a contender, a program under measurement. The program is in this directory, or in `peers/` if it measures
 * another library with its own dependencies.
 */
export type ContenderName =
  | "scout"
  | "report"
  | "fleet"
  | "import"
  | "llm"
  | "plain"
  | "peers/pino"
  | "peers/pino_roll"
  | "peers/winston"
  | "peers/logtape"
  | "peers/rotating_file_stream"
  | "peers/duckdb";

/** One side of a comparison: the contender (the program under measurement), its workload, and the number of events. */
export interface Side {
  readonly contender: ContenderName;
  readonly workload: string;
  readonly events: number;
  readonly [name: string]: string | number;
}

/** File name of every log. */
const LOG_NAME = "audit.jsonl";
const PEERS_CONFIG = fromFileUrl(new URL("./peers/deno.json", import.meta.url));

/**
 * The resources of one run of the benchmark. Disposing of them ends the contenders (the processes under measurement)
 * and removes their files.
 */
export class Stage implements AsyncDisposable {
  readonly rounds: number;
  /** Divisor of all event counts: more than 1 in a quick run. */
  readonly #scale: number;
  readonly #directory: string;
  readonly #onProgress: (text: string) => void;
  readonly #contenders = new Map<string, Contender>();
  readonly #histories = new Map<number, Promise<History>>();
  #logs = 0;

  /** Creates the resources, with a new directory in `parent`. */
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

  /** Returns the count, or a fraction of it in a quick run. */
  scaled(count: number): number {
    return Math.max(1, Math.round(count / this.#scale));
  }

  /** Passes a description of the current work to the `onProgress` option. */
  progress(text: string): void {
    this.#onProgress(text);
  }

  /** Creates a directory and returns the path of a log in it that does not exist yet. */
  newLog(): string {
    const directory = join(this.#directory, String(++this.#logs));
    Deno.mkdirSync(directory);
    return join(directory, LOG_NAME);
  }

  /** Removes a log and its directory. */
  removeLog(path: string): void {
    Deno.removeSync(dirname(path), { recursive: true });
  }

  /**
   * Runs one round of a workload in the process of a contender, which is started if it does not run yet. `instance`
   * selects one of several processes of the same program.
   */
  run(name: ContenderName, round: Round, instance = 0): Promise<Outcome> {
    const key = `${name} ${instance}`;
    const contender = this.#contenders.get(key) ?? start(name);
    this.#contenders.set(key, contender);
    return contender.run(round);
  }

  /** Runs one round of a workload in a new process, and ends this process after the round. */
  async runOnce(name: ContenderName, round: Round): Promise<Outcome> {
    await using contender = start(name);
    return await contender.run(round);
  }

  /** Lets a contender write one log, then checks that every line reached the files of the log. */
  write({ contender, ...round }: Side): Promise<Outcome> {
    return this.#writeBy((path) => this.run(contender, { ...round, path }), round.events);
  }

  /** Lets a contender write one log in a new process, then checks that every line reached the files of the log. */
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
   * Checks that `events` lines reached the files of a log.
   *
   * @throws {Error} If the number differs, because the measurement is invalid then.
   */
  async checkLines(path: string, events: number): Promise<void> {
    const lines = await lineCounts(dirname(path));
    if (lines !== events) {
      throw new Error(`Cannot use this round: found ${lines} of ${events} lines in the log`);
    }
  }

  /**
   * Runs the functions one after the other in each of several rounds. A first warm-up round does not count. Resolves
   * with the results of each function, one for each counted round.
   */
  async inTurn(
    works: readonly (() => Promise<number>)[],
    rounds: number = this.rounds,
  ): Promise<number[][]> {
    const figures: number[][] = works.map(() => []);
    for (let round = 0; round <= rounds; round++) {
      this.progress(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
      for (const [index, work] of works.entries()) {
        const figure = await work();
        if (round > 0) figures[index]!.push(figure);
      }
    }
    return figures;
  }

  /** Lets two contenders write logs in alternating rounds. Resolves with their rates and ratios. */
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

  /**
   * Runs two functions, which return events per second, in alternating rounds. Resolves with their rates and ratios.
   */
  async raceOf(our: () => Promise<number>, their: () => Promise<number>): Promise<Race> {
    const [theirs = [], ours = []] = await this.inTurn([their, our]);
    return { ours, theirs, ratios: ours.map((rate, round) => rate / theirs[round]!) };
  }

  /**
   * Resolves with a log of `archives` archives and an active file, which is created once and then used by several
   * workloads. Each archive spans 7.2 hours. The active file has the share `activeShare` of the events of an archive.
   */
  history(archives: number, activeShare = 0.5): Promise<History> {
    const segments = archives + activeShare;
    let history = this.#histories.get(segments);
    if (history === undefined) {
      history = this.#makeHistory(archives, segments);
      this.#histories.set(segments, history);
    }
    return history;
  }

  async #makeHistory(archives: number, segments: number): Promise<History> {
    this.progress(`writing a history of ${archives} archives`);
    const path = this.newLog();
    const events = Math.round(segments * EVENTS_PER_SEGMENT);
    await this.run("scout", {
      workload: "rotatingMemory",
      path,
      events,
      spanHours: segments * HOURS_PER_SEGMENT,
      rotationSizeBytes: SEGMENT_BYTES,
    });
    await this.checkLines(path, events);
    return { path, events };
  }

  /** Ends the processes of all contenders and removes the directory. */
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

/**
 * The results of a race: events per second of this library ("ours") and of the other side ("theirs"), and their ratios
 * in each round.
 */
export interface Race {
  readonly ratios: readonly number[];
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Number of syncs by this library in the last round. */
  readonly syncs?: number | undefined;
}

/** A log that workloads query, and the number of its events. */
export interface History {
  readonly path: string;
  readonly events: number;
}

const SEGMENT_BYTES = 10 * 1024 * 1024;
/** Number of events after which a history rotates: the lines of its events have 167.5 bytes on average. */
const EVENTS_PER_SEGMENT = 62_602;
const HOURS_PER_SEGMENT = 7.2;
