/**
 * Formats events as lines for people, in aligned columns: time, type, cost, model, tokens, other fields.
 *
 * @module
 */
import stringWidth from "string-width";
import { SHA256 } from "../line/digest.ts";
import type { AuditEvent } from "../event.ts";
import { shownNumber, shownTime, shownUsd } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { cut } from "./fit.ts";
import { joinPieces, type Piece, type Style } from "./terminal.ts";

/** The options of {@linkcode EventLines}. */
export interface EventLineOptions {
  readonly timeZone: string;
  /** The width of the terminal in columns; with `Infinity` no field is cut. */
  readonly columns: number;
  /** Whether a header line is shown. If so, each column is at least as wide as its name in the header. */
  readonly hasHeader: boolean;
}

const GAP = "  ";
const COLUMN_NAMES = ["type", "cost", "model", "tokens"] as const;
type Column = typeof COLUMN_NAMES[number];
/** The minimum widths of the columns, in columns of the terminal. */
export type Widths = Readonly<Record<Column, number>>;

const NO_WIDTHS: Widths = { type: 0, cost: 0, model: 0, tokens: 0 };
/** The initial column widths if events are shown as they arrive, because later events cannot be measured yet. */
export const USUAL_WIDTHS: Widths = {
  type: "validation_fail".length,
  cost: "$0.000413".length,
  model: "small".length,
  tokens: "200 in, 56 out".length,
};
/**
 * The initial column widths if calls are shown as they end. Few calls have a model and tokens, so these columns start
 * with a width of 0.
 */
export const SPAN_WIDTHS: Widths = {
  ...NO_WIDTHS,
  type: "tool_call".length,
  cost: "$0.000413".length,
};
/** Maximum width to which the cells of a column are padded, so that one long cell does not widen every line. */
const ALIGNED_COLUMNS_MAX = 32;
/** Maximum share of the terminal width for one field. Longer fields are cut, so that later fields stay visible. */
const FIELD_SHARE = 0.4;
/** Maximum share of the terminal width for an event type or a model. Longer names are cut. */
const COLUMN_SHARE = 0.2;
/** Minimum width in columns to which a field is cut, so that every event type of this library is shown in full. */
const FIELD_COLUMNS_MIN = "tldr_auto_generated".length;

/** The fields that have a column or are never shown. All other fields follow the columns as NAME=VALUE. */
const PLACED = new Set(["ts", "event", "session_id", "cost", "model", "input_t", "output_t"]);

/** The event fields that explain a failure. They are listed before all other fields. */
const EXPLAINING: readonly string[] = ["error", "reason"];

/**
 * The forms in which a time is shown, widest first. A terminal with at least `fromColumns` columns shows the characters
 * of the time from `start` to `end`.
 */
const TIME_FORMS = [
  { fromColumns: 100, start: 0, end: "2026-02-13 14:30:22.123".length },
  { fromColumns: 70, start: 0, end: "2026-02-13 14:30:22".length },
  { fromColumns: 60, start: "2026-".length, end: "2026-02-13 14:30:22".length },
  { fromColumns: 0, start: "2026-".length, end: "2026-02-13 14:30".length },
] as const;

/** Matches event types that report a failure. They are shown in red. */
const FAILURE_TYPE = /(?:^|_)(?:fail|failed|failure|error)(?:$|_)/;
const WARNING_TYPES: ReadonlySet<unknown> = new Set(["gate_escalate"]);
const WARNING_STATUSES: ReadonlySet<unknown> = new Set(["aborted", "unfinished"]);

/** Formats events as lines with aligned columns. A column widens when a wider cell arrives. */
export class EventLines {
  readonly #options: EventLineOptions;
  readonly #time: typeof TIME_FORMS[number];
  readonly #widths: Record<Column, number>;

  /** Creates a formatter whose columns are at least as wide as `widths`. */
  constructor(options: EventLineOptions, widths: Widths = NO_WIDTHS) {
    this.#options = options;
    this.#time = TIME_FORMS.find(({ fromColumns }) => options.columns >= fromColumns)!;
    this.#widths = { ...widths };
  }

  /** Widens the columns in advance for events that will be shown later, so that all of their lines are aligned. */
  measure(events: Iterable<AuditEvent>): void {
    for (const event of events) this.#widen(this.#cellsOf(event));
  }

