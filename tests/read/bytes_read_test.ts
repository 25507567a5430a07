/**
 * Counts the bytes that a reader reads from the disk for one query. The number must grow with the size of the answer
 * and not with the size of the log. Therefore the tests use logs of 1, 10 and 100 archives with the same limits.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { gzipSync } from "node:zlib";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import { gzipFacts } from "../bytes.ts";
import { CountingFileSystem } from "../counting_file_system.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { LogFiles, stampOf } from "../../src/segments/segment_name.ts";
import { SegmentScan, type SegmentSummary } from "../../src/segments/segment_summary.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import { silent } from "../loggers.ts";

const LAST_EVENTS_BYTES_MAX = 1024 * 1024;
const HOURLY_SPEND_BYTES_MAX = 1024 * 1024;
/**
 * Maximum number of bytes that a second call of `hourlySpend()` may read if nothing was written after the first call.
 */
const HOURLY_SPEND_AGAIN_BYTES_MAX = 64 * 1024;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = Date.UTC(2026, 6, 1);
/** Number of lines in each archive, which are about 200 kB before compression. */
const LINES_PER_ARCHIVE = 1_600;
/** Number of lines in the active file, which are about 3 MB. */
const LINES_IN_ACTIVE = 24_000;
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Time span of the events of an archive in milliseconds. The next archive starts at the end of this span. */
const ARCHIVE_MS = 2 * DAY_MS;
const ACTIVE_MS = DAY_MS;
const SIZES = [1, 10, 100] as const;

const files = new LogFiles("/log/audit.jsonl");

type Bytes = Uint8Array<ArrayBuffer>;

/** Returns `count` lines of about 125 bytes, with times spread evenly over `spanMs` milliseconds. */
function linesOver(fromMs: number, spanMs: number, count: number): Bytes {
  const lines = Array.from({ length: count }, (_, index) => {
    const ts = new Date(fromMs + Math.floor(spanMs * index / count)).toISOString();
    const event = index % 3 === 0 ? "nav" : "brief";
    const session_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    return `${JSON.stringify({ ts, event, session_id, cost: (index % 97) / 1000, n: index })}\n`;
  });
  return new TextEncoder().encode(lines.join(""));
}

/** An archive that a test creates. `isListed` states whether the manifest gets a line for the archive. */
interface Archive {
  readonly stampMs: number;
  readonly raw: Bytes;
  readonly gzip: Bytes;
  readonly summary: SegmentSummary;
  readonly isListed: boolean;
}

function archiveOver(fromMs: number, spanMs: number, isListed = true): Archive {
  const raw = linesOver(fromMs, spanMs, LINES_PER_ARCHIVE);
  const scan = new SegmentScan(MAX_LINE_BYTES);
  scan.add(raw);
  const gzip = new Uint8Array(gzipSync(raw));
  return { stampMs: fromMs + spanMs, raw, gzip, summary: scan.finish(), isListed };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const active = once(() => linesOver(NOW_MS - ACTIVE_MS, ACTIVE_MS, LINES_IN_ACTIVE));
/** Number of lines between two flushes while the active file is written. */
const LINES_AT_ONCE = 500;

/** Creates a disk that has only an active file, which an `AuditLog` has written line by line. */
async function writtenDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  let nowMs = 0;
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const options = { path: files.active, now: () => nowMs, logger: silent };
  await using log = await openLogOn(platform, options);
  const lines = new TextDecoder().decode(active()).split("\n").slice(0, -1);
  for (const [index, line] of lines.entries()) {
    const { ts, event, ...fields } = JSON.parse(line);
    nowMs = Date.parse(ts);
    log.log(event, fields);
    if (index % LINES_AT_ONCE === 0) await log.flush();
  }
  await log.flush();
  assertEquals(disk.snapshot()[files.active], new TextDecoder().decode(active()));
  return disk;
}
const allArchives = once(() =>
  Array.from({ length: SIZES.at(-1)! }, (_, index) => {
    const age = SIZES.at(-1)! - index;
    return archiveOver(NOW_MS - ACTIVE_MS - age * ARCHIVE_MS, ARCHIVE_MS);
  })
);

