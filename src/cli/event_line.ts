/**
 * Events as lines for people, in aligned columns: time, type, cost, model, tokens, other fields.
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

/** How event lines are shown. */
export interface EventLineOptions {
  readonly timeZone: string;
  /** The width of a terminal; Infinity to keep every field whole. */
  readonly columns: number;
  /** `true` if the head of the columns is shown, so that they have at least its width. */
  readonly hasHeader: boolean;
}

const GAP = "  ";
const COLUMN_NAMES = ["type", "cost", "model", "tokens"] as const;
type Column = typeof COLUMN_NAMES[number];
type Widths = Readonly<Record<Column, number>>;

const NO_WIDTHS: Widths = { type: 0, cost: 0, model: 0, tokens: 0 };
/** The widths of columns for events that are still to come. */
export const USUAL_WIDTHS: Widths = {
  type: "validation_fail".length,
  cost: "$0.000413".length,
  model: "small".length,
  tokens: "200 in, 56 out".length,
};
/** A longer cell is not padded for, because one of them would widen every line. */
const ALIGNED_COLUMNS_MAX = 32;
/** On a terminal no field takes more than its share of a line, so that the fields behind it are seen. */
const FIELD_SHARE = 0.4;
const COLUMN_SHARE = 0.2;
/** Every type of this library fits. */
const FIELD_COLUMNS_MIN = "tldr_auto_generated".length;

/** The fields that have a column of their own, or none. */
const PLACED = new Set(["ts", "event", "session_id", "cost", "model", "input_t", "output_t"]);

/** The fields that explain a failure. */
const EXPLAINING: readonly string[] = ["error", "reason"];

/** The part of a time that is shown, by the width of the terminal. */
const TIME_FORMS = [
  { fromColumns: 100, start: 0, end: "2026-02-13 14:30:22.123".length },
  { fromColumns: 70, start: 0, end: "2026-02-13 14:30:22".length },
  { fromColumns: 60, start: "2026-".length, end: "2026-02-13 14:30:22".length },
  { fromColumns: 0, start: "2026-".length, end: "2026-02-13 14:30".length },
] as const;

/** Failures are shown in red. */
const FAILURE_TYPE = /(?:^|_)(?:fail|failed|failure|error)(?:$|_)/;
const WARNING_TYPES: ReadonlySet<unknown> = new Set(["gate_escalate"]);

/** Lines of events whose columns widen when a wider cell comes. */
export class EventLines {
  readonly #options: EventLineOptions;
  readonly #time: typeof TIME_FORMS[number];
  readonly #widths: Record<Column, number>;

  /** Creates lines with columns of at least the widths. */
  constructor(options: EventLineOptions, widths: Widths = NO_WIDTHS) {
    this.#options = options;
    this.#time = TIME_FORMS.find(({ fromColumns }) => options.columns >= fromColumns)!;
    this.#widths = { ...widths };
  }

  /** Widens the columns for events that are shown later. */
  measure(events: Iterable<AuditEvent>): void {
    for (const event of events) this.#widen(this.#cellsOf(event));
  }

  /** Returns the head of the columns, which states the time zone. */
  header(): string {
    const { timeZone, columns } = this.#options;
    const time = `time (${timeZone})`.padEnd(this.#timeWidth);
    const names = COLUMN_NAMES.filter((name) => this.#widths[name] > 0);
    const cells = names.map((name) => pad(name, this.#widths[name]));
    return joinPieces([{ text: [time, ...cells].join(GAP), style: "bold" }], columns);
  }

  /** Returns the line of an event. */
  line(event: AuditEvent): string {
    const { columns } = this.#options;
    const cells = this.#cellsOf(event);
    this.#widen(cells);
    const aligned = this.#pieces(event, cells, COLUMN_NAMES);
    const isTooWide = aligned.reduce((sum, { text }) => sum + stringWidth(text), 0) > columns;
    // If the line is too wide, the fields of an event without a cost begin right behind its type.
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

  /** Returns a value as it stands in the log, a string without its quotes, cut to its share of the line. */
  #text(value: unknown, share = FIELD_SHARE): string {
    const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
    return cut(text, Math.max(FIELD_COLUMNS_MIN, Math.floor(this.#options.columns * share)));
  }
}

/** Returns the style of the column's cell. */
function styleOf(column: Column, event: AuditEvent): Style {
  if (column === "cost") return "yellow";
  if (column === "model") return "cyan";
  if (column === "tokens") return "dim";
  if (isFailure(event)) return "red";
  return WARNING_TYPES.has(event.event) ? "yellow" : "bold";
}

/** Checks whether the event says that something failed. */
function isFailure({ event, status, error }: AuditEvent): boolean {
  const hasError = error !== undefined && error !== null && error !== false;
  return hasError || status === "error" || (typeof event === "string" && FAILURE_TYPE.test(event));
}

/** Yields the fields without a column; those that explain a failure come first. */
function* otherFields(event: AuditEvent): Generator<[name: string, value: unknown]> {
  const { seq, hash } = event;
  for (const name of EXPLAINING) {
    if (Object.hasOwn(event, name)) yield [name, event[name]];
  }
  // The number in the chain says something to people; the hash behind it says nothing.
  const isChained = typeof seq === "number" && typeof hash === "string" && SHA256.test(hash);
  for (const [name, value] of Object.entries(event)) {
    if (PLACED.has(name) || EXPLAINING.includes(name)) continue;
    if (!(name === "hash" && isChained)) yield [name, value];
  }
}

/** Pads a cell at its end; costs of single events have their decimal points below one another then. */
function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}
