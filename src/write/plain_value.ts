/**
 * Converts the built-in objects that `JSON.stringify` writes as `{}`, or as a list of numbers, to plain values. Pure.
 *
 * @module
 */

/** Maximum depth at which errors within errors (`cause`, `errors`) become objects. Deeper errors become text. */
const ERROR_DEPTH_MAX = 8;

/** Fields of built-in errors that are not enumerable. */
const HIDDEN_FIELDS = ["cause", "errors", "error", "suppressed"] as const;

/**
 * Returns the plain value that is encoded in place of an object. If the own enumerable properties of the object are its
 * content, returns the object itself: for example an object literal, an array or an instance of a class with public
 * fields.
 *
 * - `Map`, `Headers`, `URLSearchParams` and `FormData` become an object, or a list of entries if a key is not text or
 *   occurs twice; `Set` becomes a list.
 * - `RegExp` and `URL` become their text.
 * - `ArrayBuffer`, typed arrays and `DataView` become `{ base64 }`.
 * - An `Error` becomes its name, message, stack, cause, errors and own fields.
 * - Any other object without own properties becomes the name of its class: `[Blob]`.
 *
 * @param ancestors The objects that contain the value. The depth of an error is the number of errors among them.
 */
export function plainValue(value: object, ancestors: readonly object[]): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null || Array.isArray(value)) return value;
  if (value instanceof Error) return plainError(value, ancestors);
  if (value instanceof Map) return entriesOf([...value]);
  if (value instanceof Set) return [...value];
  if (ArrayBuffer.isView(value)) {
    return base64Of(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return base64Of(new Uint8Array(value));
  }
  if (value instanceof RegExp || value instanceof URL) return String(value);
  const isEntries = value instanceof Headers || value instanceof URLSearchParams ||
    value instanceof FormData;
  if (isEntries) return entriesOf([...value]);
  return isBare(value) ? `[${classNameOf(value)}]` : value;
}

/** Returns the entries as an object. If a key is not a string or occurs twice, returns a list of the entries. */
function entriesOf(entries: readonly (readonly [unknown, unknown])[]): object {
  const isObject = entries.every(([key]) => typeof key === "string") &&
    new Set(entries.map(([key]) => key)).size === entries.length;
  return isObject ? Object.fromEntries(entries) : entries;
}

function base64Of(bytes: Uint8Array): { base64: string } {
  // The bytes are copied, because shared memory cannot be encoded in place.
  return { base64: new Uint8Array(bytes).toBase64() };
}

function plainError(error: Error, ancestors: readonly object[]): unknown {
  const depth = ancestors.filter((ancestor) => ancestor instanceof Error).length;
  if (depth >= ERROR_DEPTH_MAX) return String(error);
  const { name, message, stack } = error;
  const hidden = HIDDEN_FIELDS.filter((field) => Object.hasOwn(error, field))
    .map((field) => [field, Reflect.get(error, field)]);
  return { name, message, stack, ...Object.fromEntries([...hidden, ...Object.entries(error)]) };
}

/** Checks whether JSON would write the object as `{}`, though it is not an object literal. */
function isBare(value: object): boolean {
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  return Object.keys(value).length === 0 && !isBoxed(value);
}

/** Checks whether the object is a wrapper of a primitive value, such as `new String("a")`. */
function isBoxed(value: object): boolean {
  return value instanceof String || value instanceof Number || value instanceof Boolean ||
    value instanceof BigInt;
}

function classNameOf(value: object): string {
  const { constructor } = value as { constructor?: { name?: unknown } };
  return typeof constructor?.name === "string" && constructor.name !== ""
    ? constructor.name
    : "object";
}
