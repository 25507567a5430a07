/**
 * Makes each file system call of a log fail, once or permanently, with the errors that a system may raise. The log may
 * reject the events that it could not write, but no others, and it must not hang.
 *
 * @module
 */
import { RULES, sharingViolation } from "../rules.ts";
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
import { missingFeatures, systemErrors } from "./simulated_disk.ts";
import { type Plant, type Scene, sizesOf, type Workload, WORKLOADS } from "./workloads.ts";

/** Minimum number of errors injected at scale 1. */
const INJECTIONS = 2_600;

const ERRORS: readonly [errno: string, error: () => Error][] = Object.entries({
  ...systemErrors,
  ...missingFeatures,
  ...RULES === "Windows" ? { ERROR_SHARING_VIOLATION: sharingViolation } : {},
});

/** Injects errors at every call of the standard workloads. */
export const errors: Harness = errorsOf();

/**
 * Returns a harness that injects the same errors into logs with a planted fault, to prove that the harness detects it.
 */
export function errorsOf(plant?: Plant): Harness {
  return { name: "errors", run: (assignment) => run(assignment, plant) };
}

async function run(
  { seed, scale, onProgress, isEnough = () => false }: Assignment,
  plant: Plant | undefined,
): Promise<Findings> {
  const findings = new Findings();
  const wanted = INJECTIONS * scale;
  const isDrawn = drawing(`${seed} errors`, scale * SHARE_OF_ROUND);
  const injected = () => findings.tried.get("error injections") ?? 0;
  // A round is never stopped in the middle, because a partial round would always leave out the last workloads.
  for (let round = 0; injected() < wanted; round++) {
    const random = new SeededRandom(`${seed} errors ${round}`);
    const sizes = sizesOf(round, random);
    for (const workload of WORKLOADS) {
      const stage = () => workload.stage(sizes, plant);
      for await (const injection of injectionsOf(workload, stage, round)) {
        if (isEnough(findings.faults)) return findings;
        if (!isDrawn()) continue;
        findings.count("error injections");
        findings.reached.add(`errors: ${workload.name}`);
        onProgress(Math.min(injected(), wanted), wanted);
        const place = `errors, seed ${seed}, round ${round}, ${workload.name}`;
        await tryOut(injection, { findings, place, workload, scene: await stage() });
      }
    }
  }
  return findings;
}

/** An error at one call of a writer, and optionally at all later calls of the same kind. */
interface Injection {
  readonly writer: number;
  readonly index: number;
  readonly errno: string;
  readonly error: () => Error;
  readonly isForEver: boolean;
}

/**
 * Yields the errors to inject: at every call, once and permanently. The kind of error differs between calls and rounds.
 */
async function* injectionsOf(
  workload: Workload,
  stage: () => Promise<Scene>,
  round: number,
): AsyncGenerator<Injection> {
  const dryRun = await stage();
  await workload.run(dryRun);
  for (const [writer, { process }] of dryRun.writers.entries()) {
    for (let index = 0; index < process.calls.length; index++) {
      for (const isForEver of [false, true]) {
        const [errno, error] = ERRORS[(index + round + Number(isForEver)) % ERRORS.length]!;
        yield { writer, index, errno, error, isForEver };
      }
    }
  }
}

async function tryOut(
  { writer, index, errno, error, isForEver }: Injection,
  { findings, place, workload, scene }: {
    findings: Findings;
    place: string;
    workload: Workload;
    scene: Scene;
  },
): Promise<void> {
  const { process } = scene.writers[writer]!;
  let failing: string | undefined;
  const match = (call: { index: number; name: string }) => {
    if (call.index === index) failing = call.name;
    return isForEver ? call.name === failing : call.index === index;
  };
  process.failOn(match, error, isForEver ? Infinity : 1);
  try {
    await withinTime(workload.run(scene));
    findings.count("rotations", scene.rotations);
    for (const { process } of scene.writers) {
      if (process.openHandles > 0) throw new Violation("other", "handles were left open");
    }
    await withinTime(scene.check());
    // The fault is a file system that cannot sync directories. A power loss may then remove files of the log, as the
    // log has warned, so it is not checked.
    if (failing === "syncDirectory" && errno in missingFeatures) return;
    // After archives were pruned, only the manifest states their unfinished spans. The failed sync may have lost lines
    // of the manifest, so a power loss is not checked.
    if (failing === "syncData" && scene.prunes) return;
    const disk = scene.disk.afterPowerLoss(() => false);
    await withinTime(scene.check({ disk, powerLost: true }));
  } catch (thrown) {
    const { name, path } = process.calls[index] ?? { name: "none", path: "" };
    const when = isForEver ? "permanently from" : "at";
    findings.add(
      `${place}, ${errno} ${when} call ${index} of writer ${writer}, ${name} ${path}`,
      thrown,
    );
  }
}
