/**
 * What of many models or types is shown on its own, and what together. Pure.
 *
 * @module
 */
import type { BucketFigures, ModelFigures, Named, TypeFigures } from "./aggregate.ts";

/** Colours that are told apart. */
const SERIES_MAX = 8;
/** Bars that are read at a glance. */
const BARS_MAX = 12;

/** What a model cost in each bucket. */
export interface SpendSeries {
  readonly label: string;
  /** The name of its colour in the style of the page. */
  readonly color: string;
  readonly usd: number;
  readonly values: readonly number[];
}

/** The dearest models that cost anything, and all others as one. */
export function spendSeries(
  { named, others }: Named<ModelFigures>,
  buckets: readonly BucketFigures[],
): SpendSeries[] {
  const models = others === null ? named : [...named, others];
  const costing = models.map((figures, index) => ({ figures, index }))
    .filter(({ figures }) => figures.usd !== 0);
  const { alone, rest } = split(costing, SERIES_MAX, ({ figures }) => figures === others);
  const series = alone.map(({ figures: { name, usd }, index }, place): SpendSeries => ({
    label: labelOf(name),
    color: place < SERIES_MAX ? `s${place}` : "others",
    usd,
    values: buckets.map(({ usdByModel }) => usdByModel[index]!),
  }));
  if (rest.length === 0) return series;
  const sumOf = (usdOf: (index: number) => number) =>
    Math.sumPrecise(rest.map(({ index }) => usdOf(index)));
  return [...series, {
    label: othersLabel(rest.length, others !== null),
    color: "others",
    usd: sumOf((index) => models[index]!.usd),
    values: buckets.map(({ usdByModel }) => sumOf((index) => usdByModel[index]!)),
  }];
}

/** Those that are shown on their own; one that would be the only other is one of them, if it has a name. */
function split<T>(
  all: readonly T[],
  max: number,
  isNameless: (each: T) => boolean,
): { alone: readonly T[]; rest: readonly T[] } {
  const named = all.filter((each) => !isNameless(each));
  const alone = all.length <= max + 1 ? named : named.slice(0, max);
  return { alone, rest: all.filter((each) => !alone.includes(each)) };
}

/** A bar: what it is called, and how long its parts are. */
export interface Bar {
  readonly label: string;
  readonly values: readonly number[];
}

/** The first bars of many, and all others as one. */
export function bars<T extends ModelFigures | TypeFigures>(
  { named, others }: Named<T>,
  valuesOf: (figures: T) => readonly number[],
): Bar[] {
  const all = others === null ? named : [...named, others];
  const { alone, rest } = split(all, BARS_MAX, (figures) => figures === others);
  const shown = alone.map((figures) => ({
    label: labelOf(figures.name),
    values: valuesOf(figures),
  }));
  if (rest.length === 0) return shown;
  const values = rest.map(valuesOf).reduce((sums, more) =>
    sums.map((sum, index) => sum + more[index]!)
  );
  return [...shown, { label: othersLabel(rest.length, others !== null), values }];
}

/** What is shown for a name. */
export function labelOf(name: string | null): string {
  return name ?? "(none)";
}

/** What is shown for the names that came when there were too many. */
export const FURTHER_LABEL = "all further ones";

function othersLabel(count: number, areMore: boolean): string {
  return areMore ? "others" : `${count} others`;
}
