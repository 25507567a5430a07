/**
 * Runs a property on generated inputs, and makes findings of what breaks it.
 *
 * A finding names a seed and a path. `replay(fuzz, { seed, path })` tries that one input again.
 *
 * @module
 */
import fc from "fast-check";
import { type Assignment, Findings, type Harness, Violation, withinTime } from "./harness.ts";
import type { SimulatedProcess } from "./simulated_disk.ts";

/** A property and the inputs that it is to hold for. */
export interface Fuzz<T> {
  /** What is tried, in two or three words. */
  readonly name: string;
  readonly inputs: fc.Arbitrary<T>;
  /** How many cases one input holds, each of which all properties are checked on. */
  readonly casesPerInput: number;
  /** Cases at scale 1. */
  readonly cases: number;
  /** Throws what is wrong. */
  readonly check: (input: T) => Promise<void>;
  /** The input for who has to find out. */
  readonly describe: (input: T) => string;
}

/** Where one input is found again. */
export interface Place {
  readonly seed: number;
  readonly path: string;
}

/** Inputs that share a seed; the first that breaks the property ends them, and the next seed begins. */
const INPUTS_PER_SEED = 250;
/** Calls to the disk that no case needs. */
const CALLS_MAX = 20_000;
const TEXT_MAX = 4_000;

/** Makes a harness of fuzzes, which are tried one after the other. */
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

/** A {@linkcode Fuzz} of inputs that nobody outside has to know. */
export interface AnyFuzz {
  /** How many cases there are at the scale. */
  casesAt(scale: number): number;
  /** Tries them. */
  run(assignment: Assignment, findings: Findings): Promise<void>;
}

/** Makes the fuzz ready for {@linkcode harnessOf}. */
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
    // Each seed gives inputs from small to large.
    const count = await tryInputs(fuzz, { seed: (seed + tried) | 0, numRuns }, findings);
    findings.count("fuzz cases", count * fuzz.casesPerInput);
    onProgress((tried + numRuns) * fuzz.casesPerInput, inputs * fuzz.casesPerInput);
  }
}

/** Tries the one input that a finding names, and gives what is found. */
export async function replay<T>(fuzz: Fuzz<T>, place: Place): Promise<Findings> {
  const findings = new Findings();
  await tryInputs(fuzz, { ...place, numRuns: 1, endOnFailure: true }, findings);
  return findings;
}

/** Tries inputs of one seed up to the first that breaks the property, and gives how many those were. */
async function tryInputs<T>(
  fuzz: Fuzz<T>,
  parameters: fc.Parameters<[T]>,
  findings: Findings,
): Promise<number> {
  let hasHung = false;
  const property = fc.asyncProperty(fuzz.inputs, async (input) => {
    // A smaller input would only hang as long.
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

/** Ends a process that goes on calling without an end. */
export function limitCalls(process: SimulatedProcess): SimulatedProcess {
  process.onCall = ({ index }) => {
    if (index > CALLS_MAX) throw new Violation("hung", `there are more than ${CALLS_MAX} calls`);
  };
  return process;
}

const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
const NAMES = PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length);

/** Checks that nothing was put where every object would have it. */
export function checkUnpolluted(): void {
  const isPolluted = PROTOTYPES.some((each, index) =>
    Reflect.ownKeys(each).length !== NAMES[index]
  );
  if (isPolluted) throw new Violation("other", "a prototype of all objects has been changed");
}
