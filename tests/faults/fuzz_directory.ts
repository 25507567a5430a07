/**
 * Generates arbitrary directories of a log: the active file, segments in all forms, a true or forged manifest (list of
 * archives), names that resemble those of segments, and paths that are not regular files.
 *
 * @module
 */
import fc from "fast-check";
import { basename } from "@std/path";
import { LogFiles, type Stamp } from "../../src/segments/segment_name.ts";
import { RULES } from "../rules.ts";
import { type Archive, archive, archiveBytes, archiveLines } from "./fuzz_archive.ts";
import { type Bytes, lines, MAX_LINE_BYTES } from "./fuzz_lines.ts";
import { type FuzzedManifest, manifest, manifestBytes, tellsTruth } from "./fuzz_manifest.ts";
import { type Claim, linesFound } from "./fuzz_oracle.ts";
import { rollupOf } from "./rollup_bytes.ts";
import { SimulatedDisk } from "./simulated_disk.ts";

/**
 * The content of a path: nothing, a directory or other object that is not a regular file, or a file with these bytes.
 */
export type Entry = "directory" | "symlink" | "other" | Bytes | null;

/**
 * The rollup (sums of the events) of a segment: the rollup of its archive, the rollup of other lines, or any other
 * entry.
 */
export type FuzzedRollup = "own" | { readonly of: Bytes } | Entry;

/**
 * The files of one segment (closed part of a log): the uncompressed file, the archive, the rollup (sums), and the
 * unfinished archive and rollup. Any of them may be missing.
 */
export interface FuzzedSegment {
  readonly stamp: Stamp;
  readonly sealed: Entry;
  readonly archive: Archive | Exclude<Entry, Bytes>;
  readonly rollup: FuzzedRollup;
  readonly unfinished: Entry;
  /**
   * Is true if the uncompressed file has a lock file. The file is then the active file of another log, and not a
   * segment.
   */
  readonly isLocked: boolean;
}

/** The contents of a log's directory. */
export interface FuzzedDirectory {
  readonly active: Entry;
  /** The segments, oldest first. */
  readonly segments: readonly FuzzedSegment[];
  readonly manifest: FuzzedManifest | Exclude<Entry, Bytes>;
  readonly lock: Entry;
  /** Names in the directory that do not belong to the log. */
  readonly strangers: readonly string[];
}

/** The paths of every fuzzed log. */
export const FILES = new LogFiles("/log/audit.jsonl");

const STAMPS = ["20240229_235959", "20260213_120000", "20260213_120001", "20270101_000000"];
const STRANGERS = [
  ...["audit_20260230_000000.jsonl", "audit_old.jsonl", "other_20260101_000000.jsonl"],
  ...["audit.jsonl.gz", "audit_20260213_120000.jsonl.gz.bak", "audit.jsonl~", "audit_.jsonl"],
  ...["audit_20260213_1200000.jsonl", "audit_20260213_120000.json", "audit_20260213_120000"],
  ...["__proto__", "constructor", "\u{1f41f} %00 \n"],
  // Windows ignores the case of letters, so there these are names of the log's own files.
  ...RULES === "POSIX" ? ["AUDIT.jsonl", "audit_20260213_120000.jsonl.GZ"] : [],
];

const odd = fc.constantFrom("directory", "symlink", "other");

function entry(file: fc.Arbitrary<Bytes>): fc.Arbitrary<Entry> {
  return fc.oneof(
    { weight: 40, arbitrary: file },
    { weight: 6, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: odd },
  );
}

const segment = fc.record({
  sealed: fc.oneof(
    { weight: 2, arbitrary: entry(lines({ maxLength: 5 })) },
    { weight: 5, arbitrary: fc.constant(null) },
  ),
  archive: fc.oneof(
    { weight: 20, arbitrary: archive },
    { weight: 5, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: odd },
  ),
  rollup: fc.oneof(
    { weight: 12, arbitrary: fc.constant("own" as const) },
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: fc.record({ of: lines({ maxLength: 6 }) }) },
    { weight: 1, arbitrary: entry(fc.uint8Array({ maxLength: 60 })) },
  ),
  unfinished: fc.oneof(
    { weight: 8, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: entry(fc.uint8Array({ maxLength: 20 })) },
  ),
  isLocked: fc.nat(19).map((number) => number === 19),
});

/** Generates directories of a log. */
export const directory: fc.Arbitrary<FuzzedDirectory> = fc.record({
  active: entry(lines({ maxLength: 8 })),
  segments: fc.array(segment, { maxLength: STAMPS.length }).map((segments) =>
    segments.map((each, index) => ({ ...each, stamp: STAMPS[index]! }))
  ),
  manifest: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 12, arbitrary: manifest },
    { weight: 1, arbitrary: odd },
  ),
  lock: fc.oneof(
    { weight: 30, arbitrary: fc.constant(null) },
    { weight: 4, arbitrary: fc.uint8Array({ maxLength: 12 }) },
    { weight: 1, arbitrary: odd },
  ),
  strangers: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.subarray(STRANGERS, { maxLength: 3 }) },
  ),
});

/**
 * Checks whether the entry is something other than a regular file, such as a symlink. The log must refuse to open it.
 */
export function isOdd(entry: unknown): entry is "directory" | "symlink" | "other" {
  return typeof entry === "string";
}

