/**
 * Merges the fields of an event, such as the bound fields of a logger and the fields of a call. Pure.
 *
 * @module
 */
import { checkRecord, namesOf } from "./encode_record.ts";

/** The fields of an event: an object whose own enumerable properties count. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Returns a new object with the own enumerable properties of both objects. If a name occurs in both, the value of
 * `over` counts.
 *
 * @throws {AuditEventError} If `over` is not an object with named members.
 */
export function mergeFields(under: Fields, over: object): Record<string, unknown> {
  checkRecord(over);
  try {
    return { ...under, ...over };
  } catch {
    // A property of `over` threw when it was read. In its place, the new object gets a getter that throws too. The
    // encoder then handles the error.
    const merged: Record<string, unknown> = { ...under };
    for (const name of namesOf(over)) {
      const set = (value: unknown) =>
        void Object.defineProperty(merged, name, { value, writable: true, ...SHOWN });
      try {
        set((over as Fields)[name]);
      } catch {
        Object.defineProperty(merged, name, { get: () => (over as Fields)[name], set, ...SHOWN });
      }
    }
    return merged;
  }
}

const SHOWN = { enumerable: true, configurable: true };
