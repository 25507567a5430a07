/**
 * Parses and decides the conditions of `scout diff --fail-if`, such as `cost>+10%`. Pure.
 *
 * @module
 */
import { nearestName } from "../options/nearest_name.ts";
import type { ComparedFigure, FigureName, FigureUnit } from "../stats/compare_stats.ts";
import {
  absoluteOf,
  dividedBy,
  type Fraction,
  fractionOf,
  isGreater,
  productOf,
  sumOf,
} from "./fraction.ts";

/**
 * The words for figures that a user writes in a condition, such as "p95", and the names of these figures in a
 * comparison.
 */
const FIGURES = {
  "cost": "usd",
  "calls": "calls",
  "errors": "errors",
  "error-rate": "errorPct",
  "cost-per-call": "usdPerCall",
  "cost-per-outcome": "usdPerOutcome",
  "p50": "p50Ms",
  "p95": "p95Ms",
  "p99": "p99Ms",
  "duration": "durationMs",
  "tokens-in": "inputTokens",
  "tokens-out": "outputTokens",
  "tokens-per-second": "tokensPerSecond",
  "cache-hit": "cacheHitPct",
  "outcomes": "outcomes",
} as const satisfies Readonly<Record<string, FigureName>>;

/** A word for a figure in a condition of --fail-if, such as "cost" or "p95". */
export type FigureWord = keyof typeof FIGURES;

/** All words for figures in a condition of --fail-if. */
export const FIGURE_WORDS = Object.keys(FIGURES) as readonly FigureWord[];

/** The figures that are percentages, so that a limit without a sign may have a percent sign. */
const PERCENTAGES: readonly FigureWord[] = ["error-rate", "cache-hit"];

/**
 * A parsed condition of --fail-if. For example, `cost>+10%` holds if the cost of B is more than 10 % above the cost of
 * A.
 */
export interface FailCondition {
  /** The condition as the user wrote it. */
  readonly text: string;
  /** The word for the figure that is compared, such as "cost". */
  readonly figure: FigureWord;
  /**
   * The quantity that is compared with the limit: the change of B relative to A in percent, the difference of B and A,
   * or the value of B.
   */
  readonly quantity: "change" | "difference" | "value";
  /** Whether the condition holds above the limit; otherwise it holds below the limit. */
  readonly isAbove: boolean;
  /** The limit, as an exact fraction of the number that the user wrote. */
  readonly limit: Fraction;
}

/** The decision whether a condition of --fail-if holds. */
export interface Decision {
  /** The condition as the user wrote it. */
  readonly condition: string;
  /** Whether the condition holds; null if that cannot be decided. */
  readonly holds: boolean | null;
  /** The value of the figure in A; null if nothing was measured. */
  readonly a: number | null;
  /** The value of the figure in B; null if nothing was measured. */
  readonly b: number | null;
  /** The unit of the values `a` and `b`. */
  readonly unit: FigureUnit;
  /** A remark for the user, such as the reason why the condition cannot be decided; null without a remark. */
  readonly remark: string | null;
}

