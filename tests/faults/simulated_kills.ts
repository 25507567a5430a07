/**
 * Kills a simulated process at each of its calls, before or after the call takes effect. Also kills recovery at each of
 * its calls, and kills a process while another process has the log open and has to continue.
 *
 * @module
 */
import { SeededRandom } from "../seeded_random.ts";
import {
  type Assignment,
  drawing,
  Findings,
  type Harness,
  SHARE_OF_ROUND,
  Violation,
  withinTime,
} from "./harness.ts";
import type { Ledger } from "./oracle.ts";
import { type Plant, rotate, Scene, type Sizes, sizesOf, WORKLOADS } from "./workloads.ts";

const WHEN = ["before", "after"] as const;
/** Minimum number of kills at scale 1. */
const KILLS = 4_500;

/** Kills at every call of the standard workloads, during recovery, and while another process has the log open. */
export const simulatedKills: Harness = simulatedKillsOf();

/**
 * Returns a harness that kills processes as {@linkcode simulatedKills} does. `plant` inserts a fault between the
 * processes and the disk. With `only`, the harness runs only the cases of the workload with this name.
 */
export function simulatedKillsOf(plant?: Plant, only?: string): Harness {
  return { name: "simulated kills", run: (assignment) => run(assignment, plant, only) };
}

async function run(
  { seed, scale, onProgress, isEnough = () => false }: Assignment,
  plant: Plant | undefined,
  only: string | undefined,
): Promise<Findings> {
  const findings = new Findings();
  const wanted = KILLS * scale;
  const killed = () => findings.tried.get("simulated kills") ?? 0;
  const isDrawn = drawing(`${seed} kills`, scale * SHARE_OF_ROUND);
  const attempt = async (where: string, place: string, check: () => Promise<void>) => {
    if (only !== undefined && where !== only) return;
    if (isEnough(findings.faults) || !isDrawn()) return;
    findings.count("simulated kills");
    findings.reached.add(`simulated kills: ${where}`);
    onProgress(Math.min(killed(), wanted), wanted);
    try {
      await withinTime(check());
    } catch (error) {
      findings.add(`simulated kills, seed ${seed}, ${where}, ${place}`, error);
    }
  };
  // A round is never stopped in the middle, because a partial round would always leave out the last cases.
  for (let round = 0; killed() < wanted && !isEnough(findings.faults); round++) {
    const random = new SeededRandom(`${seed} kills ${round}`);
    const sizes = sizesOf(round, random);
    await killEachCall({ sizes, plant, round, attempt, findings });
    await killRecovery({ sizes, plant, round, attempt });
    await killBesideSurvivor({ sizes, plant, round, attempt });
  }
  return findings;
}

/** Runs one case. `where` names the workload or the kind of kill, and `place` names the round and the call. */
type Attempt = (where: string, place: string, check: () => Promise<void>) => Promise<void>;

/** The parameters of a round of cases. */
interface Round {
  readonly sizes: Sizes;
  readonly plant: Plant | undefined;
  readonly round: number;
  readonly attempt: Attempt;
}

async function killEachCall(
  { sizes, plant, round, attempt, findings }: Round & { findings: Findings },
): Promise<void> {
  for (const workload of WORKLOADS) {
    const kill = async (writer: number, index: number, when: (typeof WHEN)[number]) => {
      const scene = await workload.stage(sizes, plant);
      scene.writers[writer]!.process.killAt(index, when);
      await workload.run(scene);
      findings.count("rotations", scene.rotations);
      await scene.check();
    };
    const dryRun = await workload.stage(sizes, plant);
    await workload.run(dryRun);
    for (const [writer, { process }] of dryRun.writers.entries()) {
      for (const { index, name, path } of process.calls) {
        const place = `round ${round}, writer ${writer}, call ${index}, ${name} ${path}`;
        for (const when of WHEN) {
          await attempt(workload.name, `${place}, ${when}`, () => kill(writer, index, when));
        }
      }
    }
  }
}

/** The writer is killed at every ninth call. After each of these kills, recovery has different work to do. */
const RECOVERY_STEP = 9;

async function killRecovery({ sizes, plant, round, attempt }: Round): Promise<void> {
  for (let index = round % RECOVERY_STEP;; index += RECOVERY_STEP) {
    const dead = await rotate.stage(sizes, plant);
    dead.writers[0]!.process.killAt(index, WHEN[index % 2]!);
    await rotate.run(dead);
    if (!dead.writers[0]!.process.isKilled) return;
    const recover = async (killedAt?: number) => {
      const { ledgers } = dead;
      const scene = new Scene(dead.disk.afterKill(), ["b"], { sizes, plant, dead: ledgers });
      const [writer] = scene.writers;
      if (killedAt !== undefined) writer!.process.killAt(killedAt, WHEN[killedAt % 2]!);
      await (await writer!.open())?.close().catch(() => {});
      return scene;
    };
    const dryRun = await recover();
    // In the last run, `at` is beyond the last call. So the process is not killed, and ends normally.
    for (let at = 0; at <= dryRun.writers[0]!.process.calls.length; at++) {
      const place = `round ${round}, dead at call ${index}, recovery killed at call ${at}`;
      await attempt("in recovery", place, async () => await (await recover(at)).check());
    }
  }
}

async function killBesideSurvivor({ sizes, plant, round, attempt }: Round): Promise<void> {
  const play = async (killedAt?: number) => {
    const scene = await rotate.stage(sizes, plant);
    const survivors = new Scene(scene.disk, ["b"], { sizes, plant, dead: scene.ledgers });
    const survivor = survivors.writers[0]!;
    const log = await survivor.open();
    if (log === undefined) throw new Violation("other", "the survivor cannot open the log");
    const { process } = scene.writers[0]!;
    if (killedAt !== undefined) process.killAt(killedAt, WHEN[(killedAt >> 1) % 2]!);
    await rotate.run(scene);
    await survivor.logOneByOne(log, 1);
    await log.rotate();
    return { process, survivors, survivor, log };
  };
  const dryRun = await play();
  await dryRun.log.close();
  for (let index = round % 2; index <= dryRun.process.calls.length; index += 2) {
    const place = `round ${round}, killed at call ${index}`;
    await attempt("beside a survivor", place, async () => {
      const { survivors, survivor, log } = await play(index);
      expectAllAcknowledged(survivor.ledger);
      await survivor.ledger.settle(log, "close");
      await survivors.check();
    });
  }
}

function expectAllAcknowledged({ logged, acknowledged }: Ledger): void {
  if (acknowledged.size < logged.size) throw new Violation("other", "the survivor stopped working");
}
