/**
 * The zod schema of the known fields of an event. Loading zod takes longer than opening a log, so only code that may
 * have to word the error of an invalid event loads this module; see `loadEventSchema()` in known_fields.ts.
 *
 * @module
 */
import { z } from "zod";

// Each message of the schema states what a value must be, such as "a string". checkKnownFields() puts "must be" before
// it.
const string = z.string({ error: "a string" });
// z.string().min(1) is not used, because it also reads the length of a value that is not a string. The read could run
// code of the value, such as a getter.
const nonEmptyString = z.custom<string>(
  (value) => typeof value === "string" && value !== "",
  { error: "a non-empty string" },
);
const tokens = withOneMessage(
  "an integer >= 0 (tokens)",
  (error) => z.int(error).nonnegative(error),
);

/** Returns the schema of a finite number >= 0. The message names the unit. */
function amount(unit: string): z.ZodNumber {
  return withOneMessage(
    `a finite number >= 0 (${unit})`,
    (error) => z.number(error).nonnegative(error),
  );
}

/** Returns a schema whose checks all fail with the same message, which states what the value must be. */
function withOneMessage<T>(message: string, schema: (error: { error: string }) => T): T {
  return schema({ error: message });
}

const knownFields = {
  cost: amount("USD"),
  model: string,
  input_t: tokens,
  output_t: tokens,
  files: z.array(string, { error: "an array of strings" }),
  reason: string,
  confidence: withOneMessage(
    "a number from 0 to 100",
    (error) => z.number(error).min(0, error).max(100, error),
  ),
  duration_ms: amount("milliseconds"),
  // Only the type of config itself is checked. Its members may have any value, as a field that is not known may.
  config: z.custom<object>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    { error: "an object" },
  ),
  raw_brief_path: string,
  cache_read_t: tokens,
  cache_write_t: tokens,
  reasoning_t: tokens,
};

const schema = z.object({
  event: nonEmptyString,
  session_id: nonEmptyString,
  ...z.object(knownFields).partial().shape,
});

/** An invalid field of an event. */
export interface InvalidField {
  /** The name of the field; if an element of an array is invalid, the index of the element follows. */
  readonly path: readonly PropertyKey[];
  /** The requirement that the value does not meet, such as "a string". */
  readonly requirement: string;
}

/** Returns the first invalid field, in the order of the fields in a line; null if all fields are valid. */
export function firstInvalidField(fields: object): InvalidField | null {
  const issue = schema.safeParse(fields).error?.issues[0];
  return issue === undefined ? null : { path: issue.path, requirement: issue.message };
}

/** Returns the requirement that a value of a known field does not meet; null if the value is valid. */
export function requirementOf(field: string, value: unknown): string | null {
  const { error } = schema.shape[field as keyof typeof schema.shape].safeParse(value);
  return error?.issues[0]?.message ?? null;
}
