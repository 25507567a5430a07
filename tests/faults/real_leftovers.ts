/**
 * A log on the real disk, as somebody leaves it who is killed at one place or another.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { gunzipSync } from "node:zlib";
import { join } from "@std/path";
import { fieldsOf } from "../programs/killed_writer.ts";
import type { SeededRandom } from "../seeded_random.ts";
import { ACTIVE } from "./real_oracle.ts";

/** What is left of a segment whose archive has no line in the manifest yet. */
const UNLISTED = {
  /** Killed before it began to archive. */
  "segment alone": ({ directory, archive }) => {
    leaveSegment(directory, archive);
    Deno.removeSync(join(directory, archive));
  },
  /** Killed while it wrote the archive. */
  "half an archive": ({ directory, archive, random }) => {
    leaveSegment(directory, archive);
    const bytes = Deno.readFileSync(join(directory, archive));
    const half = bytes.subarray(0, random.below(bytes.byteLength));
    Deno.writeFileSync(join(directory, `${archive}.tmp`), half, { mode: 0o600 });
    Deno.removeSync(join(directory, archive));
  },
  /** Killed between the link and the unlink. */
  "archive with two names": ({ directory, archive }) => {
    leaveSegment(directory, archive);
    Deno.linkSync(join(directory, archive), join(directory, `${archive}.tmp`));
  },
  /** Killed before the manifest line. */
  "segment and archive": ({ directory, archive }) => leaveSegment(directory, archive),
  /** Of another manifest, which is gone. */
  "archive alone": () => {},
  /** As above, and a half-written archive whose segment is gone. */
  "archive and half an archive": ({ directory, archive }) => {
    Deno.writeTextFileSync(join(directory, `${archive}.tmp`), "half", { mode: 0o600 });
  },
} satisfies Record<string, (segment: Segment) => void>;

interface Segment {
  readonly directory: string;
  /** Name of its archive. */
  readonly archive: string;
  readonly random: SeededRandom;
}

const SEGMENTS = 4;

/** A log that has to be recovered. */
export interface Leftovers {
  /** How many events it has; they have the numbers from 0. */
  readonly events: number;
  /** The lines in it that are torn. */
  readonly tornLines: readonly string[];
  /** What is to be recovered. */
  readonly what: string;
}

/**
 * Makes the log in an empty directory. Two logs, with an even and an odd `nth`, have all that may
 * be left behind.
 */
export async function leaveBehind(
  directory: string,
  { nth, random }: { nth: number; random: SeededRandom },
): Promise<Leftovers> {
  const events = await fill(directory, random);
  const archives = Array.from(Deno.readDirSync(directory), ({ name }) => name)
    .filter((name) => name.endsWith(".gz")).sort();
  cutManifest(directory, 1, random);
  // Killed between the manifest line and the removal of the segment.
  const [listed = "", ...unlisted] = archives;
  leaveSegment(directory, listed);
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
    what: ["torn tail", "listed segment", ...left].join(", "),
  };
}

/** Logs and archives in this process; gives the number of events. */
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

/** Puts the segment back whose archive is there. */
function leaveSegment(directory: string, archive: string): void {
  const bytes = gunzipSync(Deno.readFileSync(join(directory, archive)));
  Deno.writeFileSync(join(directory, archive.slice(0, -".gz".length)), bytes, { mode: 0o600 });
}

/** Leaves some lines of the manifest, and maybe a part of the next one. */
function cutManifest(directory: string, lines: number, random: SeededRandom): void {
  const path = join(directory, "audit.manifest.jsonl");
  const all = Deno.readTextFileSync(path).split("\n");
  const next = all[lines] ?? "";
  const part = random.below(2) === 0 ? "" : next.slice(0, random.below(next.length));
  Deno.writeTextFileSync(path, [...all.slice(0, lines), part].join("\n"));
}

/** Leaves a part of a line at the end of the active file, and gives it. */
function tear(directory: string, random: SeededRandom): string {
  const line = '{"ts":"2026-02-13T14:30:00.000Z","event":"nav","n":99,"text":"torn"}';
  const part = line.slice(0, 1 + random.below(line.length - 1));
  Deno.writeTextFileSync(join(directory, ACTIVE), part, { append: true });
  return part;
}
