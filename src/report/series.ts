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
  // One that would be the only other is shown by its name.
  const alone = costing.length <= SERIES_MAX + 1 && others === null
    ? costing
    : costing.slice(0, SERIES_MAX);
  const rest = costing.slice(alone.length);
  const series = alone.map(({ figures: { name, usd }, index }, color): SpendSeries => ({
    label: labelOf(name),
    color: `s${color}`,
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
  const alone = all.length <= BARS_MAX + 1 && others === null ? all : all.slice(0, BARS_MAX);
  const rest = all.slice(alone.length);
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
