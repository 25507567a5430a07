/**
 * Maps the values of an imported record to the fields and the time of an event. Pure.
 *
 * @module
 */
import {
  type EventFields,
  fieldError,
  isReservedType,
  RAW_SUFFIX,
  RESERVED_FIELD,
  shown,
} from "../../event.ts";
import { KNOWN_FIELD_NAMES, TEXT_FIELD_NAMES, unfitReason } from "../../fields/known_fields.ts";
import { rounded, usageIn } from "../../import/usage_sum.ts";
import { isAdjustment } from "../../rollup/spend_tally.ts";
import { type PriceTable, qualifiedName } from "../../llm/price_table.ts";
import { costOf } from "../../llm/prices.ts";
import { counted } from "../../shown.ts";
import { nearestName } from "../../options/nearest_name.ts";
import { CommandError } from "../command_error.ts";
import type { Condition } from "../conditions.ts";
import { exactNumbers } from "./exact_numbers.ts";
import { ClockChanges } from "./clock_changes.ts";
import type { Values } from "./source_file.ts";
import { eventEpochMs } from "../../time.ts";
import { parseIsoTime } from "../when.ts";

/** A field of events, and the column of a CSV file or the member of a JSON object from which the field is read. */
export type FieldSource = { readonly field: string; readonly column: string };

/** A field, and the factor by which its numbers are multiplied. */
export type FieldFactor = { readonly field: string; readonly factor: number };

/** The options of `scout import` that decide how records become events. */
export type MappingOptions = {
  readonly map: readonly FieldSource[];
  /** The factors by which the numbers of fields are multiplied, for values in another unit. */
  readonly scale: readonly FieldFactor[];
  /** The conditions that a record must meet. A record that does not is left out. */
  readonly where: readonly Condition[];
  /** The event type of records without a type. */
  readonly event: string | undefined;
  /** The CSV columns whose cells stay text, even if a cell looks like a number. */
  readonly textColumns: readonly string[];
  /** The prices from which the cost of a record with tokens but without a cost is computed. */
  readonly prices: PriceTable | undefined;
  /** The time zone that applies to times without a UTC offset. */
  readonly timeZone: string;
  /**
   * The unit of times that are numbers. If undefined, numbers below 1e11 are seconds and others are milliseconds; with
   * `timeStart`, all numbers are seconds.
   */
  readonly timeUnit: TimeUnit | undefined;
  /** The instant from which times that are numbers are counted; undefined for the start of 1970. */
  readonly timeStart: ((timeZone: string) => Temporal.Instant) | undefined;
};

/** A unit of times that records state as numbers: seconds, milliseconds, microseconds or nanoseconds. */
export type TimeUnit = keyof typeof UNIT_MS;

const UNIT_MS = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 } as const;

/** An event that is not validated yet, and the time of the event. */
export interface TimedEvent {
  readonly epochMs: number;
  /** The event type. */
  readonly event: string;
  readonly fields: EventFields;
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(TEXT_FIELD_NAMES);
const JSON_FIELDS: ReadonlySet<string> = new Set(KNOWN_FIELD_NAMES).difference(TEXT_FIELDS);

/**
 * The fields that an import renames if their value in a record is invalid, for example `cost` to `cost_raw`. So the
 * record is kept, and sums do not count the value.
 */
const KNOWN_FIELDS = ["session_id", ...KNOWN_FIELD_NAMES];

/** The invalid values of one field in the imported records: the first of these values, and their number. */
interface UnfitValues {
  /** The valid values of the field in words, such as "an object". */
  readonly must: string;
  readonly first: unknown;
  readonly count: number;
}

/** Maximum number of member names that are stored for hints, and maximum number that a message lists. */
const [MEMBERS_MAX, MEMBERS_SHOWN] = [1_000, 20];

/** Converts imported records to events, as the options of `scout import` state. */
export class RecordMapping {
  readonly #options: MappingOptions;
  readonly #fieldsByColumn = new Map<string, string[]>();
  /** The columns of the CSV files, and the mapped members of the JSON objects, that were found so far. */
  readonly #found = new Set<string>();
  /**
   * The names of the members of JSON objects that were found so far, to suggest a similar name if a mapped member is
   * missing.
   */
  readonly #members = new Set<string>();
  #renamed = 0;
  readonly #unfit = new Map<string, UnfitValues>();
  /** Counts the local times that occurred twice or never, because clocks were changed. */
  readonly clockChanges: ClockChanges = new ClockChanges();

