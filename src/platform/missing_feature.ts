/**
 * Recognizes errors with which a system says that a file system lacks a feature. Such an error is not a failure of the
 * disk: the call had no effect, and would never have one.
 *
 * @module
 */

/** The errors EPERM, EINVAL, ENOLCK, ENOSYS, ENOTSUP and EOPNOTSUPP by their numbers. */
const LINUX_NUMBERS = [1, 22, 37, 38, 95];
/** The same errors on macOS. */
const MACOS_NUMBERS = [1, 22, 77, 78, 45, 102];

const NUMBERS: ReadonlySet<number> = new Set(
  Deno.build.os === "darwin" ? MACOS_NUMBERS : LINUX_NUMBERS,
);

/**
 * Checks whether an error of a file lock, a hard link or the sync of a directory means that the file system has no such
 * feature: CIFS, FUSE and Ceph cannot sync directories, exFAT has no hard links, some network mounts have no locks.
 */
export function isMissingFeature(error: unknown): boolean {
  const [, number] = /\(os error (\d+)\)/.exec(error instanceof Error ? error.message : "") ?? [];
  return NUMBERS.has(Number(number));
}
