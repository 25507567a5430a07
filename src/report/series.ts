/**
 * Decides which groups and types are shown separately, and which are combined as "others". Pure.
 *
 * @module
 */
import type { TypeFigures } from "./aggregate.ts";
import type { BucketFigures } from "./bucket_content.ts";
import type { GroupFigures, Named } from "./groups.ts";

/** Maximum number of groups with a separate series. The page has this number of colors. Other groups are combined. */
const SERIES_MAX = 8;
/** Maximum number of names with a separate bar, so that a chart is readable at a glance. Other names are combined. */
const BARS_MAX = 12;

/** The spend of a group, or of several combined groups, in each time bucket. */
export interface SpendSeries {
  readonly label: string;
  /** The CSS variable that holds the color of the series. */
  readonly color: string;
  readonly usd: number;
  readonly values: readonly number[];
}

/** Returns a series for each of the most expensive groups, and one series for all other groups that have a cost. */
export function spendSeries(
  { named, others }: Named<GroupFigures>,
  buckets: readonly BucketFigures[],
): SpendSeries[] {
  const groups = others === null ? named : [...named, others];
  const costing = groups.map((figures, index) => ({ figures, index }))
    .filter(({ figures }) => figures.usd !== 0);
  const { alone, rest } = split(costing, SERIES_MAX, ({ figures }) => figures === others);
  const series = alone.map(({ figures: { name, usd }, index }, place): SpendSeries => ({
    label: labelOf(name),
    color: place < SERIES_MAX ? `s${place}` : "others",
    usd,
    values: buckets.map(({ usdByGroup }) => usdByGroup[index]!),
  }));
  if (rest.length === 0) return series;
  const sumOf = (usdOf: (index: number) => number) =>
    Math.sumPrecise(rest.map(({ index }) => usdOf(index)));
  return [...series, {
    label: othersLabel(rest.length, others !== null),
    color: "others",
    usd: sumOf((index) => groups[index]!.usd),
    values: buckets.map(({ usdByGroup }) => sumOf((index) => usdByGroup[index]!)),
  }];
}

/**
 * Splits items into `alone`, which are shown separately, and `rest`, which are combined. `rest` is never a single named
 * item, because such an item can be shown with its name.
 */
function split<T>(
  all: readonly T[],
  max: number,
  isNameless: (each: T) => boolean,
): { alone: readonly T[]; rest: readonly T[] } {
  const named = all.filter((each) => !isNameless(each));
  const alone = all.length <= max + 1 ? named : named.slice(0, max);
  return { alone, rest: all.filter((each) => !alone.includes(each)) };
}

/** Returns the groups in descending order of their tokens. Groups with the same number of tokens keep their order. */
export function byTokens({ named, others }: Named<GroupFigures>): Named<GroupFigures> {
  const tokensOf = ({ inputTokens, outputTokens }: GroupFigures) => inputTokens + outputTokens;
  return { named: named.toSorted((a, b) => tokensOf(b) - tokensOf(a)), others };
}

/** A bar with its label and the lengths of its parts. */
export interface Bar {
  /** The name of the group or type; null if it is missing, or if the bar combines several. */
  readonly name: string | null;
  readonly label: string;
  readonly values: readonly number[];
}

/**
 * Returns a separate bar for each of the first `BARS_MAX` names, and one bar for all other names together. A single
 * further name has its own bar.
 */
export function bars<T extends GroupFigures | TypeFigures>(
  { named, others }: Named<T>,
  valuesOf: (figures: T) => readonly number[],
): Bar[] {
  const all = others === null ? named : [...named, others];
  const { alone, rest } = split(all, BARS_MAX, (figures) => figures === others);
  const shown = alone.map((figures) => ({
    name: figures.name,
    label: labelOf(figures.name),
    values: valuesOf(figures),
  }));
  if (rest.length === 0) return shown;
  const values = rest.map(valuesOf).reduce((sums, more) =>
    sums.map((sum, index) => sum + more[index]!)
  );
  return [...shown, { name: null, label: othersLabel(rest.length, others !== null), values }];
}

/** Returns the label of a group or an event type by its name; null means that the name is missing. */
export function labelOf(name: string | null): string {
  return name ?? "(none)";
}

/** The label of the table row that combines all names without a separate row. */
export const FURTHER_LABEL = "all others";

function othersLabel(count: number, areMore: boolean): string {
  return areMore ? "others" : `${count} others`;
}
