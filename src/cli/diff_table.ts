/**
 * Formats the comparison of two sources (A and B of `scout diff`) as lines for a terminal.
 *
 * @module
 */
import stringWidth from "string-width";
import { counted, shownInstant, shownNumber, shownUsd } from "../shown.ts";
import type {
  ComparedFigure,
  ComparedGroup,
  FigureName,
  FigureUnit,
  StatsComparison,
} from "../stats/compare_stats.ts";
import type { FailureReason } from "../rollup/failure_reasons.ts";
import type { Interval } from "../stats/intervals.ts";
import type { StatsGroup } from "../stats/stats.ts";
import { cut } from "./fit.ts";
import { styled } from "./terminal.ts";

/** Options of {@linkcode diffLines}. */
export interface DiffFormat {
  /** Whether outcomes were counted, which needs the option `--outcome`. If not, their figures are not shown. */
  readonly hasOutcomes: boolean;
  /** Whether to show a table of the groups (such as models) that both sources have. */
  readonly hasGroups: boolean;
  readonly timeZone: string;
  /** Maximum width of a line in columns. */
  readonly columns: number;
}

/**
 * Minimum number of values on each side. With fewer, a rate and the interval of a difference say too little and are not
 * shown.
 */
const COUNT_MIN = 20;
/** Maximum number of groups, and of failure reasons, in a list. */
const LISTED_MAX = 10;
const TOO_FEW = "too few";
const NOTHING = "-";
const MARK = "*";
const NAME_WIDTH = 40;

const LABELS: Readonly<Record<FigureName, string>> = {
  events: "events",
  calls: "calls",
  errors: "errors",
  usd: "cost",
  inputTokens: "tokens in",
  outputTokens: "tokens out",
  outcomes: "outcomes",
  errorPct: "errors %",
  usdPerCall: "cost/call",
  durationMs: "duration",
  p50Ms: "p50",
  p95Ms: "p95",
  p99Ms: "p99",
  tokensPerSecond: "tokens/s",
  cacheHitPct: "cache hit %",
  usdPerOutcome: "cost/outcome",
};
const OUTCOME_FIGURES: readonly FigureName[] = ["outcomes", "usdPerOutcome"];

/** Returns the comparison of two sources as lines that are at most `columns` wide. */
export function diffLines(comparison: StatsComparison, format: DiffFormat): string[] {
  const { columns } = format;
  const { figures, groups, newGroups, goneGroups, newFailures, goneFailures } = comparison;
  const by = cut(comparison.by.join(", "), NAME_WIDTH);
  const shown = figures.filter(({ name }) => format.hasOutcomes || !OUTCOME_FIGURES.includes(name));
  const listed = format.hasGroups ? groups.slice(0, LISTED_MAX) : [];
  const hasMarks = shown.some(isMarked) || listed.some(isMarkedGroup);
  return [
    ...figureTable(shown, columns),
    ...listed.length === 0 ? [] : ["", ...groupTable(by, groups, columns)],
    ...hasMarks ? [cut(`${MARK} The interval of the difference leaves out 0.`, columns)] : [],
    ...sectionOf([
      ...groupLines(`new ${by}`, newGroups, by),
      ...groupLines(`gone ${by}`, goneGroups, by),
    ], columns),
    ...sectionOf([
      ...failureLines("new failure", newFailures, format.timeZone),
      ...failureLines("gone failure", goneFailures, format.timeZone),
    ], columns),
  ];
}

/**
 * Checks whether a figure gets a mark: its interval is shown and leaves out 0, so the difference is unlikely to be
 * chance.
 */
function isMarked(figure: ComparedFigure): boolean {
  const { interval } = figure;
  return interval !== null && !hasTooFew(figure) && (interval.low > 0 || interval.high < 0);
}

function hasTooFew({ nA, nB }: ComparedFigure): boolean {
  return nA < COUNT_MIN || nB < COUNT_MIN;
}

/** A row of a table. The first cell is aligned left, the others right. */
interface TableRow {
  readonly cells: readonly string[];
  readonly isMarked: boolean;
}

