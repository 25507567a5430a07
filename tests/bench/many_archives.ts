/**
 * A log of very many small archives, and measurements of how long queries and `open()` block the event loop.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { gzipSync } from "node:zlib";
import { setImmediate } from "node:timers";
import { AuditLog, AuditReader, spend, stats } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { contentIn } from "../../src/segments/archive_content.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { stampOf } from "../../src/segments/segment_name.ts";
import { sha256 } from "../../src/line/digest.ts";
import { type Outcome, type Round, timed } from "./contender.ts";
import { fieldsOf } from "./event.ts";

/** Time from one archive to the next, in milliseconds. */
const ARCHIVE_MS = 600_000;

/**
 * Writes a log with `archives` archives of two events each, with their rollups (the files with their sums) and their
 * manifest, and with one event in the active file.
 */
export async function writeArchives({ path, archives }: Round): Promise<Outcome> {
  const directory = dirname(path);
  const lines = new ManifestLines();
  const manifest: Uint8Array<ArrayBuffer>[] = [];
  const startMs = Date.now() - Number(archives) * ARCHIVE_MS;
  const eventAt = (ms: number) =>
    `${JSON.stringify({ ts: new Date(ms).toISOString(), event: "nav", ...fieldsOf(ms) })}\n`;
  for (let n = 0; n < Number(archives); n++) {
    const ms = startMs + n * ARCHIVE_MS;
    const raw = new TextEncoder().encode(eventAt(ms) + eventAt(ms + 1));
    const scan = new SegmentScan(raw.byteLength, []);
    scan.add(raw);
    const { rollup, ...summary } = await contentIn(scan);
    const gzip = gzipSync(raw, { level: 1 });
    const name = `audit_${stampOf(ms + 1_000)}.jsonl`;
    const archive = `${name}.gz`;
    Deno.writeFileSync(join(directory, archive), gzip);
    Deno.writeFileSync(join(directory, `${name}.rollup`), rollup!.bytes);
    const facts = { gzip_bytes: gzip.byteLength, gzip_sha256: sha256(gzip), rebuilt: false };
    const line = lines.next({ archive, ...summary, rollup_sha256: rollup!.digest, ...facts });
    lines.take(line);
    manifest.push(line);
  }
  await Deno.writeFile(join(directory, "audit.manifest.jsonl"), new Blob(manifest).stream());
  Deno.writeTextFileSync(path, eventAt(Date.now()));
  return {};
}

/** Number of archives that the retention of a round removes. */
const PRUNED = 2;

/**
 * Runs each call. Resolves with the longest time that each of them blocked the event loop. Removes the oldest archives,
 * so each round has a few archives less.
 */
export async function archiveStalls({ path }: Round): Promise<Outcome> {
  const longest: Record<string, number> = {};
  const measure = async (name: string, ask: () => Promise<unknown>) => {
    const { stallMs } = await stallOf(ask);
    longest[name] = Math.max(longest[name] ?? 0, stallMs);
  };
  {
    await using reader = await AuditReader.open(path);
    // The second call uses what the first one has cached.
    for (let again = 0; again < 2; again++) await measure("spend", () => reader.hourlySpend(1));
    await measure("last", () => reader.lastEvents(20));
    await measure("query", () => reader.query({ since: Date.now() - 3_600_000 }).toArray());
    await measure("unfinished", () => Array.fromAsync(reader.unfinished()));
    await measure("byModel", () => spend(reader, { by: "model" }));
    await measure("stats", () => stats(reader, { by: "model" }));
    await measure("report", () => renderReport(reader));
    await measure("verify", () => reader.verify());
  }
  await measure("open", async () => {
    await using log = await AuditLog.open(path);
    await log.recovery;
  });
  const archives = Array.from(Deno.readDirSync(dirname(path)))
    .filter(({ name }) => name.endsWith(".gz")).length;
  await measure("retention", async () => {
    const retention = { maxArchives: archives - PRUNED };
    await using log = await AuditLog.open({ path, retention });
    await log.recovery;
  });
  return longest;
}

/**
 * Removes the manifest (the list of archives), and measures how long `open()` and the recovery take to create it again.
 */
export async function recoverManifest({ path }: Round): Promise<Outcome> {
  Deno.removeSync(join(dirname(path), "audit.manifest.jsonl"));
  const elapsedMs = await timed(async () => {
    await using log = await AuditLog.open(path);
    await log.recovery;
  });
  return { elapsedMs };
}

/** Resolves with the longest time between two turns of the event loop during `work`, in milliseconds. */
async function stallOf(work: () => Promise<unknown>): Promise<{ stallMs: number }> {
  let [stallMs, lastMs, isOver] = [0, performance.now(), false];
  const tick = () => {
    const nowMs = performance.now();
    stallMs = Math.max(stallMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(tick);
  };
  setImmediate(tick);
  await work();
  await new Promise<void>((resolve) => setImmediate(() => resolve()));
  isOver = true;
  return { stallMs };
}
