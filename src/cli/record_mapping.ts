/**
 * Maps the values of an imported record to the fields and the time of an event. Pure.
 *
 * @module
 */
import {
  type EventFields,
  fieldError,
  KNOWN_FIELD_NAMES,
  shown,
  TEXT_FIELD_NAMES,
} from "../event.ts";
import { CommandError } from "./command_error.ts";
import type { Values } from "./source_file.ts";
import { parseIsoTime } from "./when.ts";

/** Takes a field from a column, or from a member of the object in a line. */
export type FieldSource = { readonly field: string; readonly column: string };

/** The mapping of records to events. */
export type MappingOptions = {
  readonly map: readonly FieldSource[];
  /** The type of records without one. */
  readonly event: string | undefined;
  /** Columns whose cells stay text, even if they look like numbers. */
  readonly text: readonly string[];
  /** The time zone of times without one. */
  readonly timeZone: string;
};

/** An event and its time. */
export interface TimedEvent {
  readonly epochMs: number;
  /** Its type, which is unchecked, like the fields. */
  readonly event: string;
  readonly fields: EventFields;
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(TEXT_FIELD_NAMES);
const JSON_FIELDS: ReadonlySet<string> = new Set(KNOWN_FIELD_NAMES).difference(TEXT_FIELDS);

/** Creates events from records. */
export class RecordMapping {
  readonly #options: MappingOptions;
  readonly #fieldsByColumn = new Map<string, string[]>();

  /**
   * Creates the mapping.
   *
   * @throws {CommandError} If a field is mapped to two columns.
   */
  constructor(options: MappingOptions) {
    const fields = options.map.map(({ field }) => field);
    const twice = firstTwice(fields);
    if (twice !== undefined) {
      throw new CommandError(`Cannot map columns: two of them are mapped to ${twice}`, 2);
    }
    this.#options = options;
    for (const { field, column } of options.map) {
      this.#fieldsByColumn.getOrInsert(column, []).push(field);
    }
  }

  /**
   * Checks that a CSV file has the columns that the mapping needs.
   *
   * @throws {CommandError} If a column is missing or duplicate; the message names it.
   */
  checkColumns(columns: readonly string[], file: string): void {
    const { event, text } = this.#options;
    const fields = columns.flatMap((column) => this.#fieldsOf(column));
    const twice = firstTwice(columns);
    const missing = [...this.#fieldsByColumn.keys(), ...text].find((name) =>
      !columns.includes(name)
    );
    const mappedOver = firstTwice(fields);
    const reason = twice !== undefined
      ? `it has two columns ${shown(twice)}`
      : missing !== undefined
      ? `it has no column ${shown(missing)}`
      : mappedOver !== undefined
      ? `${mappedOver} would come from two columns: add --map OTHER=${mappedOver}`
      : !fields.includes("ts")
      ? "it has no column ts: add --map ts=COLUMN"
      : event === undefined && !fields.includes("event")
      ? "it has no column event: add --event TYPE or --map event=COLUMN"
      : null;
    if (reason === null) return;
    throw new CommandError(
      `Cannot import ${file}: ${reason} (columns: ${columns.join(", ")})`,
      2,
    );
  }

  /**
   * Returns the event of a row of cells, in which numbers, booleans and JSON are text.
   *
   * @throws {AuditEventError} If it is invalid; the message names the field and its value.
   */
  ofCells(cells: Values): TimedEvent {
    const { text } = this.#options;
    return this.#eventOf(cells, (field, column, cell) => {
      if (cell === "") return null;
      return text.includes(column) || TEXT_FIELDS.has(field) ? cell : cellValue(field, `${cell}`);
    });
  }

  /** Returns the event of an object of JSON; throws as {@linkcode ofCells}. */
  ofObject(object: Values): TimedEvent {
    return this.#eventOf(object, (field, _column, value) => {
      checkNumbers(field, value);
      return value;
    });
  }

  #eventOf(
    values: Values,
    valueOf: (field: string, column: string, value: unknown) => unknown,
  ): TimedEvent {
    const { event: type = "", timeZone } = this.#options;
    const fields = new Map<string, unknown>();
    for (const [column, value] of Object.entries(values)) {
      for (const field of this.#fieldsOf(column)) {
        if (fields.has(field)) throw fieldError(field, value, "come from one place");
        fields.set(field, valueOf(field, column, value));
      }
    }
    const { ts, event, ...rest } = Object.fromEntries(fields);
    return { epochMs: epochMsOf(ts, timeZone), event: (event ?? type) as string, fields: rest };
  }

  /** Returns the fields that a column is mapped to, or else its own name. */
  #fieldsOf(column: string): readonly string[] {
    return this.#fieldsByColumn.get(column) ?? [column];
  }
}

const JSON_SCALAR = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false)$/;

/** Returns the value of a cell: in a known field its JSON, else a number, a boolean or text. */
function cellValue(field: string, cell: string): unknown {
  if (!JSON_SCALAR.test(cell) && !JSON_FIELDS.has(field)) return cell;
  try {
    const value: unknown = JSON.parse(cell);
    // A number that would be rounded is a name, and stays text.
    return isExact(value) ? value : cell;
  } catch {
    // The check of the field rejects the text.
    return cell;
  }
}

/** Checks that a number has not been rounded, as far as its value shows that. */
function isExact(value: unknown): boolean {
  return typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value);
}

/** Rejects numbers that were rounded when they were read. */
function checkNumbers(field: string, value: unknown): void {
  // No recursion: JSON nests deeper than calls do.
  const values = [value];
  while (values.length > 0) {
    const next = values.pop();
    if (!isExact(next)) throw fieldError(field, next, "hold integers below 2 ** 53, or text");
    if (typeof next !== "object" || next === null) continue;
    for (const item of Object.values(next)) values.push(item);
  }
}

/** Seconds since 1970 are below it until the year 5138, milliseconds above it since March 1973. */
const EPOCH_SECONDS_MAX = 1e11;

function epochMsOf(ts: unknown, timeZone: string): number {
  const number = typeof ts === "string" && /^-?\d+(\.\d+)?$/.test(ts) ? Number(ts) : ts;
  const epochMs = typeof number === "number"
    ? numberEpochMs(number)
    : typeof ts === "string"
    ? textEpochMs(ts, timeZone)
    : NaN;
  if (!Number.isNaN(epochMs)) return epochMs;
  throw fieldError("ts", ts, "be a time such as 2026-02-13T14:30:22Z, or seconds since 1970");
}

function numberEpochMs(number: number): number {
  const epochMs = Math.abs(number) < EPOCH_SECONDS_MAX ? number * 1000 : number;
  return new Date(Math.floor(epochMs)).getTime();
}

function textEpochMs(text: string, timeZone: string): number {
  try {
    return parseIsoTime(text)(timeZone).epochMilliseconds;
  } catch {
    // The caller rejects it with its field.
    return NaN;
  }
}

function firstTwice(names: readonly string[]): string | undefined {
  return names.find((name, n) => names.indexOf(name) !== n);
}