const CONDITION = /^\s*([a-z][a-z0-9-]*)\s*([<>])\s*([+-]?)(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*$/i;

/**
 * Parses a condition: a figure, `>` or `<`, and a number. `+10%` is the change of B relative to A, `+0.5` is the
 * difference in the unit of the figure, and `0.5` is the value of B.
 *
 * @throws {RangeError} If the text is not a condition, or the figure is unknown.
 */
export function parseFailCondition(text: string): FailCondition {
  const [, word, sign, signOfNumber, number = "", percent] = CONDITION.exec(text) ?? [];
  if (word === undefined) {
    throw new RangeError(
      "not a condition; use cost>+10%, error-rate>+0.5 or p95>2000, in quotes because of the shell",
    );
  }
  const figure = figureOf(word);
  if (percent === "%" && signOfNumber === "" && !PERCENTAGES.includes(figure)) {
    throw new RangeError(
      `not a condition, because ${figure} is not a percentage; use a sign for a change: ${figure}${sign}+${number}%`,
    );
  }
  const limit = fractionOf(signOfNumber === "-" ? `-${number}` : number);
  const isAbove = sign === ">";
  const quantity = signOfNumber === "" ? "value" : percent === "%" ? "change" : "difference";
  return { text, figure, quantity, isAbove, limit };
}

function figureOf(word: string): FigureWord {
  const known = FIGURE_WORDS.find((each) => each === word);
  if (known !== undefined) return known;
  const near = nearestName(word, FIGURE_WORDS);
  throw new RangeError(
    `not a condition, because ${word} is not a figure; ${
      near === undefined ? `use ${FIGURE_WORDS.join(", ")}` : `did you mean ${near}?`
    }`,
  );
}

/** Checks whether a condition is about outcomes, which are counted only with the option `--outcome`. */
export function needsOutcome({ figure }: FailCondition): boolean {
  return figure === "outcomes" || figure === "cost-per-outcome";
}

/**
 * Decides whether a condition holds for the figures of a comparison. The decision uses exact arithmetic, so a change of
 * exactly 10 % is not above 10 %.
 */
export function decide(
  { text, figure, quantity, isAbove, limit }: FailCondition,
  figures: readonly ComparedFigure[],
): Decision {
  const name = FIGURES[figure];
  const { a, b, unit } = figureNamed(name, figures);
  const decision = { condition: text, a, b, unit };
  const undecided = (remark: string): Decision => ({ ...decision, holds: null, remark });
  const sides = quantity === "value" ? ["b"] as const : ["a", "b"] as const;
  for (const side of sides) {
    const shown = side.toUpperCase();
    if (decision[side] === null) return undecided(`${figure} was not measured in ${shown}`);
    if (!Number.isFinite(decision[side])) return undecided(`${figure} is too large in ${shown}`);
  }
  if (quantity === "change" && a === 0 && b !== 0) {
    return undecided(`${figure} is 0 in A, so its relative change is undefined`);
  }
  const isBeyond = (value: Fraction, limit: Fraction) =>
    isAbove ? isGreater(value, limit) : isGreater(limit, value);
  if (quantity === "change" && a === 0) {
    const remark = `${figure} is 0 in A and B, which counts as a change of 0 %`;
    return { ...decision, holds: isBeyond(fractionOf(0), limit), remark };
  }
  const threshold = quantity === "value"
    ? limit
    : thresholdOf(quantity, limit, exactValue(name, "a", figures));
  const holds = isBeyond(exactValue(name, "b", figures), threshold);
  return { ...decision, holds, remark: null };
}

/** Returns the value that B would have if its change or difference were equal to the limit. */
function thresholdOf(quantity: "change" | "difference", limit: Fraction, a: Fraction): Fraction {
  const difference = quantity === "difference"
    ? limit
    : dividedBy(productOf(absoluteOf(a), limit), 100);
  return sumOf(a, difference);
}

/**
 * Returns the exact value of a figure that was measured. The rate of errors is computed again from its counts, because
 * the rate in the figure is rounded.
 */
function exactValue(
  name: FigureName,
  side: "a" | "b",
  figures: readonly ComparedFigure[],
): Fraction {
  const { [side]: value, nA, nB } = figureNamed(name, figures);
  if (name !== "errorPct") return fractionOf(value!);
  const errors = figureNamed("errors", figures)[side]!;
  return dividedBy(fractionOf(100 * errors), side === "a" ? nA : nB);
}

function figureNamed(name: FigureName, figures: readonly ComparedFigure[]): ComparedFigure {
  return figures.find((figure) => figure.name === name)!;
}

/** Returns the message about a condition that holds, cannot be decided or has a remark; null for other conditions. */
export function decisionMessage(
  { condition, holds, a, b, unit, remark }: Decision,
): string | null {
  const values = `A ${shownValue(a, unit)}, B ${shownValue(b, unit)}`;
  if (holds === null) {
    return `cannot decide ${condition}, which counts as a failure: ${remark} (${values})`;
  }
  const reason = remark === null ? "" : `; ${remark}`;
  if (holds) return `${condition} holds: ${values}${reason}`;
  return remark === null ? null : `${condition} does not hold: ${values}${reason}`;
}

/** Returns a value with all its digits, because rounded values could seem to contradict the decision. */
function shownValue(value: number | null, unit: FigureUnit): string {
  if (value === null) return "not measured";
  return unit === "count" ? `${value}` : `${value} ${unit}`;
}
