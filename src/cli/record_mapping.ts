/**
 * From a record of somebody else's file to an event: which value becomes which field, and when it was.
 * Pure.
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

/** That a field is taken from a column, or from a member of the object that a line holds. */
export type FieldSource = { readonly field: string; readonly column: string };

/** How events are made of records. */
export type MappingOptions = {
  readonly map: readonly FieldSource[];
  /** Type of the events whose record names none. */
  readonly event: string | undefined;
  /** Columns whose cells stay text, whatever they look like. */
  readonly text: readonly string[];
  /** Time zone of the times that name none. */
  readonly timeZone: string;
};

/** An event and when it was. */
export interface TimedEvent {
  readonly epochMs: number;
  /** Its type, unchecked as the fields are. */
  readonly event: string;
  readonly fields: EventFields;
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(TEXT_FIELD_NAMES);
const JSON_FIELDS: ReadonlySet<string> = new Set(KNOWN_FIELD_NAMES).difference(TEXT_FIELDS);

/** Makes events of records. */
export class RecordMapping {
  readonly #options: MappingOptions;
  readonly #fieldsByColumn = new Map<string, string[]>();

  /**
   * Makes the mapping.
   *
   * @throws {CommandError} for a field that is to come from two columns.
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
   * Checks that the columns of a CSV file are what is needed.
   *
   * @throws {CommandError} naming the column that is missing, or there twice.
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
   * The event of a row of cells, in which numbers, booleans and JSON are text.
   *
   * @throws {AuditEventError} naming the field and its value, when it is none.
   */
  ofCells(cells: Values): TimedEvent {
    const { text } = this.#options;
    return this.#eventOf(cells, (field, column, cell) => {
      if (cell === "") return null;
      return text.includes(column) || TEXT_FIELDS.has(field) ? cell : cellValue(field, `${cell}`);
    });
  }

  /** As {@linkcode ofCells}, of an object of JSON. */
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

  /** What a column becomes: what it is mapped to, or the field of its own name. */
  #fieldsOf(column: string): readonly string[] {
    return this.#fieldsByColumn.get(column) ?? [column];
  }
}

const JSON_SCALAR = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false)$/;

/** What a cell holds: in a known field what the field takes, else a number, a boolean or text. */
function cellValue(field: string, cell: string): unknown {
  if (!JSON_SCALAR.test(cell) && !JSON_FIELDS.has(field)) return cell;
  try {
    const value: unknown = JSON.parse(cell);
    // A number that is not what it was is no number but a name.
    return isExact(value) ? value : cell;
  } catch {
    // The field refuses the text with its value.
    return cell;
  }
}

/** Whether a number is the one that was written, as far as that can be told from it. */
function isExact(value: unknown): boolean {
  return typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value);
}

/** A number that was read as another one would be written as that one for good. */
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
    // It is no time, which the caller tells with its field.
    return NaN;
  }
}

function firstTwice(names: readonly string[]): string | undefined {
  return names.find((name, n) => names.indexOf(name) !== n);
}
