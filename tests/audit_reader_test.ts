import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { AuditClosedError, AuditLog, AuditReader } from "@vivarium/scout";
import { openReaderOn } from "../src/audit_reader.ts";
import { denoFileSystem } from "../src/platform/deno_file_system.ts";
import { ioError, SimulatedDisk } from "./faults/simulated_disk.ts";
import { gathering } from "./loggers.ts";
import { SimulatedClock } from "./platform.ts";
import { runProgram } from "./run_program.ts";
import { gzipped, tempDir } from "./temp_dir.ts";

const READS = fromFileUrl(new URL("./programs/reads.ts", import.meta.url));

const event = (n: number, more = "") =>
  `{"ts":"2026-02-13T14:30:2${n}.000Z","event":"nav","n":${n},"cost":0.25${more}}\n`;

Deno.test("AuditReader finds no events in a log that does not exist, and creates no files", async () => {
  using dir = tempDir();
  for (const path of [dir.path("a.jsonl"), dir.path("not/there/a.jsonl")]) {
    await using reader = await AuditReader.open({ path });
    assertEquals(reader.path, path);
    assertEquals(await reader.query().toArray(), []);
    assertEquals(await reader.lastEvents(), []);
    assertEquals(await reader.hourlySpend(), 0);
    assertEquals((await reader.accuracyMetrics(0)).accuracyPct, 100);
    assertEquals((await reader.gateMetrics()).total, 0);
  }
  assertEquals([...Deno.readDirSync(dir.path(""))], []);
});

Deno.test("AuditReader needs only --allow-read of the directory, and names this flag if it was not passed", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path });
    await log.log("nav", { cost: 0.25 });
    await log.rotate();
    await log.log("gate_compress", { confidence: 90 });
  }
  const before = [...Deno.readDirSync(dir.path(""))].map(({ name }) => name).sort();
  const read = `--allow-read=${dir.path("")}`;
  const result = await runProgram(READS, { dir: "", args: [path], flags: [read] });
  assertEquals([result.code, result.stderr], [0, ""]);
  assertEquals(JSON.parse(result.stdout), {
    followed: "nav",
    events: 2,
    last: "gate_compress",
    spend: 0.25,
    nav: 1,
    passes: 1,
  });
  assertEquals([...Deno.readDirSync(dir.path(""))].map(({ name }) => name).sort(), before);

  const refused = await runProgram(READS, { dir: "", args: [path], flags: [] });
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, `Cannot open audit log: run again with ${read}`);
});

Deno.test("AuditReader.follow() yields all events since a time and then new events, also across rotations", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  await using log = await AuditLog.open({ path, rotationSizeBytes: 300 });
  await using reader = await AuditReader.open({ path });
  for (let n = 0; n < 10; n++) await log.log("nav", { n });
  const seen: unknown[] = [];
  for await (const { n } of reader.follow({ since: 0, eventType: "nav" })) {
    seen.push(n);
    if (seen.length === 30) break;
    if (seen.length >= 10) await log.log("nav", { n: seen.length });
  }
  assertEquals(seen, Array.from({ length: 30 }, (_, n) => n));
});

for (const what of ["AuditReader", "AuditLog"] as const) {
  Deno.test(`${what}.close() ends all iterations of follow() without an error`, async () => {
    using dir = tempDir();
    const options = { path: dir.path("a.jsonl") };
    const log = what === "AuditLog"
      ? await AuditLog.open(options)
      : await AuditReader.open(options);
    const { signal } = new AbortController();
    const waiting = [log.follow(), log.follow({ signal })].map((events) =>
      events[Symbol.asyncIterator]().next()
    );
    const notBegun = log.follow();
    await log.close();
    const ended = { done: true, value: undefined } as const;
    assertEquals(await Promise.all(waiting), [ended, ended]);
    assertEquals(await Array.fromAsync(notBegun), []);
    assertThrows(() => log.follow(), AuditClosedError);
  });
}

Deno.test("AuditReader rejects calls after close()", async () => {
  using dir = tempDir();
  const reader = await AuditReader.open({ path: dir.path("a.jsonl") });
  await reader.close();
  await reader.close();
  assertThrows(() => reader.query(), AuditClosedError);
  await assertRejects(() => reader.lastEvents(), AuditClosedError);
  await assertRejects(() => reader.hourlySpend(), AuditClosedError);
  await assertRejects(() => reader.accuracyMetrics(0), AuditClosedError);
  await assertRejects(() => reader.gateMetrics(), AuditClosedError);
});

Deno.test("AuditReader reads logs of the original Python version of AuditLog, with and without a manifest (the list of archives)", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const python = (n: number, cost: string) =>
    `{"ts": "2026-11-23T22:43:5${n}.374Z", "event": "nav", "session_id": "p", "cost": ${cost}}\n`;
  const archive = await gzipped(python(1, "0.25") + python(2, "NaN"));
  Deno.writeFileSync(dir.path("audit_20261123_224356.jsonl.gz"), archive);
  Deno.writeTextFileSync(path, python(3, "0.5"));
  const now = () => Date.parse("2026-11-23T23:00:00Z");
  for (const manifest of ["none", "rebuilt"]) {
    await using reader = await AuditReader.open({ path, now });
    assertEquals(
      (await reader.query().toArray()).map(({ cost }) => cost),
      [0.25, null, 0.5],
      manifest,
    );
    assertEquals(await reader.hourlySpend(), 0.75, manifest);
    assertEquals((await reader.accuracyMetrics("2026-11-23T00:00:00Z")).totalNav, 3, manifest);
    if (manifest === "rebuilt") assert(denoFileSystem.status(dir.path("audit.manifest.jsonl")));
    else await recover(path);
  }
});

