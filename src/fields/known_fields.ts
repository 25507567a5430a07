/**
 * Checks the known fields of events. Quick checks decide whether a value is valid; the zod schema in schema.ts
 * produces the error message for an invalid value. A property test checks that the two never disagree.
 *
 * @module
 */
import { systemClock } from "../platform/clock.ts";
import type { AuditEventError } from "../errors.ts";
import { fieldError } from "../event.ts";
import { isObject } from "../line/parse_line.ts";

const isText = (value: unknown) => typeof value === "string";
const isNonEmptyText = (value: unknown) => typeof value === "string" && value !== "";
const isAmount = (value: unknown) =>
  typeof value === "number" && value >= 0 && Number.isFinite(value);
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isPercentage = (value: unknown) => typeof value === "number" && value >= 0 && value <= 100;

function areTexts(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  // Array.every() would skip the holes of a sparse array. A hole is not a string.
  for (let index = 0; index < value.length; index++) {
    if (typeof value[index] !== "string") return false;
  }
  return true;
}

// A line of the log contains the fields in this order, after ts, event and session_id.
const OPTIONAL_FIELD_CHECKS = {
  cost: isAmount,
  model: isText,
  input_t: isCount,
  output_t: isCount,
  files: areTexts,
  reason: isText,
  confidence: isPercentage,
  duration_ms: isAmount,
  config: isObject,
  raw_brief_path: isText,
  cache_read_t: isCount,
  cache_write_t: isCount,
  reasoning_t: isCount,
} satisfies Record<string, (value: unknown) => boolean>;

/** Names of the optional known fields, in the order in which a line of the log contains the fields. */
export const KNOWN_FIELD_NAMES: readonly string[] = Object.freeze(
  Object.keys(OPTIONAL_FIELD_CHECKS),
);

/** The quick check of each known field, by name, in the order of a line. A check returns `true` for a valid value. */
export const FIELD_CHECKS: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ["event", isNonEmptyText],
  ["session_id", isNonEmptyText],
  ...Object.entries(OPTIONAL_FIELD_CHECKS),
]);

/** Names of the known fields whose values are strings, even if a value looks like a number. */
export const TEXT_FIELD_NAMES: readonly string[] = Object.freeze(
  FIELD_CHECKS.entries().filter(([, check]) => check === isText || check === isNonEmptyText)
    .map(([name]) => name).toArray(),
);

/** Parts of zod that one import of the schema would evaluate at once, which blocks the event loop for 50 ms. */
const ZOD_PARTS = [
  () => import("zod/v4/locales"),
  () => import("zod/v4/core"),
  () => import("zod"),
];

/** The module of the schema, or the error with which it failed to load; undefined before {@linkcode loadEventSchema}. */
let eventSchema: typeof import("./schema.ts") | { readonly failure: unknown } | undefined;

/**
 * Loads the schema, which words the errors of invalid fields. The other functions of this module throw if they meet an
 * invalid field before this function was called. `AuditLog.open()` calls it.
 *
 * Never rejects, because a log works without the schema. For example, a program that started as root and then changed
 * its user may not be allowed to read the cache in which the npm package is. Then errors name only the field and its
 * value. The error of a refused event has the error of loading as its cause.
 */
export async function loadEventSchema(): Promise<void> {
  if (eventSchema !== undefined && !("failure" in eventSchema)) return;
  try {
    for (const part of ZOD_PARTS) {
      await part();
      await systemClock.turn();
    }
    eventSchema = await import("./schema.ts");
  } catch (failure) {
    eventSchema = { failure };
  }
}

function loadedSchema(): Exclude<typeof eventSchema, undefined> {
  if (eventSchema === undefined) throw new Error("loadEventSchema() must be called first");
  return eventSchema;
}

/** The requirement in an error if the schema could not be loaded. */
const UNKNOWN_REQUIREMENT = "valid";

/**
 * Returns the error for fields that the quick checks do not accept. The message names the first invalid field and its
 * value.
 *
 * @param fields The type and the session ID of the event, and at least the invalid ones of its known fields.
 */
export function invalidFieldError(
  fields: {
    readonly event: unknown;
    readonly session_id: unknown;
    readonly [name: string]: unknown;
  },
): AuditEventError {
  const schema = loadedSchema();
  if ("failure" in schema) {
    const [name] = FIELD_CHECKS.entries()
      .find(([name, isValid]) => Object.hasOwn(fields, name) && !isValid(fields[name]))!;
    return fieldError(name, fields[name], `be ${UNKNOWN_REQUIREMENT}`, schema.failure);
  }
  const { path, requirement } = schema.firstInvalidField(fields)!;
  const value = path.reduce<unknown>(
    (holder, key) => (holder as Record<PropertyKey, unknown>)[key],
    fields,
  );
  return fieldError(path.join("."), value, `be ${requirement}`);
}

/**
 * Returns the requirement that a value of a known field does not meet, such as "an object"; null if the value is valid
 * or missing, or the field is not known.
 */
export function unfitReason(field: string, value: unknown): string | null {
  const isValid = FIELD_CHECKS.get(field);
  if (value === undefined || value === null || isValid === undefined || isValid(value)) return null;
  const schema = loadedSchema();
  return "failure" in schema ? UNKNOWN_REQUIREMENT : schema.requirementOf(field, value);
}
