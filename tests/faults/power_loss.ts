/**
 * Cuts the power at any moment of the standard workloads. Of the operations that no sync has covered, the disk keeps
 * any subset: file contents and directory entries, whole or in part. For each such state of the disk, a log is
 * recovered twice and checked.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { SeededRandom } from "../seeded_random.ts";
import { type Assignment, drawing, Findings, type Harness, withinTime } from "./harness.ts";
import { Ledger } from "./oracle.ts";
import type { PendingOperation, SimulatedDisk } from "./simulated_disk.ts";
import { PATH, type Plant, type Scene, sizesOf, WORKLOADS } from "./workloads.ts";

/** Number of different states of the disk that are checked at scale 1. */
const STATES = 20_500;

/** Cuts the power at every call of the standard workloads. */
export const powerLoss: Harness = powerLossOf();

/**
 * Returns a harness that cuts the power in the same way for logs with a planted fault, to prove that it detects the
 * fault.
 */
export function powerLossOf(plant?: Plant): Harness {
  return { name: "power loss", run: (assignment) => run(assignment, plant) };
}

async function run(assignment: Assignment, plant: Plant | undefined): Promise<Findings> {
  const findings = new Findings();
  const states = new States(assignment, findings);
  // Round 0 has the usual sizes of files. So with any seed, the power is cut at each call of the workloads with these
  // sizes.
  for (let round = 0; !states.areEnough; round++) {
    const random = new SeededRandom(`${assignment.seed} power loss ${round}`);
    const sizes = sizesOf(round, random);
    for (const workload of WORKLOADS) {
      const place = `power loss, seed ${assignment.seed}, round ${round}, ${workload.name}`;
      const scene = await workload.stage(sizes, plant);
      const moments = recordMoments(scene);
      await workload.run(scene);
      findings.count("rotations", scene.rotations);
      for (const moment of moments) await states.check(scene, { moment, random, place });
      findings.reached.add(`power loss: ${workload.name}`);
    }
  }
  return findings;
}

/** The disk, and the outcomes that the writers have received, just before a call takes effect. */
interface Moment {
  readonly disk: SimulatedDisk;
  readonly ledgers: readonly Ledger[];
  readonly call: string;
}

/** Records each moment at which the disk, or an outcome that a writer received, has changed. */
function recordMoments({ disk, ledgers, writers }: Scene): Moment[] {
  const moments: Moment[] = [];
  let last = "";
  for (const { process } of writers) {
    process.onCall = ({ index, name, path }) => {
      const ids = disk.pending.map(({ id }) => id);
      const counts = ledgers.map((
        ledger,
      ) => [ledger.acknowledged.size, ledger.durable.size, ledger.holds.size]);
      const state = JSON.stringify([ids, counts]);
      if (state === last) return;
      last = state;
      const copies = ledgers.map((ledger) => new Ledger(ledger));
      moments.push({ disk: disk.afterKill(), ledgers: copies, call: `${index}, ${name} ${path}` });
    };
  }
  return moments;
}

/** The states in which the disk may be after a power loss. Each state is checked only once. */
class States {
  readonly #findings: Findings;
  readonly #wanted: number;
  readonly #onProgress: Assignment["onProgress"];
  readonly #isDrawn: () => boolean;
  readonly #isEnough: () => boolean;
  readonly #seen = new Set<string>();

  constructor(
    { seed, scale, onProgress, isEnough = () => false }: Assignment,
    findings: Findings,
  ) {
    this.#findings = findings;
    this.#wanted = STATES * scale;
    this.#onProgress = onProgress;
    this.#isDrawn = drawing(`${seed} power loss`, scale);
    this.#isEnough = () => isEnough(findings.faults);
  }

  get areEnough(): boolean {
    return this.#seen.size >= this.#wanted || this.#isEnough();
  }