  /**
   * Creates the mapping from the options of `scout import`.
   *
   * @throws {CommandError} If two columns are mapped to the same field.
   */
  constructor(options: MappingOptions) {
    const fields = options.map.map(({ field }) => field);
    const twice = firstTwice(fields);
    if (twice !== undefined) {
      throw new CommandError(
        `Cannot map columns: two --map options name the same field, got ${twice}`,
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
    const { event, textColumns } = this.#options;
    const fields = columns.flatMap((column) => this.#fieldsOf(column));
    const twice = firstTwice(columns);
    const missing = [...this.#fieldsByColumn.keys(), ...textColumns].find((name) =>
      !columns.includes(name)
    );
    const mappedOver = firstTwice(fields);
    const reason = twice !== undefined
      ? `the file has two columns named ${shown(twice)}`
      : missing !== undefined
      ? `the file has no column named ${shown(missing)}`
      : mappedOver !== undefined
      ? `two columns would become the field ${mappedOver}; add --map OTHER=${mappedOver}`
      : !fields.includes("ts")
      ? "the file has no column ts; add --map ts=COLUMN"
      : event === undefined && !fields.includes("event")
      ? "the file has no column event; add --event TYPE or --map event=COLUMN"
      : null;
    if (reason === null) return columns.forEach((column) => this.#found.add(column));
    throw new CommandError(
      `Cannot import ${file}: ${reason} (columns: ${columns.join(", ")})`,
      2,
    );
  }

  /**
   * Checks whether a record meets the conditions of `--where`, which name its members or columns.
   *
   * @param isCsv Whether the values are cells. A cell that looks like a number is compared as a number.
   */
  isWanted(values: Values, isCsv: boolean): boolean {
    const { where } = this.#options;
    if (where.length === 0) return true;
    const typed = isCsv
      ? Object.fromEntries(
        Object.entries(values).map(([name, cell]) => [name, cellValue("", `${cell}`)]),
      )
      : values;
    return where.every(({ isMetBy }) => isMetBy(typed));
  }

  /**
   * Returns the event of a CSV row. Numbers, booleans and JSON are parsed from the text of the cells.
   *
   * @throws {AuditEventError} If the event is invalid; the message names the field and its value.
   */
  ofCells(cells: Values): TimedEvent {
    const { textColumns } = this.#options;
    return this.#eventOf(cells, (field, column, cell) => {
      if (cell === "") return null;
      return textColumns.includes(column) || TEXT_FIELDS.has(field)
        ? cell
        : cellValue(field, `${cell}`);
    });
  }

  /**
   * Returns the event of a JSON object; throws like {@linkcode ofCells}. A mapping can name a member of a nested
   * object by its path, such as `message.usage.input_tokens`. The event then also has the outermost member, here
   * `message`, as a field.
   */
  ofObject(object: Values): TimedEvent {
    if (this.#fieldsByColumn.size === 0) {
      return this.#eventOf(object, (_field, _column, value) => value);
    }
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
   * Returns a message if `--map` names a member that no JSON object and no CSV file had. The message suggests the most
   * similar member. Returns null if every mapped member was found.
   */
  missingMember(): string | null {
    if (this.#members.size === 0) return null;
    const missing = [...this.#fieldsByColumn].find(([column]) => !this.#found.has(column));
    if (missing === undefined) return null;
    const [column, [field]] = missing;
    const nearest = nearestName(column, this.#members);
    const hint = nearest === undefined
      ? ` (members: ${[...this.#members].slice(0, MEMBERS_SHOWN).join(", ")})`
      : `; did you mean ${shown(nearest)}?`;
    return `no record has the member ${shown(column)} of --map ${field}=${column}${hint}`;
  }

  /** Returns messages about the fields and event types that were imported with the suffix `_raw` so far. */
  rawMessages(): string[] {
    const reserved = this.#renamed === 0
      ? []
      : [`${counted(this.#renamed, "reserved name")} imported with the suffix ${RAW_SUFFIX}`];
    const unfit = [...this.#unfit].map(([field, { must, first, count }]) =>
      `${
        counted(count, "value")
      } of ${field} imported as ${field}${RAW_SUFFIX}, because ${field} must be ${must}; ` +
      `the first is ${shown(first)}`
    );
    return [...reserved, ...unfit];
  }

  #eventOf(
    values: Values,
    valueOf: (field: string, column: string, value: unknown) => unknown,
  ): TimedEvent {
    const { event: type = "" } = this.#options;
    // Without a prototype, a field named __proto__ is a field like any other.
    const rest: Record<string, unknown> = Object.create(null);
    for (const column of Object.keys(values)) {
      const value = values[column];
      for (const field of this.#fieldsByColumn.get(column) ?? [column]) {
        if (field in rest) throw fieldError(field, value, "come from a single column or member");
        rest[field] = valueOf(field, column, value);
      }
    }
    const { ts, event: named } = rest;
    delete rest.ts;
    delete rest.event;
    // The import itself sets the fields `import_id` and `adjusts`, and budgets reserve the field `hold`. So fields of a
    // record with these names are renamed.
    const isOwnAdjustment = isAdjustment(rest);
    for (const name of ["import_id", RESERVED_FIELD, "adjusts"]) {
      // An event that this library has imported before keeps its meaning.
      if (name === "adjusts" && isOwnAdjustment) continue;
      if (!Object.hasOwn(rest, name)) continue;
      renameToRaw(rest, name);
      this.#renamed++;
    }
    for (const { field, factor } of this.#options.scale) {
      const value = rest[field];
      if (typeof value === "number") rest[field] = rounded(value * factor);
    }
    for (const field of KNOWN_FIELDS) {
      if (Object.hasOwn(rest, field)) this.#keepUnfit(rest, field);
    }
    const isReserved = isReservedType(named);
    if (isReserved) this.#renamed++;
    const own = isReserved ? `${named}${RAW_SUFFIX}` : named;
    const epochMs = epochMsOf(ts, { ...this.#options, changes: this.clockChanges });
    const event = own ?? type;
    if (event === "") {
      throw fieldError("event", event, "be set by the record, --event TYPE or --map event=NAME");
    }
    return { epochMs, event: event as string, fields: { ...this.#withCost(rest) } };
  }

  /** Adds the cost of a record that states tokens but no cost, if its model has prices. */
  #withCost(fields: Record<string, unknown>): EventFields {
    const { prices } = this.#options;
    const hasCost = fields.cost !== undefined && fields.cost !== null;
    if (prices === undefined || hasCost || typeof fields.model !== "string") return fields;
    const found = costOf(usageIn(fields), prices, qualifiedName(fields.provider, fields.model));
    return found === undefined
      ? fields
      : { ...fields, cost: found.cost, cost_source: found.source };
  }

  /**
   * Renames a known field whose value is invalid. If `--map` names the field, the field keeps its name, so that the
   * record is rejected later. The user has asked for the field, so the record must not be imported without it.
   */
  #keepUnfit(fields: Record<string, unknown>, field: string): void {
    const value = fields[field];
    const must = unfitReason(field, value);
    if (must === null || this.#options.map.some((mapped) => mapped.field === field)) return;
    renameToRaw(fields, field);
    const unfit = this.#unfit.get(field) ?? { must, first: value, count: 0 };
    this.#unfit.set(field, { ...unfit, count: unfit.count + 1 });
  }

  /** Returns the fields to which a column is mapped. If the column is not mapped, returns its own name. */
  #fieldsOf(column: string): readonly string[] {
    return this.#fieldsByColumn.get(column) ?? [column];
  }
}

/**
 * Returns the value of a CSV cell. In a known field, the cell may be any JSON. In other fields, the cell becomes a
 * number only if JavaScript writes the number as the same text. So `1.10`, `007` and `12e45`, which may be a version, a
 * code and an ID, stay text.
 */
function cellValue(field: string, cell: string): unknown {
  if (cell === "true" || cell === "false") return cell === "true";
  const number = Number(cell);
  if (`${number}` === cell && Number.isFinite(number)) return number;
  if (!JSON_FIELDS.has(field)) return cell;
  try {
    return JSON.parse(exactNumbers(cell));
  } catch {
    // If the text is not JSON, it stays text. If the field does not accept text, the field is renamed later, or the
    // record is rejected.
    return cell;
  }
}

/**
 * Returns the member of an object that has the name `path`. If it has no such member, returns the nested member at this
 * path, such as `message.usage`; undefined if neither exists.
 */
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

/**
 * Limit that decides the unit of a time that is a number without a known unit. A number below the limit is in seconds;
 * in seconds, the limit is in the year 5138. Any other number is in milliseconds; in milliseconds, the limit is in
 * March 1973.
 */
const EPOCH_SECONDS_MAX = 1e11;
/**
 * If a number is read as a time before 2000, or more than a day in the future, the number is likely in another unit, so
 * the record is rejected.
 */
const PLAUSIBLE_MIN_MS = Date.UTC(2000);
const DAY_MS = 86_400_000;

function epochMsOf(ts: unknown, options: MappingOptions & { changes: ClockChanges }): number {
  const number = typeof ts === "string" && /^-?\d+(\.\d+)?$/.test(ts) ? Number(ts) : ts;
  const epochMs = typeof number === "number"
    ? numberEpochMs(number, options)
    : typeof ts === "string"
    ? textEpochMs(ts, options)
    : NaN;
  if (Number.isNaN(epochMs)) {
    throw fieldError("ts", ts, "be a time such as 2026-02-13T14:30:22Z, or seconds since 1970");
  }
  const hasUnit = options.timeUnit !== undefined || options.timeStart !== undefined;
  const isPlausible = epochMs >= PLAUSIBLE_MIN_MS && epochMs <= Date.now() + DAY_MS;
  if (typeof number === "number" && !hasUnit && !isPlausible) {
    const time = new Date(epochMs).toISOString();
    throw fieldError(
      "ts",
      ts,
      `be a time from 2000 until tomorrow, not ${time}; add --time-unit s, ms, us or ns, or --time-start`,
    );
  }
  return epochMs;
}

function numberEpochMs(number: number, { timeUnit, timeStart, timeZone }: MappingOptions): number {
  const isSeconds = timeStart !== undefined || Math.abs(number) < EPOCH_SECONDS_MAX;
  const unitMs = UNIT_MS[timeUnit ?? (isSeconds ? "s" : "ms")];
  const startMs = timeStart?.(timeZone).epochMilliseconds ?? 0;
  return new Date(Math.floor(startMs + number * unitMs)).getTime();
}

function textEpochMs(
  text: string,
  { timeZone, changes }: { timeZone: string; changes: ClockChanges },
): number {
  try {
    if (timeZone === "UTC") return eventEpochMs(text);
    const instant = parseIsoTime(text)(timeZone);
    changes.note(text, instant, timeZone);
    return instant.epochMilliseconds;
  } catch {
    // The text is not a time. The caller rejects NaN with an error that names the field.
    return NaN;
  }
}

/** Renames a field: appends the suffix `_raw` to its name until no other field has the name. */
function renameToRaw(fields: Record<string, unknown>, name: string): void {
  let free = name;
  while (Object.hasOwn(fields, free)) free += RAW_SUFFIX;
  fields[free] = fields[name];
  delete fields[name];
}

function firstTwice(names: readonly string[]): string | undefined {
  return names.find((name, n) => names.indexOf(name) !== n);
}
