/**
 * The interface of the fault harnesses, which inject faults into logs: their assignment and their findings.
 *
 * @module
 */
import { messageOf } from "../../src/errors.ts";
import { SeededRandom } from "../seeded_random.ts";

/** The kinds of faults. From "lost" to "torn" they concern events; "hung" is a call that does not end. */
export const FAULT_KINDS = ["lost", "doubled", "reordered", "torn", "hung", "other"] as const;

/** One of {@linkcode FAULT_KINDS}. "other" is any other broken promise of the log. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The error of a case in which the log has broken a promise, for example lost an event. */
export class Violation extends Error {
  /** The name of the class. */
  override readonly name = "Violation";
  /** The kind of fault. */
  readonly kind: FaultKind;

  /** Creates a violation. The message describes what was found and where. */
  constructor(kind: FaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The assignment of a harness: how many cases to run, with which seed. */
export interface Assignment {
  /** Seed of all random choices. The same seed repeats the same cases. */
  readonly seed: number;
  /**
   * The number of cases: 1 runs all cases, 10 runs ten times as many, and 0.1 runs a tenth of them, chosen at random.
   */
  readonly scale: number;
  /** Called from time to time with the number of completed cases. */
  readonly onProgress: (done: number, of: number) => void;
  /**
   * The run ends early if this function returns `true` for the findings so far. By default, the run never ends early.
   */
  readonly isEnough?: (faults: Findings["faults"]) => boolean;
}

/**
 * Returns a function that decides whether to run the next case. At a scale below 1 this function chooses that share of
 * all cases at random, so that even a small run includes every workload.
 */
export function drawing(seed: string, scale: number): () => boolean {
  if (scale >= 1) return () => true;
  const random = new SeededRandom(`${seed} drawing`);
  return () => random.below(1_000_000) < scale * 1_000_000;
}

/**
 * Share of the cases of a round that run at scale 1. Rounds 0 and 1 use different sizes of files. With half of the
 * cases each, both rounds together take as long as one whole round.
 */
export const SHARE_OF_ROUND = 0.5;

/** A fault harness: a program that injects faults into logs and checks that the logs keep their promises. */
export interface Harness {
  /** The action of the harness, in two or three words. */
  readonly name: string;
  /** Runs its cases. Faults of the log are returned as findings, and are not thrown. */
  run(assignment: Assignment): Promise<Findings>;
}

/** The results of a harness. */
export class Findings {
  /** Number of completed cases by their name, as in "power-loss states" -> 20,000. */
  readonly tried = new Map<string, number>();
  /** Names of the kinds of cases that were run, such as "errors: two writers". */
  readonly reached = new Set<string>();
  /** Faults. Each text describes the fault and how to repeat the case. */
  readonly faults: { readonly kind: FaultKind; readonly text: string }[] = [];
  /** The parts that were skipped, each with the reason and the remedy: "strace is missing: apt-get install strace". */
  readonly skipped: string[] = [];

  /** Adds to the number of cases that were run. */
  count(what: string, cases = 1): void {
    this.tried.set(what, (this.tried.get(what) ?? 0) + cases);
  }

  /** Records an error as a finding. `place` describes the case in which the error was thrown. */
  add(place: string, error: unknown): void {
    const kind = error instanceof Violation ? error.kind : "other";
    this.faults.push({ kind, text: `${place}: ${messageOf(error)}` });
  }
}

/** Time in milliseconds after which a case counts as hung. A case normally ends within milliseconds. */
const HANGS_AFTER_MS = 30_000;
/**
 * Maximum time in milliseconds for which in-memory cases block the event loop. Then the loop turns once for other
 * cases.
 */
const TURN_MS = 10;

let lastTurnMs = performance.now();

/**
 * Resolves with the result of the case. In-memory cases never wait for the system. Without a break they would starve
 * the cases that wait, and the timers of those cases would report a hang. Therefore the event loop turns now and then.
 *
 * @throws {Violation} If the case does not end in time.
 */
export async function withinTime<T>(running: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Violation("hung", `the case did not end within ${HANGS_AFTER_MS / 1000} s`)),
    HANGS_AFTER_MS,
  );
  try {
    return await Promise.race([running, promise]);
  } finally {
    clearTimeout(timer);
    if (performance.now() - lastTurnMs > TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      lastTurnMs = performance.now();
    }
  }
}
