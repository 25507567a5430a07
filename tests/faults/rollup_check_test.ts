/**
 * Checks that recovery completes the rollups of a log (the sums of its archives), that readers ignore wrong rollups,
 * and that the test functions find wrong rollups.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path";
import { gunzipSync } from "node:zlib";
import { openReaderOn } from "../../src/audit_reader.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";
import { Violation } from "./harness.ts";
import { rollupDigest, rollupOf, withoutLastEvent } from "./rollup_bytes.ts";
import { rollupFaults, sumFaults } from "./rollup_check.ts";
import type { SimulatedDisk } from "./simulated_disk.ts";
import { PATH, Scene, sizesOf, WORKLOADS } from "./workloads.ts";

const SIZES = sizesOf(0, new SeededRandom("rollups"));

/** A log with several archives, and the paths of the newest archive's files. */
interface Archived {
  readonly scene: Scene;
  readonly disk: SimulatedDisk;
  readonly log: LogDirectory;
  readonly archive: string;
  readonly rollup: string;
  /** The archive before the newest one, and its rollup (sums). */
  readonly other: string;
  readonly otherRollup: string;
}

async function archived(): Promise<Archived> {
  const workload = WORKLOADS.find(({ name }) => name === "archive")!;
  const scene = await workload.stage(SIZES);
  await workload.run(scene);
  const disk = scene.disk.afterKill();
  const log = new LogDirectory(disk.process(), PATH);
  const [other, newest] = log.segments().slice(-2).map(({ stamp }) => stamp);
  assert(other !== undefined && newest !== undefined);
  return {
    scene,
    disk,
    log,
    archive: log.files.archive(newest),
    rollup: log.files.rollup(newest),
    other: log.files.archive(other),
    otherRollup: log.files.rollup(other),
  };
}

/** Returns the faults that rollupFaults() finds in the rollups, and those in the sums that a reader returns. */
async function faultsIn({ log }: Archived): Promise<{ rollups: string[]; sums: string[] }> {
  const platform = { fileSystem: log.fileSystem, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, { path: PATH, logger: silent });
  const events = await reader.query().toArray();
  return { rollups: await rollupFaults(log, reader), sums: await sumFaults(reader, events) };
}

/**
 * Replaces the rollup (sums) of the newest archive. With `isForged`, the manifest is changed to state the digest of the
 * new rollup.
 */
function replaceRollup(
  { disk, log, rollup }: Archived,
  bytes: Uint8Array,
  isForged: boolean,
): void {
  const digest = rollupDigest(disk.readFile(rollup));
  disk.writeFile(rollup, bytes);
  if (!isForged) return;
  const manifest = new TextDecoder().decode(disk.readFile(log.files.manifest));
  assertStringIncludes(manifest, digest);
  disk.writeFile(log.files.manifest, manifest.replace(digest, rollupDigest(bytes)));
}

/** Returns the rollup (sums) of an archive, by default of the newest one, without the last event of the archive. */
function shortRollup({ disk, archive }: Archived, of: string = archive): Uint8Array {
  return withoutLastEvent(gunzipSync(disk.readFile(of)));
}

Deno.test("rollupOf() returns a rollup (sums of an archive) with the same digest as the one that the library writes", async () => {
  const { disk, archive, rollup } = await archived();
  const { digest, bytes } = rollupOf(gunzipSync(disk.readFile(archive)))!;
  assertEquals(digest, rollupDigest(disk.readFile(rollup)));
  assertEquals(rollupDigest(bytes), digest);
});

Deno.test("rollupFaults() finds no fault in the rollups (sums of archives) of a log that was archived without a crash", async () => {
  assertEquals(await faultsIn(await archived()), { rollups: [], sums: [] });
});

Deno.test("checkRecovered() accepts that recovery writes missing rollups (sums of archives) and removes those without an archive", async () => {
  const { scene, disk, log, rollup, otherRollup } = await archived();
  const stray = log.files.rollup("20200101_000000");
  disk.writeFile(stray, disk.readFile(rollup));
  const expected = disk.readFile(rollup);
  for (const path of [rollup, otherRollup]) log.fileSystem.remove(path);
  await scene.check({ disk });
  assertEquals(disk.readFile(rollup), expected);
  assertEquals(log.fileSystem.status(stray), null);
});

Deno.test("checkRecovered() finds no incomplete rollup (sums of an archive) if recovery is killed at any call while it writes missing ones", async () => {
  const left = await archived();
  for (const path of [left.rollup, left.otherRollup]) left.log.fileSystem.remove(path);
  const recovered = async (killedAt?: number) => {
    const { ledgers } = left.scene;
    const scene = new Scene(left.disk.afterKill(), ["b"], { sizes: SIZES, dead: ledgers });
    const [writer] = scene.writers;
    if (killedAt !== undefined) writer!.process.killAt(killedAt, "after");
    const log = await writer!.open();
    await log?.recovery;
    await log?.close().catch(() => {});
    return scene;
  };
  const { calls } = (await recovered()).writers[0]!.process;
  for (let at = 0; at < calls.length; at++) await (await recovered(at)).check();
});

Deno.test("checkRecovered() finds an incomplete rollup (sums of an archive)", async () => {
  const { scene, disk, rollup } = await archived();
  disk.writeFile(rollup, disk.readFile(rollup).slice(0, -1));
  const error = await assertRejects(() => scene.check({ disk }), Violation);
  assertStringIncludes(error.message, basename(rollup));
});

Deno.test("rollupFaults() finds a rollup (sums of an archive) that lacks an event, which a reader ignores because the digest differs", async () => {
  const log = await archived();
  replaceRollup(log, shortRollup(log), false);
  const { rollups, sums } = await faultsIn(log);
  assertEquals(rollups, [`${basename(log.rollup)} is not the rollup that the manifest states`]);
  assertEquals(sums, []);
});

Deno.test("rollupFaults() finds by its sums a rollup that lacks an event, even if the manifest (list of archives) was forged to match", async () => {
  const log = await archived();
  replaceRollup(log, shortRollup(log), true);
  const { rollups, sums } = await faultsIn(log);
  assert(sums.length > 0);
  assertEquals(rollups, sums);
  assertStringIncludes(sums[0]!, "stats() by");
});

Deno.test("rollupFaults() finds the rollup (sums) of another archive, which a reader ignores even if the manifest was forged to match", async () => {
  const log = await archived();
  // Both archives have the same number of events, so their whole rollups have the same sums. Therefore the rollup lacks
  // an event.
  replaceRollup(log, shortRollup(log, log.other), true);
  const { rollups, sums } = await faultsIn(log);
  assertEquals(rollups, [`${basename(log.rollup)} has the sums of other content`]);
  assertEquals(sums, []);
});

Deno.test("A reader decodes the archive if its rollup (sums) has another version or is not JSON, even if the manifest was forged to match", async () => {
  const log = await archived();
  const text = new TextDecoder("latin1").decode(log.disk.readFile(log.rollup));
  for (const forged of [text.replace('{"v":1,', '{"v":2,'), "null\n", "{\n", "\xff\n"]) {
    const again = await archived();
    replaceRollup(again, Uint8Array.from(forged, (char) => char.charCodeAt(0)), true);
    const { rollups, sums } = await faultsIn(again);
    assertEquals(rollups.length, 1);
    assertEquals(sums, []);
  }
});
