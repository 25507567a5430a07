/**
 * Reads values from parsed JSON whose structure is unknown. Pure.
 *
 * @module
 */

/** A JSON object with unknown members. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Returns a value as an object with unknown members; `undefined` for arrays and everything else. */
export function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as JsonObject
    : undefined;
}

/** Returns the objects in an array; an empty array for everything else. */
export function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf).filter((each) => each !== undefined) : [];
}

/** Returns a value if it is a string; otherwise `undefined`. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Returns a value if it is an amount, a finite number >= 0; otherwise `undefined`. */
export function amountOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** Returns a new object with only the named members of an object. */
export function picked(names: readonly string[], object: JsonObject): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, object[name]]));
}

const BYTE_ORDER_MARK = "\uFEFF";

/** Returns the parsed JSON; `undefined` if the text is not JSON. */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json.startsWith(BYTE_ORDER_MARK) ? json.slice(1) : json);
  } catch {
    // The error is ignored, because some servers send data that is not JSON to keep a connection open.
    return undefined;
  }
}
