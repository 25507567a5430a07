/**
 * Runs a property on generated inputs, and records the inputs for which the property fails as findings. A finding names
 * a seed and a path; `replay(fuzz, { seed, path })` repeats the same input.
 *
 * @module
 */
import fc from "fast-check";
import { type Assignment, Findings, type Harness, Violation, withinTime } from "./harness.ts";
import type { SimulatedProcess } from "./simulated_disk.ts";

/** A property that must hold for every input, and the generator of the inputs. */
export interface Fuzz<T> {
  /** The action under test, in two or three words. */
  readonly name: string;
  readonly inputs: fc.Arbitrary<T>;
  /** Number of cases in one input. The property is checked for each case. */
  readonly casesPerInput: number;
  /** Number of cases that a campaign at scale 1 runs. */
  readonly cases: number;
  /** Checks the property for an input. Throws a description if the property does not hold. */
  readonly check: (input: T) => Promise<void>;
  /** Describes the input for the developer who investigates a finding. */
  readonly describe: (input: T) => string;
}

/** The seed and the path with which an input can be generated again. */
export interface Place {
  readonly seed: number;
  readonly path: string;
}

/** Maximum number of inputs for each seed. After the first failing input, the other inputs of its seed are skipped. */
const INPUTS_PER_SEED = 250;
/**
 * Maximum number of calls on the disk in a case, far more than any case needs. If a case makes more calls, it counts as
 * hung.
 */
const CALLS_MAX = 20_000;
const TEXT_MAX = 4_000;

/** Returns a harness that runs the fuzzers one after the other. */
export function harnessOf(name: string, fuzzes: readonly AnyFuzz[]): Harness {
  return {
    name,
    async run(assignment) {
      const findings = new Findings();
      const of = fuzzes.reduce((sum, { casesAt }) => sum + casesAt(assignment.scale), 0);
      let done = 0;
      for (const fuzz of fuzzes) {
        await fuzz.run({
          ...assignment,
          onProgress: (cases) => assignment.onProgress(done + cases, of),
        }, findings);
        done += fuzz.casesAt(assignment.scale);
      }
      return findings;
    },
  };
}

/** A {@linkcode Fuzz} whose type of input is unknown, so that fuzzers can be listed together. */
export interface AnyFuzz {
  /** Returns the number of cases that a campaign at this scale runs. */
  casesAt(scale: number): number;
  /** Runs the cases and records the findings. */
  run(assignment: Assignment, findings: Findings): Promise<void>;
}

/** Turns a fuzzer with a known type of input into one that {@linkcode harnessOf} can run. */
export function anyFuzz<T>(fuzz: Fuzz<T>): AnyFuzz {
  const inputsAt = (scale: number) => Math.ceil(fuzz.cases * scale / fuzz.casesPerInput);
  return {
    casesAt: (scale) => inputsAt(scale) * fuzz.casesPerInput,
    run: (assignment, findings) => runAll(fuzz, inputsAt(assignment.scale), assignment, findings),
  };
}

async function runAll<T>(
  fuzz: Fuzz<T>,
  inputs: number,
  { seed, onProgress, isEnough = () => false }: Assignment,
  findings: Findings,
): Promise<void> {
  for (let tried = 0; tried < inputs; tried += INPUTS_PER_SEED) {
    if (isEnough(findings.faults)) return;
    const numRuns = Math.min(INPUTS_PER_SEED, inputs - tried);
    // The inputs of one seed grow from small to large. So several seeds are used, each for a limited number of inputs.
    const count = await tryInputs(fuzz, { seed: (seed + tried) | 0, numRuns }, findings);
    findings.count("fuzz cases", count * fuzz.casesPerInput);
    onProgress((tried + numRuns) * fuzz.casesPerInput, inputs * fuzz.casesPerInput);
  }
}

/** Repeats the input of a finding. Resolves with the findings. */
export async function replay<T>(fuzz: Fuzz<T>, place: Place): Promise<Findings> {
  const findings = new Findings();
  await tryInputs(fuzz, { ...place, numRuns: 1, endOnFailure: true }, findings);
  return findings;
}

/**
 * Runs the inputs of one seed until the property fails for an input. Resolves with the number of inputs that were run.
 */
async function tryInputs<T>(
  fuzz: Fuzz<T>,
  parameters: fc.Parameters<[T]>,
  findings: Findings,
): Promise<number> {
  let hasHung = false;
  const property = fc.asyncProperty(fuzz.inputs, async (input) => {
    // If a case has hung, the search for a smaller failing input is useless, because each attempt would hang just as
    // long.
    if (hasHung) return;
    try {
      await withinTime(fuzz.check(input));
    } catch (error) {
      hasHung ||= error instanceof Violation && error.kind === "hung";
      throw error;
    }
  });
  const { failed, errorInstance, numRuns, ...details } = await fc.check(property, {
    ...parameters,
    verbose: false,
  });
  if (failed) {
    const input = details.counterexample === null ? "" : fuzz.describe(details.counterexample[0]);
    const place = `${fuzz.name}, seed ${details.seed}, path ${
      JSON.stringify(details.counterexamplePath)
    }`;
    findings.add(`${place}, of ${input.slice(0, TEXT_MAX)}`, errorInstance);
  }
  return numRuns;
}

/** Makes the calls of a process fail after the maximum number of calls, so that an endless loop ends. */
export function limitCalls(process: SimulatedProcess): SimulatedProcess {
  process.onCall = ({ index }) => {
    if (index > CALLS_MAX) throw new Violation("hung", `more than ${CALLS_MAX} calls`);
  };
  return process;
}

const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
const NAMES = PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length);

/** Checks that the code under test has added no property to the prototypes that all objects share. */
export function checkUnpolluted(): void {
  const isPolluted = PROTOTYPES.some((each, index) =>
    Reflect.ownKeys(each).length !== NAMES[index]
  );
  if (isPolluted) throw new Violation("other", "a shared prototype was changed");
}