function nameOf({ stampMs }: Archive): string {
  return basename(files.archive(stampOf(stampMs)));
}

const diskWithActive = once(writtenDisk);

async function diskWith(archives: readonly Archive[]): Promise<SimulatedDisk> {
  const disk = (await diskWithActive()).afterKill();
  const manifest = new ManifestLines();
  let text = "";
  for (const archive of archives) {
    const { gzip, isListed, stampMs, summary } = archive;
    disk.writeFile(files.archive(stampOf(stampMs)), gzip);
    if (!isListed) continue;
    const facts = { ...summary, ...gzipFacts(gzip), rebuilt: false };
    const line = manifest.next({ archive: nameOf(archive), ...facts });
    manifest.take(line);
    text += new TextDecoder().decode(line);
  }
  disk.writeFile(files.manifest, text);
  return disk;
}

async function readerOf(disk: SimulatedDisk) {
  const counts = new CountingFileSystem(disk.process());
  const platform = { fileSystem: counts, clock: new SimulatedClock() };
  const options = { path: files.active, now: () => NOW_MS, logger: silent };
  const reader = await openReaderOn(platform, options);
  return { counts, reader, [Symbol.asyncDispose]: () => reader.close() };
}

/** Returns the expected sum of the costs from `sinceMs` to now. Parses every line, without the code under test. */
function spendSince(sinceMs: number, of: readonly Bytes[]): number {
  const costs = of.flatMap((bytes) => new TextDecoder().decode(bytes).split("\n").slice(0, -1))
    .map((line): { ts: string; cost: number } => JSON.parse(line))
    .filter(({ ts }) => Date.parse(ts) >= sinceMs && Date.parse(ts) <= NOW_MS);
  return Math.sumPrecise(costs.map(({ cost }) => cost));
}

function assertClose(actual: number, expected: number): void {
  assert(expected > 0, "no costs to sum");
  assert(Math.abs(actual - expected) <= 1e-12 * expected, `${actual} is not ${expected}`);
}

for (const size of SIZES) {
  const some = once(() => allArchives().slice(-size));
  const disk = once(() => diskWith(some()));

  Deno.test(`AuditReader.lastEvents() reads none of ${size} archives, and at most 1 MiB of the other files`, async () => {
    await using log = await readerOf(await disk());
    const events = await log.reader.lastEvents(20);
    assertEquals(events.length, 20);
    assertEquals(events.at(-1)?.n, LINES_IN_ACTIVE - 1);
    assertEquals(log.counts.archivesOpened, []);
    assertEquals(
      log.counts.lists,
      0,
      "the directory was listed although the active file has enough events",
    );
    const bytes = log.counts.totalBytes;
    assert(bytes <= LAST_EVENTS_BYTES_MAX, `${bytes} bytes read`);
  });

  Deno.test(`AuditReader.hourlySpend() of the last hour reads none of ${size} archives`, async () => {
    await using log = await readerOf(await disk());
    const expected = spendSince(NOW_MS - HOUR_MS, [active()]);
    assertClose(await log.reader.hourlySpend(1), expected);
    assertEquals(log.counts.archivesOpened, []);
    const first = log.counts.totalBytes;
    log.counts.forget();
    assertClose(await log.reader.hourlySpend(1), expected);
    const again = log.counts.totalBytes;
    assert(first <= HOURLY_SPEND_BYTES_MAX, `${first} bytes read`);
    assert(again <= HOURLY_SPEND_AGAIN_BYTES_MAX, `${again} bytes read the second time`);
  });

  Deno.test(`AuditReader.hourlySpend() of a month decodes at most two of ${size} archives`, async () => {
    await using log = await readerOf(await disk());
    const contents = [...some().map(({ raw }) => raw), active()];
    assertClose(await log.reader.hourlySpend(24 * 30), spendSince(NOW_MS - 30 * DAY_MS, contents));
    const decoded = log.counts.archivesRead;
    assert(decoded.length <= 2, `decodes ${decoded}`);
  });

  Deno.test(`AuditReader.query() opens only those of ${size} archives whose times overlap the query`, async () => {
    await using log = await readerOf(await disk());
    const [oldest, youngest] = [some()[0]!, some().at(-1)!];
    for (const archive of [oldest, youngest]) {
      log.counts.forget();
      const [since, until] = [archive.stampMs - HOUR_MS, archive.stampMs];
      const events = await log.reader.query({ since, until }).toArray();
      assertEquals(events.length, Math.floor(LINES_PER_ARCHIVE / 48));
      assertEquals(log.counts.archivesOpened, [nameOf(archive)]);
    }
  });
}