  /**
   * Loses the power at a moment of a workload, and checks the recovery from each state in which the disk may then be.
   * Skips states that were checked before.
   */
  async check(
    scene: Scene,
    { moment, random, place }: { moment: Moment; random: SeededRandom; place: string },
  ): Promise<void> {
    for (const { what, keep, tear } of lossesOf(moment.disk.pending, random)) {
      if (this.areEnough) return;
      if (!this.#isDrawn()) continue;
      const disk = moment.disk.afterPowerLoss(
        ({ id }) => keep.has(id),
        ({ id, bytes }) => id === tear?.id ? tear.byteLength : bytes.byteLength,
      );
      if (!this.#isNew(disk, moment.ledgers)) continue;
      try {
        await withinTime(scene.check({ disk, ledgers: moment.ledgers, powerLost: true }));
      } catch (error) {
        this.#findings.add(`${place}, before call ${moment.call}, ${what}`, error);
      }
    }
  }

  #isNew(disk: SimulatedDisk, ledgers: readonly Ledger[]): boolean {
    const promised = ledgers.map((
      { acknowledged, durable, holds },
    ) => [...acknowledged, "/", ...durable, "/", holds.size]);
    const hash = createHash("sha256").update(JSON.stringify(promised));
    for (const [path, content] of Object.entries(disk.snapshot())) {
      hash.update(`\0${path}\0`).update(content);
    }
    const key = hash.digest("base64");
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    this.#findings.count("power-loss states");
    if (this.#seen.size % 100 === 0) this.#onProgress(this.#seen.size, this.#wanted);
    return true;
  }
}

/** The operations that one power loss leaves. */
interface Loss {
  readonly what: string;
  /** IDs of the pending operations that survive. */
  readonly keep: ReadonlySet<number>;
  /** The append of which only a part survives, and the length of that part. */
  readonly tear: { readonly id: number; readonly byteLength: number } | undefined;
}

/** Functions that choose which of `count` operations survive. Subsets like these have revealed bugs in other logs. */
const CHOICES: readonly ((at: number, count: number) => boolean)[] = [
  () => false,
  () => true,
  (at, count) => at < count / 2,
  (at, count) => at >= count / 2,
  (at) => at % 2 === 0,
  (at, count) => at === count - 1,
  (at, count) => at < count - 1,
  (at) => at > 0,
];
/**
 * Maximum number of operations of which all subsets are checked. If there are more operations, only some subsets are.
 */
const ALL_SUBSETS_MAX = 4;
/** Number of random subsets that are checked if there are too many operations to check all subsets. */
const RANDOM_SUBSETS = 6;

/**
 * Yields the combinations of surviving operations to check. Lines in the lock file are only hints, so either all of
 * them survive or none, which reduces the number of combinations.
 */
function* lossesOf(pending: readonly PendingOperation[], random: SeededRandom): Generator<Loss> {
  const hints = pending.filter(({ path }) => path === `${PATH}.lock`);
  const operations = pending.filter((operation) => !hints.includes(operation));
  for (const subset of subsetsOf(operations, random)) {
    const kept = random.below(2) === 0 ? subset : [...subset, ...hints];
    const keep = new Set(kept.map(({ id }) => id));
    const what = `keeps ${[...keep]} of ${pending.map(({ id }) => id)}`;
    yield { what, keep, tear: undefined };
    const last = subset.findLast((operation) => operation.kind === "append");
    if (last === undefined) continue;
    for (const byteLength of tearsOf(last.bytes.byteLength)) {
      yield {
        what: `${what}, ${last.id} torn at ${byteLength}`,
        keep,
        tear: { id: last.id, byteLength },
      };
    }
  }
}

function* subsetsOf<T>(operations: readonly T[], random: SeededRandom): Generator<T[]> {
  const count = operations.length;
  if (count <= ALL_SUBSETS_MAX) {
    for (let bits = 0; bits < 2 ** count; bits++) {
      yield operations.filter((_, at) => (bits >> at) % 2 === 1);
    }
    return;
  }
  for (const choice of CHOICES) yield operations.filter((_, at) => choice(at, count));
  for (let drawn = 0; drawn < RANDOM_SUBSETS; drawn++) {
    yield operations.filter(() => random.below(2) === 0);
  }
}

/** Returns the lengths in bytes of the part of an append that survives. A separate state is checked for each. */
function tearsOf(byteLength: number): Iterable<number> {
  const tears = [0, 1, byteLength >> 1, byteLength - 1, 512, 4_096];
  return new Set(tears.filter((tear) => tear < byteLength));
}
