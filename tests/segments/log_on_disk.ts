/**
 * A log with segments on a simulated disk, and the processes that have it open.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { Archiver } from "../../src/segments/archiver.ts";
import type { Archiving } from "../../src/segments/archive.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { Manifest } from "../../src/segments/manifest.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import { recoverSegments, type RecoveryReport } from "../../src/segments/recover.ts";
import { readRollup, storedRollup } from "../../src/segments/rollup_file.ts";
import { LogFiles, type Stamp } from "../../src/segments/segment_name.ts";
import { type Call, SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import type { Rules } from "../rules.ts";
import { gunzipped } from "../temp_dir.ts";

/** The files of the log. */
export const files: LogFiles = new LogFiles("/log/audit.jsonl");

/** Returns the log on the file system of a process. */
export function logOn(fileSystem: FileSystem): LogDirectory {
  return new LogDirectory(fileSystem, files.active);
}

/** Stamps (the times in the names) of three segments, oldest first. */
export const STAMPS: readonly [Stamp, Stamp, Stamp] = [
  "20260213_143021",
  "20260213_143022",
  "20260213_143023",
];

/** Objects that are not regular files: the words for test names, and the kind on the simulated disk. */
export const ODDITIES = [
  ["a symlink", "symlink"],
  ["a directory", "directory"],
  ["a FIFO", "other"],
] as const;

/** Returns a simulated disk with the files, by path. */
export function diskWith(
  content: Record<string, string | Uint8Array>,
  rules?: Rules,
): SimulatedDisk {
  const disk = new SimulatedDisk(rules);
  disk.plant(files.directory, "directory");
  for (const [path, bytes] of Object.entries(content)) disk.writeFile(path, bytes);
  return disk;
}

/**
 * Returns `count` lines of events. The costs start at `first`, so that texts with different values of `first` differ.
 */
export function linesFrom(first: number, count = 3): string {
  return Array.from({ length: count }, (_, index) => {
    const ts = new Date(Date.UTC(2026, 1, 13, 14, 30) + index).toISOString();
    return `${JSON.stringify({ ts, event: "nav", cost: first + index })}\n`;
  }).join("");
}

/** Returns the sorted file names in the directory of the log. */
export function namesOn(disk: SimulatedDisk): string[] {
  return disk.process().list(files.directory).sort();
}

/**
 * Checks that each archive has the rollup (file with its sums) whose digest the manifest states, and that no other
 * rollup exists.
 *
 * @param place The place in the test, for the message of a failure.
 */
export async function assertRollups(disk: SimulatedDisk, place?: string): Promise<void> {
  const log = logOn(disk.process());
  const { byArchive } = new ManifestReader(log).read();
  const expected: Record<string, unknown> = {};
  for (const { stamp, forms } of log.segments()) {
    const line = byArchive.get(basename(files.archive(stamp)));
    if (!forms.has("archive") || !line?.rollup_sha256) continue;
    const { rollup_sha256: digest, sha256: content_sha256 } = line;
    expected[stamp] = { digest, content_sha256, isWhole: true };
  }
  const found: Record<string, unknown> = {};
  for (const name of namesOn(disk).filter((name) => /\.rollup(?:\.tmp)?$/.test(name))) {
    const { stamp = name, form } = files.parse(name) ?? {};
    const stored = form === "rollup" ? await storedRollup(log, stamp) : null;
    const read = stored === null ? null : readRollup(log, stamp, stored.digest);
    found[stamp] = {
      digest: stored?.digest,
      content_sha256: read?.content_sha256,
      isWhole: stored?.isWhole,
    };
  }
  assertEquals(found, expected, place);
}

/** Resolves with the decoded text of an archive on the disk. */
export function textOfArchive(disk: SimulatedDisk, stamp: Stamp): Promise<string> {
  return gunzipped(new Uint8Array(disk.readFile(files.archive(stamp))));
}

/** Takes the claim at the path for a process: locks the claim file until the process is killed. */
export function claim(owner: SimulatedProcess, path: string): void {
  assert(owner.open(path, "create").tryLock());
}

const CHANGES: ReadonlySet<Call["name"]> = new Set([
  "append",
  "link",
  "remove",
  "rename",
  "syncData",
  "syncDirectory",
  "truncate",
]);

/** A process that archives and recovers the segments (closed parts) of the log. */
export class LogProcess {
  readonly system: SimulatedProcess;
  readonly clock = new SimulatedClock();
  /** The logged warnings and errors. */
  readonly told: string[] = [];
  readonly manifest: Manifest;
  readonly archiver: Archiver;
  readonly archiving: Archiving;
  /** Aborts the archiving through its signal. */
  readonly ending = new AbortController();
  readonly #logger = {
    debug() {},
    info() {},
    warn: (...data: unknown[]) => void this.told.push(data.join(" ")),
    error: (...data: unknown[]) => void this.told.push(data.join(" ")),
  };

  /** Starts a process on the disk. Its rollups (sums of archives) group events by the fields `rollupFields`. */
  constructor(disk: SimulatedDisk, rollupFields: readonly string[] = []) {
    this.system = disk.process();
    const log = new LogDirectory(this.system, files.active, this.#logger);
    // The functions that run under the lock are synchronous, and the processes share a thread. So they never overlap.
    const underLock = async <T>(section: () => T) => await Promise.resolve().then(section);
    this.manifest = new Manifest({ log, logger: this.#logger, underLock });
    const { manifest, clock } = this;
    const parts = { log, manifest, underLock, maxLineBytes: 10_000, rollupFields, clock };
    this.archiver = new Archiver({
      ...parts,
      logger: this.#logger,
      onArchived: () => Promise.resolve(),
    });
    this.archiving = { ...parts, signal: this.ending.signal };
  }

  /** Runs the recovery of the segments, like `open()`. */
  recover(): Promise<Omit<RecoveryReport, "closedTornTail" | "pruned">> {
    const { archiving, archiver } = this;
    return recoverSegments({ archiving, archiver, logger: this.#logger });
  }

  /**
   * The recorded calls that change or sync files: the name of each call, followed by its paths. Calls on claim files
   * and temporary files are left out.
   */
  get changes(): string[] {
    return this.system.calls
      .filter(({ name, path }) => CHANGES.has(name) && !/\.(?:tmp\.lock|new\.tmp)$/.test(path))
      .map(({ name, path, to }) => [name, path, to].filter((word) => word !== undefined).join(" "));
  }
}