Deno.test("AuditReader.hourlySpend() counts events that were added after its last call, also in new archives", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  let nowMs = Date.UTC(2026, 1, 13, 14);
  const now = () => nowMs;
  await using log = await AuditLog.open({ path, now });
  await using reader = await AuditReader.open({ path, now });
  let expected = 0;
  for (let n = 0; n < 60; n++) {
    nowMs += 30_000;
    await log.log("nav", { cost: 0.25 });
    expected += 0.25;
    if (n % 7 === 6) await log.rotate();
    assertEquals(await reader.hourlySpend(), expected);
    assertEquals(await log.hourlySpend(), expected);
  }
  assertEquals(await reader.hourlySpend(0.25), 0.25 * 31);
  nowMs += 1_800_000;
  assertEquals(await reader.hourlySpend(), 0.25 * 61 - 0.25);
  assertEquals(await reader.hourlySpend(24), 15);
});

Deno.test("AuditReader.hourlySpend() notices a new active file, even if the file system reused the inode of an old one", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  // The simulated clock of the readers stands still, so the readers list the directory only if the active file has
  // changed.
  const platform = { fileSystem: denoFileSystem, clock: new SimulatedClock() };
  await using log = await AuditLog.open({ path });
  await using reader = await openReaderOn(platform, { path });
  const inodes = new Set<number | null>();
  for (let n = 1; n <= 20; n++) {
    // The first of the three files is deleted before the third is created, so the file system may reuse its inode.
    for (let segment = 0; segment < 2; segment++) {
      await log.log("nav", { cost: 0.25 });
      await log.rotate();
    }
    await log.log("nav", { cost: 0.25 });
    inodes.add(denoFileSystem.status(path)!.inode);
    assertEquals(await reader.hourlySpend(), 0.75 * n);
  }
  assert(inodes.size < 20, "no inode was reused, so the test proves nothing");
});

Deno.test("AuditReader.hourlySpend() notices a deleted archive within a second", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const clock = new SimulatedClock();
  const now = () => Date.UTC(2026, 1, 13, 15);
  const archive = dir.path("a_20260213_143021.jsonl.gz");
  Deno.writeFileSync(archive, await gzipped(event(1)));
  Deno.writeTextFileSync(path, event(2));
  await using reader = await openReaderOn({ fileSystem: denoFileSystem, clock }, {
    path,
    now,
  });
  assertEquals(await reader.hourlySpend(), 0.5);
  Deno.removeSync(archive);
  await clock.wait(1_001);
  assertEquals(await reader.hourlySpend(), 0.25);
});

Deno.test("AuditReader.hourlySpend() returns the correct sums for concurrent calls", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  Deno.writeTextFileSync(path, event(1) + event(2));
  const now = () => Date.UTC(2026, 1, 13, 15);
  await using reader = await AuditReader.open({ path, now });
  const spends = await Promise.all(Array.from({ length: 20 }, (_, n) => reader.hourlySpend(n + 1)));
  assertEquals(spends, Array(20).fill(0.5));
});

Deno.test("AuditReader.hourlySpend() reports a damaged region once, even if it is called several times", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  Deno.writeTextFileSync(path, `${event(1)}{"cost":torn\n${event(2)}`);
  const { logger, warnings } = gathering();
  const now = () => Date.UTC(2026, 1, 13, 15);
  await using reader = await AuditReader.open({ path, now, logger });
  for (let count = 0; count < 3; count++) assertEquals(await reader.hourlySpend(), 0.5);
  assertEquals(warnings.length, 1);
});

Deno.test("AuditReader ignores a manifest that is not a regular file", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  Deno.mkdirSync(dir.path("a.manifest.jsonl"));
  Deno.writeFileSync(dir.path("a_20260213_143021.jsonl.gz"), await gzipped(event(1)));
  Deno.writeTextFileSync(path, event(2));
  const { logger, warnings } = gathering();
  const platform = { fileSystem: denoFileSystem, clock: new SimulatedClock() };
  await using reader = await openReaderOn(platform, {
    path: join(dir.path("x"), "..", "a.jsonl"),
    logger,
  });
  assertEquals((await reader.query({ since: 0 }).toArray()).map(({ n }) => n), [1, 2]);
  assertEquals(warnings.length, 1);
});

async function recover(path: string): Promise<void> {
  await using log = await AuditLog.open({ path });
  await log.recovery;
}

for (const n of [-1, 1.5, NaN, Infinity]) {
  Deno.test(`AuditReader.lastEvents() rejects n = ${n} and names n`, async () => {
    await using reader = await AuditReader.open({ path: "/none/a.jsonl" });
    await assertRejects(
      () => reader.lastEvents(n),
      RangeError,
      `n must be an integer >= 0, got ${n}`,
    );
  });
}

Deno.test("AuditReader.hourlySpend() sums up the events that it could read before a read error, and the whole file at the next call", async () => {
  const { logger, warnings } = gathering();
  const disk = new SimulatedDisk();
  disk.writeFile("/log/a.jsonl", event(1).repeat(4_000));
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const now = () => Date.UTC(2026, 1, 13, 15);
  await using reader = await openReaderOn(platform, { path: "/log/a.jsonl", now, logger });
  let reads = 0;
  process.failOn(
    ({ name, path }) => name === "read" && path === "/log/a.jsonl" && ++reads === 2,
    ioError,
  );
  const part = await reader.hourlySpend();
  assert(part > 0 && part < 1_000, `${part}`);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]!, "Input/output error");
  assertEquals(await reader.hourlySpend(), 1_000);
});