for (const order of ["asc", "desc"] as const) {
  Deno.test(`AuditReader.query() with order "${order}" skips the part of the active file that is older than since`, async () => {
    await using log = await readerOf(await diskWith([]));
    const events = await log.reader.query({ since: NOW_MS - HOUR_MS, order }).toArray();
    assertEquals(events.length, LINES_IN_ACTIVE / 24);
    const bytes = log.counts.totalBytes;
    assert(bytes <= HOURLY_SPEND_BYTES_MAX, `${bytes} bytes read`);
  });
}

/**
 * Returns three archives whose names are in another order than the times of their events, as after a clock was set
 * back.
 */
function steppedArchives(isListed: boolean): Archive[] {
  const atMs = NOW_MS - 40 * DAY_MS;
  return [
    archiveOver(atMs, DAY_MS, isListed),
    // The name of this archive is newer than that of the first archive, but its events are a month older.
    { ...archiveOver(atMs - 30 * DAY_MS, DAY_MS, isListed), stampMs: atMs + 7 * DAY_MS },
    // The name of this archive is older than the names of the other two, but its events are from the last hours.
    { ...archiveOver(NOW_MS - 3 * HOUR_MS, HOUR_MS, isListed), stampMs: atMs - DAY_MS },
  ];
}

Deno.test("AuditReader selects archives by the times of their events, not by their names", async () => {
  const [first, stepped, recent] = steppedArchives(true) as [Archive, Archive, Archive];
  await using log = await readerOf(await diskWith([recent, first, stepped]));
  const atMs = NOW_MS - 70 * DAY_MS;
  const events = await log.reader.query({ since: atMs, until: atMs + HOUR_MS }).toArray();
  assertEquals(log.counts.archivesOpened, [nameOf(stepped)]);
  assertEquals(events.length, Math.ceil(LINES_PER_ARCHIVE / 24));
  log.counts.forget();
  const expected = spendSince(NOW_MS - 4 * HOUR_MS, [recent.raw, active()]);
  assertClose(await log.reader.hourlySpend(4), expected);
  assertEquals(log.counts.archivesOpened.filter((name) => name !== nameOf(recent)), []);
});

Deno.test("AuditReader always reads an archive that is not listed in the manifest", async () => {
  const [unlisted] = steppedArchives(false) as [Archive];
  const listed = allArchives();
  await using log = await readerOf(
    await diskWith([...listed.slice(0, 3), unlisted, ...listed.slice(-2)]),
  );
  const since = NOW_MS - 40 * DAY_MS;
  const events = await log.reader.query({ since, until: since + DAY_MS }).toArray();
  assertEquals(log.counts.archivesOpened, [nameOf(unlisted)]);
  assertEquals(events.length, LINES_PER_ARCHIVE);
  log.counts.forget();
  await log.reader.hourlySpend(1);
  assertEquals(log.counts.archivesRead, [nameOf(unlisted)]);
});
