/**
 * Creates logs on the real disk as a killed process leaves them, one for each point at which the process may be killed.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { gunzipSync } from "node:zlib";
import { join } from "@std/path";
import { fieldsOf } from "../programs/killed_writer.ts";
import type { SeededRandom } from "../seeded_random.ts";
import { ACTIVE } from "./real_oracle.ts";

/**
 * Functions that each leave a segment (closed part of a log) as a killed process would. The manifest (list of archives)
 * has no line for the segment yet.
 */
const UNLISTED = {
  /** Leaves the files as after a kill before archiving began. */
  "segment alone": ({ directory, archive }) => {
    leaveSegment(directory, archive);
    Deno.removeSync(join(directory, archive));
    Deno.removeSync(join(directory, rollupOf(archive)));
  },
  /** Leaves the files as after a kill while the archive was written. */
  "half an archive": ({ directory, archive, random }) => {
    leaveSegment(directory, archive);
    const bytes = Deno.readFileSync(join(directory, archive));
    const half = bytes.subarray(0, random.below(bytes.byteLength));
    Deno.writeFileSync(join(directory, `${archive}.tmp`), half, { mode: 0o600 });
    Deno.removeSync(join(directory, archive));
    Deno.removeSync(join(directory, rollupOf(archive)));
  },
  /** Leaves the files as after a kill between link() to the archive's final name and unlink() of its temporary name. */
  "archive with two names": ({ directory, archive }) => {
    leaveSegment(directory, archive);
    Deno.linkSync(join(directory, archive), join(directory, `${archive}.tmp`));
    Deno.removeSync(join(directory, rollupOf(archive)));
  },
  /** Leaves the files as after a kill while the rollup (sums of the archive) was written. */
  "half a rollup": ({ directory, archive, random }) => {
    leaveSegment(directory, archive);
    const bytes = Deno.readFileSync(join(directory, rollupOf(archive)));
    const half = bytes.subarray(0, random.below(bytes.byteLength));
    Deno.writeFileSync(join(directory, `${rollupOf(archive)}.tmp`), half, { mode: 0o600 });
    Deno.removeSync(join(directory, rollupOf(archive)));
  },
  /** Leaves the files as after a kill before the line of the archive was written to the manifest. */
  "segment and archive": ({ directory, archive }) => leaveSegment(directory, archive),
  /** Leaves the archive without a line, as if the manifest had been lost. */
  "archive alone": () => {},
  /**
   * Leaves the archive without a line in the manifest, and with the rollup (sums) of another archive, as another
   * program might.
   */
  "archive and another rollup": ({ directory, archive, random }) => {
    const rollups = Array.from(Deno.readDirSync(directory), ({ name }) => name)
      .filter((name) => name.endsWith(".rollup") && name !== rollupOf(archive)).sort();
    const other = rollups[random.below(rollups.length)] ?? "";
    Deno.copyFileSync(join(directory, other), join(directory, rollupOf(archive)));
  },
  /** Leaves the archive without a line in the manifest, and an unfinished archive whose segment does not exist. */
  "archive and half an archive": ({ directory, archive }) => {
    Deno.writeTextFileSync(join(directory, `${archive}.tmp`), "half", { mode: 0o600 });
  },
} satisfies Record<string, (segment: Segment) => void>;

interface Segment {
  readonly directory: string;
  /** Name of the segment's archive. */
  readonly archive: string;
  readonly random: SeededRandom;
}

const SEGMENTS = 6;

/** The contents of a log that needs recovery. */
export interface Leftovers {
  /** Number of events. They are numbered from 0. */
  readonly events: number;
  /** Torn lines in the log. */
  readonly tornLines: readonly string[];
  /** List of the leftovers to recover. */
  readonly what: string;
}

/**
 * Creates the log in an empty directory. A log with an even `nth` and a log with an odd `nth` together contain every
 * kind of leftover.
 */
export async function leaveBehind(
  directory: string,
  { nth, random }: { nth: number; random: SeededRandom },
): Promise<Leftovers> {
  const events = await fill(directory, random);
  const archives = Array.from(Deno.readDirSync(directory), ({ name }) => name)
    .filter((name) => name.endsWith(".gz")).sort();
  cutManifest(directory, 2, random);
  // The manifest has a line for this archive, but its segment was not removed, as after a kill in between.
  const [listed = "", withoutRollup = "", ...unlisted] = archives;
  leaveSegment(directory, listed);
  // This rollup (sums of the archive) is missing, as after a failure to write it.
  Deno.removeSync(join(directory, rollupOf(withoutRollup)));
  leaveStrayRollup(directory, listed);
  const kinds = Object.keys(UNLISTED) as (keyof typeof UNLISTED)[];
  const left = unlisted.map((archive, index) => {
    const kind = kinds[(nth * unlisted.length + index) % kinds.length] ?? "segment alone";
    UNLISTED[kind]({ directory, archive, random });
    return kind;
  });
  const tornLine = tear(directory, random);
  return {
    events,
    tornLines: [tornLine],
    what: ["torn tail", "listed segment", "listed archive without rollup", "rollup alone", ...left]
      .join(", "),
  };
}

/** Fills a log with events and archives. Resolves with the number of events. */
async function fill(directory: string, random: SeededRandom): Promise<number> {
  let n = 0;
  await using log = await AuditLog.open({
    path: join(directory, ACTIVE),
    sessionId: "filler",
    now: () => Date.UTC(2026, 1, 13, 14, 30, 0),
  });
  for (let segment = 0; segment <= SEGMENTS; segment++) {
    if (segment > 0) await log.rotate();
    for (let left = 1 + random.below(3); left > 0; left--) {
      await log.log("nav", fieldsOf(n++, random.below(200)));
    }
  }
  return n;
}

/** Restores the segment of an existing archive. */
function leaveSegment(directory: string, archive: string): void {
  const bytes = gunzipSync(Deno.readFileSync(join(directory, archive)));
  Deno.writeFileSync(join(directory, archive.slice(0, -".gz".length)), bytes, { mode: 0o600 });
}

function rollupOf(archive: string): string {
  return archive.replace(/\.gz$/, ".rollup");
}

/**
 * Leaves a rollup (sums) without an archive, as after a kill between the removal of an old archive and that of its
 * rollup.
 */
function leaveStrayRollup(directory: string, archive: string): void {
  const stray = "audit_20260101_000000.jsonl.rollup";
  Deno.copyFileSync(join(directory, rollupOf(archive)), join(directory, stray));
}

/** Keeps the first `lines` lines of the manifest and, at random, a part of the next line. */
function cutManifest(directory: string, lines: number, random: SeededRandom): void {
  const path = join(directory, "audit.manifest.jsonl");
  const all = Deno.readTextFileSync(path).split("\n");
  const next = all[lines] ?? "";
  const part = random.below(2) === 0 ? "" : next.slice(0, random.below(next.length));
  Deno.writeTextFileSync(path, [...all.slice(0, lines), part].join("\n"));
}

/** Appends a part of a line to the active file, and returns that part. */
function tear(directory: string, random: SeededRandom): string {
  const line = '{"ts":"2026-02-13T14:30:00.000Z","event":"nav","n":99,"text":"torn"}';
  const part = line.slice(0, 1 + random.below(line.length - 1));
  Deno.writeTextFileSync(join(directory, ACTIVE), part, { append: true });
  return part;
}
