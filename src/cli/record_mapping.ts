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
import { nearestName } from "../options/nearest_name.ts";
import { CommandError } from "./command_error.ts";
import type { Values } from "./source_file.ts";
import { parseIsoTime } from "./when.ts";

/** The column, or the member of a JSON object, from which a field is read. */
export type FieldSource = { readonly field: string; readonly column: string };

/** The options of a {@linkcode RecordMapping}. */
export type MappingOptions = {
  readonly map: readonly FieldSource[];
  /** The event type of records that have none. */
  readonly event: string | undefined;
  /** The columns whose cells stay text, even if they look like numbers. */
  readonly text: readonly string[];
  /** The time zone of times that have none. */
  readonly timeZone: string;
};

/** An event and its time. The event is not validated yet. */
export interface TimedEvent {
  readonly epochMs: number;
  /** The event type. */
  readonly event: string;
  readonly fields: EventFields;
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(TEXT_FIELD_NAMES);
const JSON_FIELDS: ReadonlySet<string> = new Set(KNOWN_FIELD_NAMES).difference(TEXT_FIELDS);

/** Names of members that are kept for hints, and that a message lists. */
const [MEMBERS_MAX, MEMBERS_SHOWN] = [1_000, 20];

/** A mapping that converts records to events. */
export class RecordMapping {
  readonly #options: MappingOptions;
  readonly #fieldsByColumn = new Map<string, string[]>();
  /** The mapped columns that were found in JSON objects. */
  readonly #found = new Set<string>();
  /** Names of members of JSON objects, for hints. */
  readonly #members = new Set<string>();

  /**
   * Creates the mapping.
   *
   * @throws {CommandError} If two columns are mapped to the same field.
   */
  constructor(options: MappingOptions) {
    const fields = options.map.map(({ field }) => field);
    const twice = firstTwice(fields);
    if (twice !== undefined) {
      throw new CommandError(
        `Cannot map columns: two columns are mapped to the same field, got ${twice}`,
        2,
      );
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
      ? `it has two columns named ${shown(twice)}`
      : missing !== undefined
      ? `it has no column named ${shown(missing)}`
      : mappedOver !== undefined
      ? `two columns would become the field ${mappedOver}; add --map OTHER=${mappedOver}`
      : !fields.includes("ts")
      ? "it has no column ts; add --map ts=COLUMN"
      : event === undefined && !fields.includes("event")
      ? "it has no column event; add --event TYPE or --map event=COLUMN"
      : null;
    if (reason === null) return;
    throw new CommandError(
      `Cannot import ${file}: ${reason} (columns: ${columns.join(", ")})`,
      2,
    );
  }

  /**
   * Returns the event of a CSV row. Numbers, booleans and JSON are parsed from the text of the cells.
   *
   * @throws {AuditEventError} If the event is invalid; the message names the field and its value.
   */
  ofCells(cells: Values): TimedEvent {
    const { text } = this.#options;
    return this.#eventOf(cells, (field, column, cell) => {
      if (cell === "") return null;
      return text.includes(column) || TEXT_FIELDS.has(field) ? cell : cellValue(field, `${cell}`);
    });
  }

  /**
   * Returns the event of a JSON object; throws like {@linkcode ofCells}. A mapping can name a member of a nested
   * object by its path, such as `message.usage.input_tokens`; the outermost member stays a field.
   */
  ofObject(object: Values): TimedEvent {
    for (const name of Object.keys(object)) {
      if (this.#members.size < MEMBERS_MAX) this.#members.add(name);
    }
    const nested = [...this.#fieldsByColumn.keys()].flatMap((column) => {
      const value = valueAt(object, column);
      if (value === undefined) return [];
      this.#found.add(column);
      return Object.hasOwn(object, column) ? [] : [[column, value]];
    });
    const values = nested.length === 0 ? object : { ...object, ...Object.fromEntries(nested) };
    return this.#eventOf(values, (_field, _column, value) => value);
  }

  /**
   * Checks that at least one of the JSON objects had each member that is mapped.
   *
   * @throws {CommandError} If a member was in none of them; the message names the most similar member.
   */
  checkMembers(): void {
    if (this.#members.size === 0) return;
    for (const [column, [field]] of this.#fieldsByColumn) {
      if (this.#found.has(column)) continue;
      const nearest = nearestName(column, this.#members);
      const hint = nearest === undefined
        ? `(members: ${[...this.#members].slice(0, MEMBERS_SHOWN).join(", ")})`
        : `; did you mean ${shown(nearest)}?`;
      throw new CommandError(
        `Cannot import: no record has the member ${shown(column)} of --map ${field}=${column}${
          nearest === undefined ? " " : ""
        }${hint}`,
        2,
      );
    }
  }

  #eventOf(
    values: Values,
    valueOf: (field: string, column: string, value: unknown) => unknown,
  ): TimedEvent {
    const { event: type = "", timeZone } = this.#options;
    const fields = new Map<string, unknown>();
    for (const [column, value] of Object.entries(values)) {
      for (const field of this.#fieldsOf(column)) {
        if (fields.has(field)) throw fieldError(field, value, "have a single source");
        fields.set(field, valueOf(field, column, value));
      }
    }
    const { ts, event, ...rest } = Object.fromEntries(fields);
    return { epochMs: epochMsOf(ts, timeZone), event: (event ?? type) as string, fields: rest };
  }

  /** Returns the fields that a column is mapped to; without a mapping, the field of the same name. */
  #fieldsOf(column: string): readonly string[] {
    return this.#fieldsByColumn.get(column) ?? [column];
  }
}

/**
 * Returns the value of a cell. In a known field it is any JSON. In other fields it is a number or a boolean only if
 * writing that value gives the text of the cell again: `1.10`, `007` and `12e45` may be a version, a code and an ID.
 */
function cellValue(field: string, cell: string): unknown {
  if (cell === "true" || cell === "false") return cell === "true";
  if (`${Number(cell)}` === cell && Number.isFinite(Number(cell))) return Number(cell);
  if (!JSON_FIELDS.has(field)) return cell;
  try {
    return JSON.parse(cell);
  } catch {
    // The validation of the field rejects the text later.
    return cell;
  }
}

/** Returns the member of the name, or the member of nested objects at the path; undefined if there is none. */
function valueAt(object: Values, path: string): unknown {
  if (Object.hasOwn(object, path)) return object[path];
  let value: unknown = object;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Values)[name];
  }
  return value;
}

/** Numbers below this are seconds (until the year 5138), others milliseconds (since March 1973). */
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
    // The caller rejects the time, and names its field.
    return NaN;
  }
}

function firstTwice(names: readonly string[]): string | undefined {
  return names.find((name, n) => names.indexOf(name) !== n);
}