/** Creates a disk that contains the directory. */
export function diskOf(fuzzed: FuzzedDirectory): SimulatedDisk {
  const disk = new SimulatedDisk();
  const put = (path: string, entry: Entry) => {
    if (isOdd(entry)) disk.plant(path, entry);
    else if (entry !== null) disk.writeFile(path, entry);
  };
  disk.plant(FILES.directory, "directory");
  put(FILES.active, fuzzed.active);
  put(FILES.lock, fuzzed.lock);
  for (const { stamp, sealed, archive, rollup, unfinished, isLocked } of fuzzed.segments) {
    if (isLocked) put(`${FILES.sealed(stamp)}.lock`, new Uint8Array());
    put(FILES.sealed(stamp), sealed);
    put(FILES.archive(stamp), isArchive(archive) ? archiveBytes(archive) : archive);
    put(FILES.rollup(stamp), entryOfRollup(rollup, archive));
    put(FILES.unfinished(stamp), unfinished);
    put(FILES.unfinishedRollup(stamp), unfinished);
  }
  put(FILES.manifest, entryOfManifest(fuzzed));
  for (const name of fuzzed.strangers) {
    disk.writeFile(`${FILES.directory}/${name}`, '{"event":"nav","cost":1000,"stranger":true}\n');
  }
  return disk;
}

function entryOfRollup(rollup: FuzzedRollup, archive: FuzzedSegment["archive"]): Entry {
  if (rollup === "own") return isArchive(archive) ? rollupBytesOf(archive.raw) : null;
  return rollup !== null && typeof rollup === "object" && "of" in rollup
    ? rollupBytesOf(rollup.of)
    : rollup;
}

function rollupBytesOf(raw: Bytes): Bytes | null {
  return rollupOf(raw, { maxLineBytes: MAX_LINE_BYTES })?.bytes ?? null;
}

function isArchive(archive: FuzzedSegment["archive"]): archive is Archive {
  return archive !== null && !isOdd(archive);
}

function entryOfManifest({ manifest, segments }: FuzzedDirectory): Entry {
  if (manifest === null || isOdd(manifest)) return manifest;
  const archives = segments.filter(({ archive }) => isArchive(archive)).map((
    { stamp, archive },
  ) => ({ name: basename(FILES.archive(stamp)), archive: archive as Archive }));
  return manifestBytes(manifest, archives);
}

/**
 * Checks whether every statement of the manifest is true and no archive is damaged. Then the manifest cannot mislead a
 * reader that trusts it. Returns true if there is no manifest.
 */
export function isManifestTrue({ manifest, segments }: FuzzedDirectory): boolean {
  if (manifest === null || isOdd(manifest)) return true;
  // If an archive is damaged, lines are lost that its manifest line still counts.
  const isWhole = (segment: FuzzedSegment) =>
    !isArchive(segment.archive) || segment.archive.damage.kind === "none";
  return tellsTruth(manifest) && segments.every(isWhole);
}

/**
 * Returns the events that a reader must find in each file, oldest file first, the files that it must report as damaged,
 * and the files that it may report.
 */
export function claimsOf(
  fuzzed: FuzzedDirectory,
): { claims: Claim[]; damaged: ReadonlySet<string>; mayBeDamaged: ReadonlySet<string> } {
  const claims: Claim[] = [];
  const damaged = new Set<string>();
  const mayBeDamaged = new Set<string>();
  const claimLines = (path: string, bytes: Uint8Array, isAll = true) => {
    const found = linesFound(bytes, MAX_LINE_BYTES);
    claims.push({ path, events: found.events, isAll });
    if (found.damaged.length > 0) damaged.add(path);
  };
  for (const { stamp, archive, isLocked, ...forms } of fuzzed.segments) {
    // Before a rotation renames the active file, it reserves the new name with an empty file. If the process is killed
    // in between, the empty file stays.
    const isNone = isLocked || (forms.sealed instanceof Uint8Array && forms.sealed.length === 0);
    const sealed = isNone ? null : forms.sealed;
    const path = FILES.archive(stamp);
    if (isOdd(sealed)) damaged.add(FILES.sealed(stamp));
    if (sealed !== null && !isOdd(sealed)) claimLines(FILES.sealed(stamp), sealed);
    else if (isOdd(archive)) {
      if (sealed === null) damaged.add(path);
      else mayBeDamaged.add(path);
    } else if (archive !== null) {
      const { bytes, isAll, isDamaged } = archiveLines(archive);
      claimLines(path, bytes, isAll);
      if (isDamaged === true) damaged.add(path);
      if (isDamaged === undefined) mayBeDamaged.add(path);
    }
  }
  if (fuzzed.active !== null && !isOdd(fuzzed.active)) claimLines(FILES.active, fuzzed.active);
  return { claims, damaged, mayBeDamaged };
}

/** Describes the directory as text, for a finding. */
export function describeDirectory(fuzzed: FuzzedDirectory): string {
  return Deno.inspect(fuzzed, { depth: 8, iterableLimit: 40, strAbbreviateSize: 400 }) +
    Object.entries(diskOf(fuzzed).snapshot()).map(([path, content]) =>
      `\n${path}: ${typeof content === "string" ? JSON.stringify(content) : latin1(content)}`
    ).join("");
}

/** The text or bytes of each file, as returned by a disk's `snapshot()`. */
export type Contents = ReturnType<SimulatedDisk["snapshot"]>;

/** Checks whether two snapshots contain the same files with the same contents. */
export function isSameContents(a: Contents, b: Contents): boolean {
  const paths = Object.keys(a);
  return paths.length === Object.keys(b).length &&
    paths.every((path) => isSameContent(a[path]!, b[path]));
}

function isSameContent(a: string | Uint8Array, b: string | Uint8Array | undefined): boolean {
  if (a === b || typeof a === "string" || !(b instanceof Uint8Array)) return a === b;
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);
}

/** Returns the bytes as quoted text, with one character for each byte. */
export function latin1(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder("latin1").decode(bytes));
}
