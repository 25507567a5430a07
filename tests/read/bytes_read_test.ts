/**
 * What reading costs, in bytes that come from the disk: it has to grow with the answer and not with
 * the history. Logs of 1, 10 and 100 archives, counted read by read.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { gzipSync } from "node:zlib";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import type {
  FileAccess,
  FileHandle,
  FileStatus,
  FileSystem,
} from "../../src/platform/file_system.ts";
import { gzipFacts } from "../bytes.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { LogFiles, stampOf } from "../../src/segments/segment_name.ts";
import { SegmentScan, type SegmentSummary } from "../../src/segments/segment_summary.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import { silent } from "../loggers.ts";

const LAST_EVENTS_BYTES_MAX = 1024 * 1024;
const HOURLY_SPEND_BYTES_MAX = 1024 * 1024;
/** What it may read when it is asked again and nothing is new. */
const HOURLY_SPEND_AGAIN_BYTES_MAX = 64 * 1024;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = Date.UTC(2026, 6, 1);
/** Some 200 kB and 3 MB. */
const LINES_PER_ARCHIVE = 1_600;
const LINES_IN_ACTIVE = 24_000;
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** How long the events of an archive go on; the archives follow each other without a gap. */
const ARCHIVE_MS = 2 * DAY_MS;
const ACTIVE_MS = DAY_MS;
const SIZES = [1, 10, 100] as const;

const files = new LogFiles("/log/audit.jsonl");

type Bytes = Uint8Array<ArrayBuffer>;

/** A file system that counts what is opened and what is read, by path. */
class CountingFileSystem implements FileSystem {
  readonly opened = new Set<string>();
  readonly bytesRead = new Map<string, number>();
  lists = 0;
  readonly #fileSystem: FileSystem;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  get bytesInAll(): number {
    return this.bytesRead.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  get archivesRead(): string[] {
    return [...this.bytesRead.keys()].filter(isArchive).map((path) => basename(path)).sort();
  }

  get archivesOpened(): string[] {
    return [...this.opened].filter(isArchive).map((path) => basename(path)).sort();
  }

  forget(): void {
    this.lists = 0;
    this.opened.clear();
    this.bytesRead.clear();
  }

  status(path: string): FileStatus | null {
    return this.#fileSystem.status(path);
  }

  open(path: string, access: FileAccess): FileHandle {
    assertEquals(access, "read", "a reader writes nothing");
    this.opened.add(path);
    const handle = this.#fileSystem.open(path, access);
    const count = (read: number) => {
      if (read > 0) this.bytesRead.set(path, read + (this.bytesRead.get(path) ?? 0));
      return read;
    };
    return {
      status: () => handle.status(),
      read: async (buffer, position) => count(await handle.read(buffer, position)),
      readSync: (buffer, position) => count(handle.readSync(buffer, position)),
      appendSync: refuse,
      truncateSync: refuse,
      syncData: refuse,
      syncDataSync: refuse,
      tryLock: refuse,
      unlock: refuse,
      close: () => handle.close(),
    };
  }

  list(path: string): string[] {
    this.lists++;
    return this.#fileSystem.list(path);
  }

  rename = refuse;
  link = refuse;
  remove = refuse;
  removeAsync = refuse;
  makeDirectory = refuse;
  syncDirectorySync = refuse;
  syncDirectory = refuse;
  watch = refuse;
}

function refuse(): never {
  throw new Error("A reader changes nothing");
}

function isArchive(path: string): boolean {
  return path.endsWith(".gz");
}

/** Lines of some 125 bytes whose times ascend evenly over the span. */
function linesOver(fromMs: number, spanMs: number, count: number): Bytes {
  const lines = Array.from({ length: count }, (_, index) => {
    const ts = new Date(fromMs + Math.floor(spanMs * index / count)).toISOString();
    const event = index % 3 === 0 ? "nav" : "brief";
    const session_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    return `${JSON.stringify({ ts, event, session_id, cost: (index % 97) / 1000, n: index })}\n`;
  });
  return new TextEncoder().encode(lines.join(""));
}

/** An archive to be, and whether the manifest is to tell of it. */
interface Archive {
  readonly stampMs: number;
  readonly raw: Bytes;
  readonly gzip: Bytes;
  readonly summary: SegmentSummary;
  readonly isTold: boolean;
}

