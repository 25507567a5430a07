/**
 * Counts the work that each asynchronous call does between two turns of the event loop: the names that it lists, the
 * files that it looks at, and the bytes that it reads. The counts must not grow with the history, so that other tasks
 * of the process can run in between.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { stats } from "@vivarium/scout";
import { type AuditReader, openReaderOn } from "../../src/audit_reader.ts";
import { openLogOn } from "../../src/audit_log.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import { renderReport } from "../../src/report/render_report.ts";
import { LogFiles, stampOf } from "../../src/segments/segment_name.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { gzipFacts } from "../bytes.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { tempDir } from "../temp_dir.ts";

const NOW_MS = Date.UTC(2026, 1, 13, 12);
const ARCHIVES = 1_000;
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Number of bytes of the active file. A reader that reads it in one step exceeds {@linkcode BYTES_MAX}. */
const ACTIVE_BYTES = 3 * 1024 * 1024;

/** Maximum number of names and files between two turns of the event loop. */
const FILES_MAX = 50;
/** Maximum number of bytes that are read between two turns of the event loop. */
const BYTES_MAX = 544 * 1024;

/** The work between two turns of the event loop. */
class Work {
  files = 0;
  bytes = 0;
}

/**
 * A clock on which every step of work takes too long, so that work which is divided into steps makes as many turns of
 * the event loop as it can. Records the most work between two turns.
 */
class WorkClock extends SimulatedClock {
  readonly work = new Work();
  readonly most = new Work();
  #nowMs = 0;

  override monotonicMs(): number {
    return this.#nowMs += 1_000;
  }

  override turn(): Promise<void> {
    this.endStep();
    return super.turn();
  }

  endStep(): void {
    for (const count of ["files", "bytes"] as const) {
      this.most[count] = Math.max(this.most[count], this.work[count]);
      this.work[count] = 0;
    }
  }
}

/** Returns the real disk, with each directory reported as a large one. Adds what is read to the current work. */
function countingFileSystem(work: Work): FileSystem {
  const countedHandle = (handle: FileHandle): FileHandle =>
    new Proxy(handle, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (name === "read" || name === "readSync") {
            work.bytes += (args[0] as Uint8Array).byteLength;
          }
          return member.apply(target, args);
        };
      },
    });
  return {
    ...denoFileSystem,
    directoryStatus: (at) => ({ ...denoFileSystem.directoryStatus(at)!, byteLength: 1_000_000 }),
    status: (at) => (work.files++, denoFileSystem.status(at)),
    list(at) {
      const names = denoFileSystem.list(at);
      work.files += names.length;
      return names;
    },
    open: (at, access) => (work.files++, countedHandle(denoFileSystem.open(at, access))),
  };
}

/** Writes a log with many small archives, their manifest, and an active file of many events. */
function writeHistory(path: string): void {
  const files = new LogFiles(path);
  const manifest = new ManifestLines();
  const lines: string[] = [];
  const eventAt = (ms: number) =>
    `${
      JSON.stringify({ ts: new Date(ms).toISOString(), event: "nav", cost: 1, model: "m", n: ms })
    }\n`;
  for (let n = ARCHIVES; n > 0; n--) {
    const ms = NOW_MS - n * 600_000;
    const raw = new TextEncoder().encode(eventAt(ms));
    const scan = new SegmentScan(MAX_LINE_BYTES);
    scan.add(raw);
    const gzip = new Uint8Array(gzipSync(raw, { level: 1 }));
    const archive = `audit_${stampOf(ms + 1_000)}.jsonl.gz`;
    Deno.writeFileSync(files.at(archive), gzip);
    // The archive has no rollup (the file with its sums), so recovery does not compute one.
    const facts = { ...scan.finish(), ...gzipFacts(gzip), rollup_sha256: null, rebuilt: false };
    const line = manifest.next({ archive, ...facts });
    manifest.take(line);
    lines.push(new TextDecoder().decode(line));
  }
  Deno.writeTextFileSync(files.manifest, lines.join(""));
  let active = "";
  for (let ms = NOW_MS - 60_000; active.length < ACTIVE_BYTES; ms++) active += eventAt(ms);
  Deno.writeTextFileSync(path, active);
}

async function drained(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

async function first(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events) return;
}

const CALLS: Readonly<Record<string, (reader: AuditReader) => Promise<unknown>>> = {
  "query()": (reader) => drained(reader.query()),
  "query() of the newest events": (reader) => drained(reader.query({ order: "desc" })),
  "query().toArray() of the last hour": (reader) =>
    reader.query({ since: NOW_MS - 3_600_000 }).toArray(),
  "lastEvents()": (reader) => reader.lastEvents(20, { eventType: "brief" }),
  "hourlySpend()": (reader) => reader.hourlySpend(1),
  "accuracyMetrics()": (reader) => reader.accuracyMetrics(0),
  "gateMetrics()": (reader) => reader.gateMetrics(),
  "unfinished()": (reader) => drained(reader.unfinished()),
  "prunedUntil()": (reader) => reader.prunedUntil(),
  "head()": (reader) => reader.head(),
  "verify()": (reader) => reader.verify(),
  "follow() from a time": (reader) => first(reader.follow({ since: NOW_MS - 30_000 })),
  "stats()": (reader) => stats(reader, { by: "model" }),
  "renderReport()": (reader) => renderReport(reader),
};

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name} does a bounded amount of work between two turns of the event loop`, async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    writeHistory(path);
    const clock = new WorkClock();
    const platform = { fileSystem: countingFileSystem(clock.work), clock };
    await using reader = await openReaderOn(platform, { path, now: () => NOW_MS, logger: silent });
    await call(reader);
    clock.endStep();
    const { files, bytes } = clock.most;
    assertEquals({ files: files > FILES_MAX && files, bytes: bytes > BYTES_MAX && bytes }, {
      files: false,
      bytes: false,
    });
  });
}

Deno.test("open(), recovery and retention do a bounded amount of work between two turns of the event loop", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  writeHistory(path);
  const clock = new WorkClock();
  const platform = { fileSystem: countingFileSystem(clock.work), clock };
  const retention = { maxArchives: ARCHIVES - 2 };
  await using log = await openLogOn(platform, {
    path,
    now: () => NOW_MS,
    logger: silent,
    retention,
  });
  const { pruned, addedToManifest } = await log.recovery;
  assertEquals([pruned.length, addedToManifest.length], [2, 0]);
  clock.endStep();
  const { files, bytes } = clock.most;
  assertEquals({ files: files > FILES_MAX && files, bytes: bytes > BYTES_MAX && bytes }, {
    files: false,
    bytes: false,
  });
});
