/**
 * Kills writers of a log on the real disk at each of their system calls: while they log, and while they recover the log
 * of a killed writer. Then compares the log with the outcomes that the writers had reported.
 *
 * @module
 */
import { join } from "@std/path";
import type { Plan, Step } from "../programs/killed_writer.ts";
import { isMet, REQUIREMENTS } from "../requirements.ts";
import { SeededRandom } from "../seeded_random.ts";
import { type Assignment, drawing, Findings, type Harness } from "./harness.ts";
import { leaveBehind, type Leftovers } from "./real_leftovers.ts";
import { checkRecovered, Promised } from "./real_oracle.ts";
import { type DryRun, dryRun, type KillPoint, runUntil, type Until } from "./real_victim.ts";

const KILLS = 420;
const KILLS_IN_RECOVERY = 110;
/** Number of writers that run at the same time. Starting a writer keeps a core busy, so more would not be faster. */
const AT_A_TIME = 2;

/** Kills writers with strace. Skipped if strace is missing. */
export const realKills: Harness = {
  name: "real kills",
  async run(
    { seed, scale, onProgress, isEnough = () => false }: Assignment,
  ): Promise<Findings> {
    const findings = new Findings();
    if (!await isMet("ptrace")) {
      findings.skipped.push(`real kills (needs: ${REQUIREMENTS.ptrace.remedy})`);
      return findings;
    }
    const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "scout_kills_" }));
    try {
      const isDrawn = drawing(`${seed} real kills`, scale);
      const kills = new Kills({ root, seed, findings, isDrawn });
      const progress = () => onProgress(Math.min(kills.count, KILLS * scale), KILLS * scale);
      for (let nth = 0; kills.countInRecovery < KILLS_IN_RECOVERY * scale; nth++) {
        if (isEnough(findings.faults)) return findings;
        if (!await kills.inRecovery(nth, progress)) return findings;
      }
      for (let nth = 0; kills.count < KILLS * scale; nth++) {
        if (isEnough(findings.faults)) return findings;
        if (!await kills.atWork(nth, progress)) return findings;
      }
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
    return findings;
  },
};

/** A writer to kill, and the log with which it starts. */
interface Case {
  /** Describes how to repeat the case. */
  readonly place: string;
  readonly plan: Plan;
  /** The files that another killed writer left in the directory; undefined if the directory is empty. */
  readonly leftovers: Leftovers | undefined;
  /** Creates the writer's directory. */
  prepare(directory: string): Promise<void>;
}

class Kills {
  /** Number of kills so far. */
  count = 0;
  countInRecovery = 0;
  readonly #root: string;
  readonly #seed: number;
  readonly #findings: Findings;
  readonly #isDrawn: () => boolean;
  #directories = 0;

  constructor(
    { root, seed, findings, isDrawn }: {
      root: string;
      seed: number;
      findings: Findings;
      isDrawn: () => boolean;
    },
  ) {
    this.#root = root;
    this.#seed = seed;
    this.#findings = findings;
    this.#isDrawn = isDrawn;
  }

