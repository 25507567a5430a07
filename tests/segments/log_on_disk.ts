/**
 * A log with segments on a simulated disk, and the processes that have it open.
 *
 * @module
 */
import { Archiver } from "../../src/segments/archiver.ts";
import type { ArchiveSite } from "../../src/segments/archive.ts";
import { Manifest } from "../../src/segments/manifest.ts";
import { recoverSegments, type RecoveryReport } from "../../src/segments/recover.ts";
import { LogFiles, type Stamp } from "../../src/segments/segment_name.ts";
import { type Call, SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import { gunzipped } from "../temp_dir.ts";

/** The files of the log. */
export const files: LogFiles = new LogFiles("/log/audit.jsonl");

/** Stamps of three segments, oldest first. */
export const STAMPS: readonly [Stamp, Stamp, Stamp] = [
  "20260213_143021",
  "20260213_143022",
  "20260213_143023",
];

/** What may stand at a path that is no plain file. */
export const ODDITIES = [
  ["a symlink", "symlink"],
  ["a directory", "directory"],
  ["a FIFO", "other"],
] as const;

/** A disk that holds the files. */
export function diskWith(content: Record<string, string | Uint8Array>): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant(files.directory, "directory");
  for (const [path, bytes] of Object.entries(content)) disk.writeFile(path, bytes);
  return disk;
}

/** Lines of events whose costs differ, so that no two texts are the same. */
export function linesFrom(first: number, count = 3): string {
  return Array.from({ length: count }, (_, index) => {
    const ts = new Date(Date.UTC(2026, 1, 13, 14, 30) + index).toISOString();
    return `${JSON.stringify({ ts, event: "nav", cost: first + index })}\n`;
  }).join("");
}

/** Names of what is in the directory. */
export function namesOn(disk: SimulatedDisk): string[] {
  return disk.process().list(files.directory).sort();
}

/** The text that an archive on the disk holds. */
export function textOfArchive(disk: SimulatedDisk, stamp: Stamp): Promise<string> {
  return gunzipped(new Uint8Array(disk.readFile(files.archive(stamp))));
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

/** One process that sees to the segments of the log. */
export class LogProcess {
  readonly system: SimulatedProcess;
  readonly clock = new SimulatedClock();
  /** What the logger was told. */
  readonly told: string[] = [];
  readonly manifest: Manifest;
  readonly archiver: Archiver;
  readonly site: ArchiveSite;
  /** Ends the work of the site. */
  readonly ending = new AbortController();
  readonly #logger = {
    debug() {},
    info() {},
    warn: (...data: unknown[]) => void this.told.push(data.join(" ")),
    error: (...data: unknown[]) => void this.told.push(data.join(" ")),
  };

  /** Starts a process on the disk. */
  constructor(disk: SimulatedDisk) {
    const fileSystem = this.system = disk.process();
    // A section is synchronous and the processes share a thread, so nothing comes in between.
    const underLock = async <T>(section: () => T) => await Promise.resolve().then(section);
    this.manifest = new Manifest({
      fileSystem,
      path: files.manifest,
      logger: this.#logger,
      underLock,
    });
    const { manifest, clock } = this;
    const parts = { fileSystem, files, manifest, underLock, maxLineBytes: 10_000, clock };
    this.archiver = new Archiver({
      ...parts,
      logger: this.#logger,
      onArchived: () => Promise.resolve(),
    });
    this.site = { ...parts, signal: this.ending.signal };
  }

  /** Puts the segments in order, as an open() does. */
  recover(): Promise<Omit<RecoveryReport, "closedTornTail" | "pruned">> {
    return recoverSegments({ site: this.site, archiver: this.archiver, logger: this.#logger });
  }

  /** The calls that change the disk or bring it up to date, by what they are and where. */
  get changes(): string[] {
    return this.system.calls.filter(({ name }) => CHANGES.has(name))
      .map(({ name, path, to }) => [name, path, to].filter((word) => word !== undefined).join(" "));
  }
}
