/**
 * The interface of a workload of the benchmark, and helpers for targets and figures.
 *
 * @module
 */
import type { Row, Target } from "./row.ts";
import type { Stage } from "./stage.ts";

/** A workload of the benchmark. It measures one or several rows of the result table. */
export interface Workload {
  /** ID by which the command line selects the workload, such as "A1". Several workloads may share an ID. */
  readonly id: string;
  readonly area: "append" | "read" | "start" | "fleet" | "llm";
  readonly name: string;
  run(stage: Stage): Promise<Row[]>;
}

/** Returns a target that the figure should reach or exceed. */
export function atLeast(value: number): Target {
  return { sense: "at least", value };
}

/** Returns a target that the figure should not exceed. */
export function atMost(value: number): Target {
  return { sense: "at most", value };
}

/** Formats a rate per second. */
export function shownRate(perSecond: number, unit = "events"): string {
  return `${Math.round(perSecond).toLocaleString("en")} ${unit}/s`;
}

/** Converts bytes to mebibytes. */
export function mebibytes(bytes: number): number {
  return bytes / (1024 * 1024);
}
