/**
 * The interface of the fault harnesses: what a harness has to run, and what it found.
 *
 * @module
 */
import { messageOf } from "../../src/errors.ts";
import { SeededRandom } from "../seeded_random.ts";

/** The kinds of faults. "lost" to "torn" concern events, "hung" a call that does not end. */
export const FAULT_KINDS = ["lost", "doubled", "reordered", "torn", "hung", "other"] as const;

/** One of {@linkcode FAULT_KINDS}; "other" means any other broken promise. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A broken promise. */
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

/** The work of a harness. */
export interface Assignment {
  /** Seed of all random choices. The same seed repeats the same cases. */
  readonly seed: number;
  /** 1 runs all cases, 10 runs ten times as many, and 0.1 a tenth of them, chosen at random. */
  readonly scale: number;
  /** Called now and then with the number of completed cases. */
  readonly onProgress: (done: number, of: number) => void;
  /** Ends the run early if it returns `true`. By default, the run is never ended early. */
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
 * Share of the cases of a round that run at scale 1. Rounds 0 and 1 use different sizes; with half of the cases each,
 * both together take as long as one whole round.
 */
export const SHARE_OF_ROUND = 0.5;

/** A fault harness. */
export interface Harness {
  /** The action of the harness, in two or three words. */
  readonly name: string;
  /** Runs its cases. Faults are returned as findings, not thrown. */
  run(assignment: Assignment): Promise<Findings>;
}

/** The results of a harness. */
export class Findings {
  /** Number of completed cases by their name, as in "power-loss states" -> 20,000. */
  readonly tried = new Map<string, number>();
  /** Kinds of cases that were run, as in "errors: two writers". */
  readonly reached = new Set<string>();
  /** Faults. Each text describes the fault and how to repeat the case. */
  readonly faults: { readonly kind: FaultKind; readonly text: string }[] = [];
  /** Skipped parts, and how to enable them: "strace is missing: apt-get install strace". */
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
/** Maximum time that in-memory cases block the event loop. After that, the event loop turns once for other cases. */
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