  /**
   * Kills a writer that logs, flushes and rotates at each of its calls. Resolves with `false` if no kill succeeded,
   * so that further cases are pointless.
   */
  atWork(nth: number, progress: () => void): Promise<boolean> {
    return this.#killAll({
      place: `seed ${this.#seed}, work ${nth}`,
      plan: workPlan(nth, new SeededRandom(`${this.#seed} work ${nth}`)),
      leftovers: undefined,
      prepare: (directory) => Deno.mkdir(directory),
    }, progress);
  }

  /**
   * Kills a writer at each of its calls while it recovers the log of another killed writer. Resolves like {@linkcode
   * atWork}.
   */
  async inRecovery(nth: number, progress: () => void): Promise<boolean> {
    const place = `seed ${this.#seed}, recovery ${nth}`;
    const left = this.#directory();
    Deno.mkdirSync(left);
    const random = new SeededRandom(`${this.#seed} recovery ${nth}`);
    const leftovers = await this.#try(place, () => leaveBehind(left, { nth, random }));
    if (leftovers === undefined) return false;
    const isDone = await this.#killAll({
      place: `${place} (${leftovers.what})`,
      plan: recoveryPlan(nth, leftovers.events),
      leftovers,
      prepare: (directory) => copyDirectory(left, directory),
    }, progress);
    Deno.removeSync(left, { recursive: true });
    return isDone;
  }

  async #killAll(aCase: Case, progress: () => void): Promise<boolean> {
    const dry = await this.#try(aCase.place, () => this.#dryRun(aCase));
    if (dry === undefined) return false;
    const before = this.count;
    const drawn = dry.points.filter(this.#isDrawn);
    const left = drawn.values();
    const kill = async (point: KillPoint) => {
      await this.#kill(aCase, { ...point, files: dry.files });
      progress();
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
      for (const point of left) await kill(point);
    }));
    // A writer whose threads share the calls may not reach the call at which it is to be killed. If a small share has
    // only a few kills to make, all of them may fail. Then others are tried.
    for (const point of dry.points.toReversed()) {
      if (this.count > before) break;
      if (!drawn.includes(point)) await kill(point);
    }
    if (this.count > before) return true;
    this.#findings.add(
      aCase.place,
      new Error("Cannot kill writer: it was not killed at any of its calls"),
    );
    return false;
  }

  async #dryRun(aCase: Case): Promise<DryRun> {
    const directory = this.#directory();
    await aCase.prepare(directory);
    const dry = await dryRun(directory, `${directory}.trace`, aCase.plan);
    await check(directory, aCase, dry.told);
    return dry;
  }

  async #kill(aCase: Case, point: KillPoint & Until): Promise<void> {
    const { call, nth, file } = point;
    const place = `${aCase.place}, killed at ${call} ${nth} (${file})`;
    const directory = this.#directory();
    await this.#try(place, async () => {
      await aCase.prepare(directory);
      const { wasKilled, told } = await runUntil(directory, aCase.plan, point);
      if (wasKilled) this.#count(aCase);
      else this.#findings.count("kill points not reached");
      await check(directory, aCase, told);
      Deno.removeSync(directory, { recursive: true });
    });
  }

  #count({ leftovers }: Case): void {
    this.count++;
    this.#findings.count("real kills");
    if (leftovers === undefined) return;
    this.countInRecovery++;
    this.#findings.count("real kills during recovery");
  }

  /** Runs the body. Records an error as a finding and resolves with `undefined`. */
  async #try<T>(place: string, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      this.#findings.add(place, error);
      return undefined;
    }
  }

  /** Returns a path that does not exist yet. */
  #directory(): string {
    return join(this.#root, `${this.#directories++}`);
  }
}

async function check(directory: string, { leftovers }: Case, told: string): Promise<void> {
  const promised = new Promised();
  for (let n = 0; n < (leftovers?.events ?? 0); n++) promised.keep(n);
  promised.take(told);
  await checkRecovered(directory, promised, leftovers);
}

/** Copies a directory. If two names lead to one file, they also do so in the copy. */
async function copyDirectory(from: string, to: string): Promise<void> {
  const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  if (!success) throw new Error(`Cannot copy directory: ${from}`);
}

function workPlan(nth: number, random: SeededRandom): Plan {
  const events = (max: number) =>
    Array.from({ length: 1 + random.below(max) }, () => random.below(60));
  const phases = Array.from({ length: nth % 4 === 3 ? 2 : 1 }, (): Step[] => [
    { do: "awaited", events: events(3) },
    { do: "flush" },
    { do: "unawaited", events: events(6) },
    { do: "rotate" },
  ]);
  return {
    // With this size, a segment contains the events of one event-loop turn, or most of all events.
    rotationSizeBytes: 600 + random.below(900),
    fsyncEveryNLines: 1 + random.below(5),
    onOneThread: nth % 2 === 0,
    writesBehind: false,
    firstEvent: 0,
    steps: [...phases.flat(), { do: "awaited", events: events(2) }, {
      do: "unawaited",
      events: events(3),
    }],
  };
}

function recoveryPlan(nth: number, firstEvent: number): Plan {
  return {
    rotationSizeBytes: 100_000,
    fsyncEveryNLines: 10,
    onOneThread: nth % 2 === 0,
    writesBehind: false,
    firstEvent,
    steps: [{ do: "recovery" }, { do: "awaited", events: [20] }],
  };
}
