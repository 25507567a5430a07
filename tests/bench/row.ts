/**
 * A figure that the benchmark measures, and its target. Pure.
 *
 * @module
 */

/** A limit that a figure should reach, or not exceed. */
export interface Target {
  readonly sense: "at least" | "at most";
  readonly value: number;
}

/** A row of the result table: one figure, with one sample for each round of the measurement. */
export interface Row {
  /** ID of the workload, such as "A1". */
  readonly id: string;
  readonly name: string;
  /**
   * The unit of the samples. "x": the ratio of two programs that ran in alternating rounds. "M/s": millions per second.
   */
  readonly unit: "x" | "ms" | "us" | "%" | "MiB" | "MB" | "M/s";
  /** The target, or `null` if the figure is only reported. */
  readonly target: Target | null;
  readonly samples: readonly number[];
  /** A text with absolute figures that explain the samples, such as the rates behind a ratio. */
  readonly note: string;
}

/** The result of a row: its median meets the target, misses the target, or has no target ("-"). */
export type Verdict = "met" | "missed" | "-";

/** Returns the median of the samples. */
export function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? NaN;
}

/** Returns whether the median of a row meets the target of the row. */
export function verdictOf({ samples, target }: Row): Verdict {
  if (target === null) return "-";
  const value = median(samples);
  const isMet = target.sense === "at least" ? value >= target.value : value <= target.value;
  return isMet ? "met" : "missed";
}

/** Formats a target, as in `>= 1.25`. */
export function shownTarget(target: Target | null): string {
  if (target === null) return "";
  return `${target.sense === "at least" ? ">=" : "<="} ${target.value}`;
}

/** Formats a figure with about three significant digits. */
export function shownFigure(value: number): string {
  if (!Number.isFinite(value)) return "none";
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(Math.abs(value) < 0.1 ? 3 : digits);
}