/** The precision of a table: the number of significant digits, and the number of blanks between columns. */
interface Precision {
  readonly digits: number;
  readonly gap: number;
}

/** Number of significant digits of a number in a table. With at least this many, totals are shown exactly. */
const EXACT_DIGITS = 6;
/** The precisions to try, one after the other, until a table is narrow enough for the terminal. */
const PRECISIONS: readonly Precision[] = [
  { digits: EXACT_DIGITS, gap: 2 },
  { digits: EXACT_DIGITS, gap: 1 },
  { digits: 4, gap: 1 },
  { digits: 3, gap: 1 },
];
/** Minimum width in columns to which the first column of a table is narrowed, if its cells are wider. */
const LABEL_WIDTH_MIN = 14;

function figureTable(figures: readonly ComparedFigure[], columns: number): string[] {
  const header = ["", "A", "B", "B - A", "change", "95 % interval", "N A/B"];
  return fittingTable(header, (digits) =>
    figures.map((figure) => ({
      cells: [labelOf(figure), ...figureCells(figure, digits)],
      isMarked: isMarked(figure),
    })), columns);
}

function labelOf(figure: ComparedFigure): string {
  return isMarked(figure) ? `${LABELS[figure.name]} ${MARK}` : LABELS[figure.name];
}

function figureCells(figure: ComparedFigure, digits: number): string[] {
  const { kind, unit, a, b, nA, nB, difference, changePct } = figure;
  const isUncertain = kind === "rate" && hasTooFew(figure);
  const hasInterval = kind === "rate" || kind === "mean" || kind === "quantile";
  return [
    valueCell(figure, "a", digits),
    valueCell(figure, "b", digits),
    difference === null || isUncertain
      ? NOTHING
      : signed(difference, (amount) => shownFigure(amount, unit, digits)),
    changePct === null || isUncertain ? NOTHING : signed(changePct, shownChange),
    hasInterval ? intervalCell(figure, digits) : "",
    hasInterval && (a !== null || b !== null)
      ? `${shownCount(nA, digits)}/${shownCount(nB, digits)}`
      : "",
  ];
}

function valueCell(figure: ComparedFigure, side: "a" | "b", digits: number): string {
  const value = figure[side];
  if (value === null) return NOTHING;
  const count = side === "a" ? figure.nA : figure.nB;
  return figure.kind === "rate" && count < COUNT_MIN
    ? TOO_FEW
    : shownFigure(value, figure.unit, digits);
}

function intervalCell(figure: ComparedFigure, digits: number): string {
  const { a, b, unit, interval } = figure;
  if (a === null || b === null) return NOTHING;
  return interval === null || hasTooFew(figure) ? TOO_FEW : shownInterval(interval, unit, digits);
}

function groupTable(by: string, groups: readonly ComparedGroup[], columns: number): string[] {
  const header = [by, "calls A", "B", "errors % A", "B", "p95 A", "B", "cost A", "B"];
  const lines = fittingTable(
    header,
    (digits) =>
      groups.slice(0, LISTED_MAX).map((group) => ({
        cells: [
          keyText(group.key, by),
          ...GROUP_FIGURES.flatMap((name) => groupCells(name, group.figures, digits)),
        ],
        isMarked: isMarkedGroup(group),
      })),
    columns,
  );
  return [...lines, ...moreLines(groups.length, "groups").map((line) => cut(line, columns))];
}

/** The figures that the table of groups shows for each group. */
const GROUP_FIGURES: readonly FigureName[] = ["calls", "errorPct", "p95Ms", "usd"];

function isMarkedGroup({ figures }: ComparedGroup): boolean {
  return figures.some((figure) => GROUP_FIGURES.includes(figure.name) && isMarked(figure));
}

function groupCells(
  name: FigureName,
  figures: readonly ComparedFigure[],
  digits: number,
): string[] {
  const figure = figures.find((each) => each.name === name)!;
  const b = valueCell(figure, "b", digits);
  return [valueCell(figure, "a", digits), isMarked(figure) ? `${b}${MARK}` : b];
}

