/**
 * What can be measured.
 *
 * @module
 */
import type { Row, Target } from "./row.ts";
import type { Stage } from "./stage.ts";

/** Something to measure, which gives one row or several. */
export interface Workload {
  /** As the list of targets numbers it. */
  readonly id: string;
  readonly area: "append" | "read" | "fleet";
  readonly name: string;
  run(stage: Stage): Promise<Row[]>;
}

/** To be reached or passed. */
export function atLeast(value: number): Target {
  return { sense: "at least", value };
}

/** Not to be passed. */
export function atMost(value: number): Target {
  return { sense: "at most", value };
}

/** So many thousand a second, or million. */
export function shownRate(perSecond: number, unit = "events"): string {
  return `${Math.round(perSecond).toLocaleString("en")} ${unit}/s`;
}

/** Bytes in binary megabytes. */
export function mebibytes(bytes: number): number {
  return bytes / (1024 * 1024);
}
