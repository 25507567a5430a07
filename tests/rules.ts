/**
 * The rules of an operating system for locks, handles and names, under which the tests run.
 *
 * By default, these are the rules of Windows on Windows, and the rules of POSIX on all other systems. With
 * `SCOUT_RULES=windows`, simulated and real disks enforce the rules of Windows on any machine, so that a test finds
 * what would fail there.
 *
 * @module
 */

/** The rules of an operating system. */
export type Rules = "POSIX" | "Windows";

/** The rules under which the tests run. */
export const RULES: Rules = Deno.env.get("SCOUT_RULES") === "windows" || Deno.build.os === "windows"
  ? "Windows"
  : "POSIX";

/** The error of a file that another handle has locked. */
export function lockViolation(): Error {
  return new Error(
    "The process cannot access the file because another process has locked a portion of the file. (os error 33)",
  );
}

/** The error of a handle that gives back a lock that it does not hold. */
export function notLocked(): Error {
  return new Error("The segment is already unlocked. (os error 158)");
}

/** The error of a handle that may not truncate or sync. */
export function accessDenied(): Error {
  return new Deno.errors.PermissionDenied("Access is denied. (os error 5)");
}

/** The error of a file that another program has opened without sharing it, as virus scanners do for a moment. */
export function sharingViolation(): Error {
  return new Error(
    "The process cannot access the file because it is being used by another process. (os error 32)",
  );
}

/**
 * Returns the name among `names` that leads to the same file as `name`, or undefined. The case of letters does not
 * matter, nor, as on macOS, the Unicode form of accented letters. An exact match is preferred.
 */
export function findName(name: string, names: Iterable<string>): string | undefined {
  let found: string | undefined;
  for (const each of names) {
    if (each === name) return each;
    if (folded(each) === folded(name)) found = each;
  }
  return found;
}

function folded(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