function archiveOver(fromMs: number, spanMs: number, isTold = true): Archive {
  const raw = linesOver(fromMs, spanMs, LINES_PER_ARCHIVE);
  const scan = new SegmentScan(MAX_LINE_BYTES);
  scan.add(raw);
  const gzip = new Uint8Array(gzipSync(raw));
  return { stampMs: fromMs + spanMs, raw, gzip, summary: scan.finish(), isTold };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const active = once(() => linesOver(NOW_MS - ACTIVE_MS, ACTIVE_MS, LINES_IN_ACTIVE));
/** How many lines the writer of the active file hands in at once. */
const LINES_AT_ONCE = 500;

/** A disk with the active file alone, as a log leaves it that is told its lines one by one. */
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
    const { gzip, isTold, stampMs, summary } = archive;
    disk.writeFile(files.archive(stampOf(stampMs)), gzip);
    if (!isTold) continue;
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

/** The sum of the costs from the instant to now, by reading every line. */
function spendSince(sinceMs: number, of: readonly Bytes[]): number {
  const costs = of.flatMap((bytes) => new TextDecoder().decode(bytes).split("\n").slice(0, -1))
    .map((line): { ts: string; cost: number } => JSON.parse(line))
    .filter(({ ts }) => Date.parse(ts) >= sinceMs && Date.parse(ts) <= NOW_MS);
  return Math.sumPrecise(costs.map(({ cost }) => cost));
}

function assertClose(actual: number, expected: number): void {
  assert(expected > 0, "there is nothing to sum");
  assert(Math.abs(actual - expected) <= 1e-12 * expected, `${actual} is not ${expected}`);
}

for (const size of SIZES) {
  const some = once(() => allArchives().slice(-size));
  const disk = once(() => diskWith(some()));

  Deno.test(`AuditReader.lastEvents() reads no archive of ${size}, and little else`, async () => {
    await using log = await readerOf(await disk());
    const events = await log.reader.lastEvents(20);
    assertEquals(events.length, 20);
    assertEquals(events.at(-1)?.n, LINES_IN_ACTIVE - 1);
    assertEquals(log.counts.archivesOpened, []);
    assertEquals(log.counts.lists, 0, "the end of the active file holds them all");
    const bytes = log.counts.bytesInAll;
    assert(bytes <= LAST_EVENTS_BYTES_MAX, `${bytes} bytes read`);
  });

  Deno.test(`AuditReader.hourlySpend() of the last hour reads no archive of ${size}`, async () => {
    await using log = await readerOf(await disk());
    const expected = spendSince(NOW_MS - HOUR_MS, [active()]);
    assertClose(await log.reader.hourlySpend(1), expected);
    assertEquals(log.counts.archivesOpened, []);
    const first = log.counts.bytesInAll;
    log.counts.forget();
    assertClose(await log.reader.hourlySpend(1), expected);
    const again = log.counts.bytesInAll;
    assert(first <= HOURLY_SPEND_BYTES_MAX, `${first} bytes read`);
    assert(again <= HOURLY_SPEND_AGAIN_BYTES_MAX, `${again} bytes read the second time`);
  });

  Deno.test(`AuditReader.hourlySpend() of a month decodes two archives of ${size} at most`, async () => {
    await using log = await readerOf(await disk());
    const contents = [...some().map(({ raw }) => raw), active()];
    assertClose(await log.reader.hourlySpend(24 * 30), spendSince(NOW_MS - 30 * DAY_MS, contents));
    const decoded = log.counts.archivesRead;
    assert(decoded.length <= 2, `decodes ${decoded}`);
  });

  Deno.test(`AuditReader.query() opens the archives of ${size} whose times overlap the question's`, async () => {
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
  Deno.test(`AuditReader.query() reads of the active file what is new enough, ${order}`, async () => {
    await using log = await readerOf(await diskWith([]));
    const events = await log.reader.query({ since: NOW_MS - HOUR_MS, order }).toArray();
    assertEquals(events.length, LINES_IN_ACTIVE / 24);
    const bytes = log.counts.bytesInAll;
    assert(bytes <= HOURLY_SPEND_BYTES_MAX, `${bytes} bytes read`);
  });
}

/** Archives whose stamps ascend while the times in them do not, as after a clock was set back. */
function steppedArchives(isTold: boolean): Archive[] {
  const atMs = NOW_MS - 40 * DAY_MS;
  return [
    archiveOver(atMs, DAY_MS, isTold),
    // Written a week later by the name, a month earlier by the events.
    { ...archiveOver(atMs - 30 * DAY_MS, DAY_MS, isTold), stampMs: atMs + 7 * DAY_MS },
    // Older than all by the name, of the last hours by the events.
    { ...archiveOver(NOW_MS - 3 * HOUR_MS, HOUR_MS, isTold), stampMs: atMs - DAY_MS },
  ];
}

Deno.test("AuditReader reads archives by the times in them, whatever their names say", async () => {
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

Deno.test("AuditReader reads an archive that the manifest does not tell of, whatever is asked for", async () => {
  const [untold] = steppedArchives(false) as [Archive];
  const told = allArchives();
  await using log = await readerOf(
    await diskWith([...told.slice(0, 3), untold, ...told.slice(-2)]),
  );
  const since = NOW_MS - 40 * DAY_MS;
  const events = await log.reader.query({ since, until: since + DAY_MS }).toArray();
  assertEquals(log.counts.archivesOpened, [nameOf(untold)]);
  assertEquals(events.length, LINES_PER_ARCHIVE);
  log.counts.forget();
  await log.reader.hourlySpend(1);
  assertEquals(log.counts.archivesRead, [nameOf(untold)]);
});
