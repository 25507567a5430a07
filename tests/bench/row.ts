/**
 * What is measured and what it should come to. Pure.
 *
 * @module
 */

/** A figure that is to be reached. */
export interface Target {
  readonly sense: "at least" | "at most";
  readonly value: number;
}

/** A row of the table: a figure of each round. */
export interface Row {
  /** As the list of targets numbers it. */
  readonly id: string;
  readonly name: string;
  /** "x" is a ratio of two things that took turns, "M/s" a million in a second. */
  readonly unit: "x" | "ms" | "us" | "MiB" | "MB" | "M/s";
  /** Null where it is only to be known. */
  readonly target: Target | null;
  readonly samples: readonly number[];
  /** What else is worth knowing, in absolute figures. */
  readonly note: string;
}

/** How a row came out. */
export type Verdict = "met" | "missed" | "-";

/** The middle one of the samples. */
export function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? NaN;
}

/** Whether the median reaches the target. */
export function verdictOf({ samples, target }: Row): Verdict {
  if (target === null) return "-";
  const value = median(samples);
  const isMet = target.sense === "at least" ? value >= target.value : value <= target.value;
  return isMet ? "met" : "missed";
}

/** A target for reading: `>= 1.25`. */
export function shownTarget(target: Target | null): string {
  if (target === null) return "";
  return `${target.sense === "at least" ? ">=" : "<="} ${target.value}`;
}

/** A figure of three digits, or what is before its point. */
export function shownFigure(value: number): string {
  if (!Number.isFinite(value)) return "none";
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(Math.abs(value) < 0.1 ? 3 : digits);
}