/**
 * Returns a table whose lines are at most `columns` wide. If a table is too wide, tries the next precision in
 * {@linkcode PRECISIONS}: first a narrower gap, then fewer digits. If no precision is narrow enough, cuts the lines.
 */
function fittingTable(
  header: readonly string[],
  rowsOf: (digits: number) => readonly TableRow[],
  columns: number,
): string[] {
  const tables = PRECISIONS.map(({ digits, gap }) => {
    const rows = rowsOf(digits);
    const cells = [header, ...rows.map(({ cells }) => cells)];
    return { rows, lines: alignedLines(cells, { gap, columns }) };
  });
  const isNarrow = (lines: readonly string[]) =>
    lines.every((line) => stringWidth(line) <= columns);
  const { rows, lines } = tables.find(({ lines }) => isNarrow(lines)) ?? tables.at(-1)!;
  return lines.map((line, n) => {
    const shown = cut(line, columns);
    if (n === 0) return styled("bold", shown);
    return rows[n - 1]!.isMarked ? styled("yellow", shown) : shown;
  });
}

/** Returns rows as lines with aligned cells. The labels in the first column are cut if the lines would be too wide. */
function alignedLines(
  rows: readonly (readonly string[])[],
  { gap, columns }: { readonly gap: number; readonly columns: number },
): string[] {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((cells) => stringWidth(cells[column]!)))
  );
  const rest = widths.slice(1).reduce((sum, width) => sum + gap + width, 0);
  const labelWidth = Math.min(widths[0]!, Math.max(LABEL_WIDTH_MIN, columns - rest));
  return rows.map(([label = "", ...cells]) => {
    const shown = cut(label, labelWidth);
    const aligned = cells.map((cell, n) =>
      " ".repeat(gap + widths[n + 1]! - stringWidth(cell)) + cell
    );
    return (shown + " ".repeat(labelWidth - stringWidth(shown)) + aligned.join("")).trimEnd();
  });
}

/** Returns the lines of a section with an empty line before them. If the section has no lines, returns none. */
function sectionOf(lines: readonly string[], columns: number): string[] {
  return lines.length === 0 ? [] : ["", ...lines.map((line) => cut(line, columns))];
}

function groupLines(title: string, groups: readonly StatsGroup[], by: string): string[] {
  const lines = groups.slice(0, LISTED_MAX).map(({ key, calls, cost, usd }) => {
    const amount = cost === null ? "no cost" : shownUsd(usd);
    return `${title}: ${cut(keyText(key, by), NAME_WIDTH)}, ${counted(calls, "call")}, ${amount}`;
  });
  return [...lines, ...moreLines(groups.length, `${title}s`)];
}

function keyText(key: StatsGroup["key"], by: string): string {
  return key.map((value) => value ?? `(no ${by})`).join(", ");
}

function failureLines(
  title: string,
  failures: readonly FailureReason[],
  timeZone: string,
): string[] {
  const lines = failures.slice(0, LISTED_MAX).flatMap(({ reason, count, example }) => {
    const { ts, event, session_id } = example;
    const place = [
      ...ts === null ? [] : [shownInstant(ts, timeZone)],
      ...event === null ? [] : [event],
      ...session_id === null ? [] : [`session ${session_id}`],
    ].map((part) => cut(part, NAME_WIDTH)).join(", ");
    return [
      `${title} reason, ${counted(count, "time")}: ${reason}`,
      `  example: ${place === "" ? "" : `${place}: `}${example.text}`,
    ];
  });
  return [...lines, ...moreLines(failures.length, `${title} reasons`)];
}

/** Returns a line that states how many items a list leaves out; no line if the list is complete. */
function moreLines(count: number, items: string): string[] {
  const more = count - LISTED_MAX;
  return more <= 0 ? [] : [`and ${shownNumber(more)} more ${items}; --json lists all`];
}

/**
 * Formats a value of a figure. Totals below a million are always exact. With {@linkcode EXACT_DIGITS} digits or more,
 * all totals are.
 */
