/**
 * What the fault harnesses have in common: how they are told what to try, and how they tell what they
 * found.
 *
 * @module
 */
import { messageOf } from "../../src/errors.ts";
import { SeededRandom } from "../seeded_random.ts";

/** What may become of an event that should not, or of the one who asks for it. */
export const FAULT_KINDS = ["lost", "doubled", "reordered", "torn", "hung", "other"] as const;

/** One of {@linkcode FAULT_KINDS}; "other" is whatever else a promise was broken by. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A broken promise. */
export class Violation extends Error {
  /** The name of the class. */
  override readonly name = "Violation";
  /** What was broken. */
  readonly kind: FaultKind;

  /** Makes the violation; the message says what was found where. */
  constructor(kind: FaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What a harness is to do. */
export interface Assignment {
  /** Whatever is random comes from it, so that the same seed tries the same cases. */
  readonly seed: number;
  /** 1 for all cases of the gate, 10 for ten times as many, 0.1 for a tenth of them, drawn at random. */
  readonly scale: number;
  /** Told now and then how many of the cases are done. */
  readonly onProgress: (done: number, of: number) => void;
  /** Ends the run early when it returns `true`; by default no fault does. */
  readonly isEnough?: (faults: Findings["faults"]) => boolean;
}

/**
 * Returns a function that decides for each case whether it is tried: at a scale below 1 that share of all
 * cases, whichever workload they belong to, so that a small run touches all of them.
 */
export function drawing(seed: string, scale: number): () => boolean {
  if (scale >= 1) return () => true;
  const random = new SeededRandom(`${seed} drawing`);
  return () => random.below(1_000_000) < scale * 1_000_000;
}

/** How much of a round of cases is tried at scale 1, so that two rounds with other sizes take no longer. */
export const SHARE_OF_ROUND = 0.5;

/** A harness: `tried` names what it counts. */
export interface Harness {
  /** What it does, in two or three words. */
  readonly name: string;
  /** Tries all its cases; finding faults is no error. */
  run(assignment: Assignment): Promise<Findings>;
}

/** What a harness found. */
export class Findings {
  /** How many of what were tried: "power-loss states" -> 20,000. */
  readonly tried = new Map<string, number>();
  /** The kinds of cases that were tried: "errors: two writers". */
  readonly reached = new Set<string>();
  /** The faults; each text says what was found and how to try the case again. */
  readonly faults: { readonly kind: FaultKind; readonly text: string }[] = [];
  /** What was not tried, and what has to be done for that: "strace is missing: apt-get install strace". */
  readonly skipped: string[] = [];

  /** Counts cases that were tried. */
  count(what: string, cases = 1): void {
    this.tried.set(what, (this.tried.get(what) ?? 0) + cases);
  }

  /** Takes down what a check threw, of the case that `place` describes. */
  add(place: string, error: unknown): void {
    const kind = error instanceof Violation ? error.kind : "other";
    this.faults.push({ kind, text: `${place}: ${messageOf(error)}` });
  }
}

/** How long a case may take that is over in milliseconds, if it ends at all. */
const HANGS_AFTER_MS = 30_000;
/** How long cases in memory may keep the event loop from what else is in it. */
const TURN_MS = 10;

let lastTurnMs = performance.now();

/**
 * Gives what the case comes to. Cases of which none waits for the system would keep those waiting that
 * do, and their timers would take them for hung; so the event loop turns now and then.
 *
 * @throws {Violation} when it does not end.
 */
export async function withinTime<T>(running: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Violation("hung", `not over after ${HANGS_AFTER_MS / 1000} s`)),
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
