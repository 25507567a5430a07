/**
 * Recognizes errors of the system for which Deno has no error class, by their numbers.
 *
 * @module
 */

/**
 * The numbers of the errors that mean that the system does not support an operation: on Linux EPERM, EINVAL, ENOLCK,
 * ENOSYS, ENOTSUP and EOPNOTSUPP.
 */
const MISSING_FEATURE: Partial<Record<typeof Deno.build.os, readonly number[]>> = {
  linux: [1, 22, 37, 38, 95],
  // Also ENOTTY (25), with which fcntl() rejects F_FULLFSYNC, the operation that syncs a file.
  darwin: [1, 22, 25, 77, 78, 45, 102],
  // ERROR_INVALID_FUNCTION and ERROR_NOT_SUPPORTED.
  windows: [1, 50],
};

/**
 * ERROR_ACCESS_DENIED of Windows. On other systems, this number is EIO. Deno does not throw PermissionDenied for EIO,
 * so the class of the error distinguishes the two.
 */
const ACCESS_DENIED = 5;
/**
 * ERROR_INVALID_FUNCTION, _INVALID_HANDLE, _INVALID_PARAMETER, _INVALID_NAME, _BAD_PATHNAME and _DIRECTORY of Windows.
 * On other systems, the first number is EPERM. Deno throws PermissionDenied for EPERM, so the class of the error
 * distinguishes the two.
 */
const INVALID_NAME: readonly number[] = [1, 6, 87, 123, 161, 267];
/** ERROR_LOCK_VIOLATION of Windows. On other systems, no file operation fails with this number. */
const LOCK_VIOLATION = 33;

/**
 * Checks whether a file lock, a hard link or a sync failed because the file system does not have this feature. CIFS,
 * FUSE and Ceph cannot sync directories, exFAT has no hard links, some network mounts have no locks. Such an error is
 * not a failure of the disk: the call had no effect, and a retry would have no effect either.
 */
export function isMissingFeature(error: unknown): boolean {
  const numbers = MISSING_FEATURE[Deno.build.os] ?? MISSING_FEATURE.linux!;
  return numbers.includes(numberOf(error));
}

/** Checks whether a read or write failed because another handle has locked the file. This happens only on Windows. */
export function isLockViolation(error: unknown): boolean {
  return numberOf(error) === LOCK_VIOLATION;
}

/** Checks whether Windows rejected a call because the file was not opened with the access that the call needs. */
export function isAccessDenied(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied && numberOf(error) === ACCESS_DENIED;
}

/**
 * Checks whether the status of a path could not be read because Windows allows no file with this name: `nul`, `con` and
 * others are devices, and some characters are invalid. On other systems, these numbers do not occur.
 */
export function isInvalidName(error: unknown): boolean {
  return !(error instanceof Deno.errors.PermissionDenied) && INVALID_NAME.includes(numberOf(error));
}

/** Returns the error number of the system from the message of an error; NaN if the message has no such number. */
function numberOf(error: unknown): number {
  const [, number] = /\(os error (\d+)\)/.exec(error instanceof Error ? error.message : "") ?? [];
  return Number(number ?? NaN);
}