function shownFigure(value: number, unit: FigureUnit, digits: number): string {
  if (unit === "ms") return shownMs(value);
  if (unit === "USD") return shownMoney(value, digits);
  const isTotal = unit === "count" || unit === "tokens";
  return isTotal && (digits >= EXACT_DIGITS || value < TOTAL_MAX)
    ? shownNumber(value)
    : shownPlain(value, PLAIN_DIGITS);
}

/** A total from this number on is rounded if the table would be too wide otherwise. */
const TOTAL_MAX = 1e6;
/** Number of significant digits of percentages, speeds and durations. */
const PLAIN_DIGITS = 3;

function shownMoney(usd: number, digits: number): string {
  if (digits < EXACT_DIGITS && usd >= 1_000) return `$${shownPlain(usd, digits)}`;
  return shownUsd(usd >= 1 ? usd : Number(usd.toPrecision(digits)));
}

const UNITS_MS = [["h", 3_600_000], ["min", 60_000], ["s", 1_000], ["ms", 0]] as const;

/** Returns the largest unit in which a duration is at least 1, and the size of the unit in milliseconds. */
function unitOf(ms: number): [unit: string, sizeMs: number] {
  const rounded = Number(ms.toPrecision(PLAIN_DIGITS));
  const [unit, sizeMs] = UNITS_MS.find(([, sizeMs]) => rounded >= sizeMs)!;
  return [unit, sizeMs || 1];
}

/** Formats a duration in one unit, such as `1.5 h`, because two units would take more space in a table. */
function shownMs(ms: number): string {
  const [unit, sizeMs] = unitOf(ms);
  return `${shownPlain(ms / sizeMs, PLAIN_DIGITS)} ${unit}`;
}

/** Formats a number with the given number of significant digits. Large numbers are shortened, such as 12.3K. */
function shownPlain(value: number, digits: number): string {
  const rounded = Number(value.toPrecision(digits));
  if (!Number.isFinite(rounded)) return String(value);
  if (rounded < 10_000) return String(rounded);
  const options = { notation: "compact", maximumSignificantDigits: digits } as const;
  return new Intl.NumberFormat("en", options).format(rounded);
}

/** Formats the number of values from which a figure was computed. Large numbers are rounded. */
function shownCount(count: number, digits: number): string {
  return count < 10_000 ? String(count) : shownPlain(count, Math.min(PLAIN_DIGITS, digits - 1));
}

/** Formats a relative change in percent, without its sign, such as "12.5 %". */
function shownChange(pct: number): string {
  return `${pct < 1_000 ? pct.toFixed(1) : shownPlain(pct, PLAIN_DIGITS)} %`;
}

/** Formats a number with its sign. `format` formats the number without a sign. */
function signed(value: number, format: (amount: number) => string): string {
  return `${value > 0 ? "+" : value < 0 ? "-" : ""}${format(Math.abs(value))}`;
}

/**
 * Formats an interval, such as "-0.2 to +1.5". Both ends have the unit and the decimals of the end that is farther from
 * 0. The units of amounts and percentages are left out, because other columns show them.
 */
function shownInterval({ low, high }: Interval, unit: FigureUnit, digits: number): string {
  const farthest = Math.max(Math.abs(low), Math.abs(high));
  const [name, size] = unit === "ms" ? unitOf(farthest) : ["", 1];
  const significant = unit === "USD" ? Math.min(PLAIN_DIGITS, digits - 1) : PLAIN_DIGITS;
  const decimals = decimalsOf(farthest / size, significant);
  const format = (amount: number) =>
    amount < 10_000 ? amount.toFixed(decimals) : shownPlain(amount, significant);
  return `${signed(low / size, format)} to ${signed(high / size, format)} ${name}`.trimEnd();
}

/** Returns the number of decimals that a number needs to show `digits` significant digits. */
function decimalsOf(value: number, digits: number): number {
  if (value === 0) return 0;
  return Math.min(DECIMALS_MAX, Math.max(0, digits - 1 - Math.floor(Math.log10(value))));
}

/** Maximum number of decimals of the ends of an interval. More decimals would make the table too wide. */
const DECIMALS_MAX = 12;