  /** Returns the header line, which names the columns and the time zone. */
  header(): string {
    const { timeZone, columns } = this.#options;
    const time = `time (${timeZone})`.padEnd(this.#timeWidth);
    const names = COLUMN_NAMES.filter((name) => this.#widths[name] > 0);
    const cells = names.map((name) => pad(name, this.#widths[name]));
    return joinPieces([{ text: [time, ...cells].join(GAP), style: "bold" }], columns);
  }

  /** Returns an event as a line of aligned columns. */
  line(event: AuditEvent): string {
    const { columns } = this.#options;
    const cells = this.#cellsOf(event);
    this.#widen(cells);
    const aligned = this.#pieces(event, cells, COLUMN_NAMES);
    const isTooWide = aligned.reduce((sum, { text }) => sum + stringWidth(text), 0) > columns;
    // If the line is too wide and all columns after the type are empty, these columns are left out. The other fields
    // then follow the type directly, so that more of them is visible.
    const isBare = COLUMN_NAMES.every((name) => name === "type" || cells[name] === "");
    return joinPieces(
      isTooWide && isBare ? this.#pieces(event, cells, ["type"]) : aligned,
      columns,
    );
  }

  #pieces(
    event: AuditEvent,
    cells: Readonly<Record<Column, string>>,
    names: readonly Column[],
  ): Piece[] {
    const pieces: Piece[] = [{ text: this.#timeOf(event).padEnd(this.#timeWidth), style: "dim" }];
    for (const name of names) {
      const width = this.#widths[name];
      if (width === 0) continue;
      pieces.push({ text: GAP }, {
        text: pad(cells[name], width),
        style: styleOf(name, event),
      });
    }
    for (const [name, value] of otherFields(event)) {
      pieces.push({ text: `${GAP}${this.#text(name)}=`, style: "dim" }, {
        text: this.#text(value),
      });
    }
    return pieces;
  }

  #widen(cells: Readonly<Record<Column, string>>): void {
    for (const name of COLUMN_NAMES) {
      if (cells[name] === "") continue;
      const width = Math.min(ALIGNED_COLUMNS_MAX, stringWidth(cells[name]));
      this.#widths[name] = Math.max(this.#widths[name], this.#headWidth(name), width);
    }
  }

  #headWidth(name: Column): number {
    return this.#options.hasHeader ? name.length : 0;
  }

  #cellsOf({ event, cost, model, input_t, output_t }: AuditEvent): Record<Column, string> {
    const tokens = [
      ...typeof input_t === "number" ? [`${shownNumber(input_t)} in`] : [],
      ...typeof output_t === "number" ? [`${shownNumber(output_t)} out`] : [],
    ];
    return {
      type: this.#text(event ?? "-", COLUMN_SHARE),
      cost: typeof cost === "number" ? shownUsd(cost) : "",
      model: model === undefined ? "" : this.#text(model, COLUMN_SHARE),
      tokens: tokens.join(", "),
    };
  }

  get #timeWidth(): number {
    return this.#time.end - this.#time.start;
  }

  #timeOf({ ts }: AuditEvent): string {
    const epochMs = eventEpochMs(ts);
    if (Number.isNaN(epochMs)) return this.#text(ts ?? "-");
    const instant = Temporal.Instant.fromEpochMilliseconds(epochMs);
    const { start, end } = this.#time;
    const time = shownTime(instant, this.#options.timeZone, { fractionalSecondDigits: 3 });
    return time.slice(start, end);
  }

  /**
   * Returns a value of an event as text: a string without quotes, any other value as JSON. Cuts the text to a share of
   * the terminal width.
   */
  #text(value: unknown, share = FIELD_SHARE): string {
    const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
    return cut(text, Math.max(FIELD_COLUMNS_MIN, Math.floor(this.#options.columns * share)));
  }
}

/** Returns the style of an event's cell in a column. */
function styleOf(column: Column, event: AuditEvent): Style {
  if (column === "cost") return "yellow";
  if (column === "model") return "cyan";
  if (column === "tokens") return "dim";
  if (isFailure(event)) return "red";
  const isWarning = WARNING_TYPES.has(event.event) || WARNING_STATUSES.has(event.status);
  return isWarning ? "yellow" : "bold";
}

/** Checks whether an event reports a failure, by its type or its fields `status` and `error`. */
function isFailure({ event, status, error }: AuditEvent): boolean {
  const hasError = error !== undefined && error !== null && error !== false;
  return hasError || status === "error" || (typeof event === "string" && FAILURE_TYPE.test(event));
}

/** Yields the fields of an event that have no column of their own. The fields that explain a failure come first. */
function* otherFields(event: AuditEvent): Generator<[name: string, value: unknown]> {
  const { seq, hash } = event;
  for (const name of EXPLAINING) {
    if (Object.hasOwn(event, name)) yield [name, explained(event[name])];
  }
  // The sequence number of a chained line is shown. The hash is left out, because people cannot use it.
  const isChained = typeof seq === "number" && typeof hash === "string" && SHA256.test(hash);
  for (const [name, value] of Object.entries(event)) {
    if (PLACED.has(name) || EXPLAINING.includes(name)) continue;
    if (!(name === "hash" && isChained)) yield [name, value];
  }
}

/**
 * Returns the name and the message of an error that was logged as an object, without the stack of the error. Returns
 * any other value unchanged.
 */
function explained(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { name, message } = value as { name?: unknown; message?: unknown };
  if (typeof message !== "string") return value;
  return typeof name === "string" ? `${name}: ${message}` : message;
}

/**
 * Pads a cell with blanks at its end. This also aligns the decimal points of costs below 10 USD, because each has one
 * digit before the point.
 */
function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}
