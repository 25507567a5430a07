/**
 * Kills writers of a log on the real disk at each of their calls, one after the other, and holds
 * what is left against what they were told: at work, and while they recover what another left.
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
/** Starting a writer is all work, so more of them at a time than cores are no faster. */
const AT_A_TIME = 2;

/** Kills writers with strace, which has to be there. */
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

/** Which writer it is, and where. */
interface Case {
  /** Says how to have the same again. */
  readonly place: string;
  readonly plan: Plan;
  /** What is there before the writer begins. */
  readonly leftovers: Leftovers | undefined;
  /** Makes the directory that the writer finds. */
  prepare(directory: string): Promise<void>;
}

class Kills {
  /** Kills so far. */
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
   * Kills a writer that logs, flushes and rotates at each of its calls; false if that was in vain,
   * so that there is no use in going on.
   */
  atWork(nth: number, progress: () => void): Promise<boolean> {
    return this.#killAll({
      place: `seed ${this.#seed}, work ${nth}`,
      plan: workPlan(nth, new SeededRandom(`${this.#seed} work ${nth}`)),
      leftovers: undefined,
      prepare: (directory) => Deno.mkdir(directory),
    }, progress);
  }

  /** As {@linkcode atWork}, a writer that recovers what another has left behind. */
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
    const left = (drawn.length > 0 ? drawn : dry.points.slice(-1)).values();
    await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
      for (const point of left) {
        await this.#kill(aCase, { ...point, files: dry.files });
        progress();
      }
    }));
    if (this.count > before) return true;
    this.#findings.add(aCase.place, new Error("No call of the writer could be killed"));
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
      else this.#findings.count("calls that did not come again");
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

  /** Takes down what is thrown, instead of giving anything. */
  async #try<T>(place: string, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      this.#findings.add(place, error);
      return undefined;
    }
  }

  /** A path at which there is nothing yet. */
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

/** Copies names of one file as such, and everything as it is. */
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
    // A segment of a single turn's events, or of most that there are.
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
