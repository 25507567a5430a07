import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { AuditLog, type AuditLogOptions, AuditWriteError } from "@vivarium/scout";
import { openLogOn } from "../src/audit_log.ts";
import { denoFileSystem } from "../src/platform/deno_file_system.ts";
import type { FileSystem } from "../src/platform/file_system.ts";
import { SimulatedClock } from "./platform.ts";
import { testNeeding } from "./requirements.ts";
import { runProgram } from "./run_program.ts";
import { gunzipped, linesOf, type TempDir, tempDir } from "./temp_dir.ts";
import { silent } from "./loggers.ts";

/** Returns the sorted names in the directory, without the lock file. */
function namesIn(dir: TempDir): string[] {
  return [...Deno.readDirSync(dir.path(""))].map(({ name }) => name)
    .filter((name) => !name.endsWith(".lock")).sort();
}

/** Returns the text of each archive, ordered by file name. */
async function archivesIn(dir: TempDir): Promise<string[]> {
  const names = namesIn(dir).filter((name) => name.endsWith(".gz"));
  return await Promise.all(names.map((name) => gunzipped(Deno.readFileSync(dir.path(name)))));
}

/** Returns the number `n` of each event in the lines. */
function numbersIn(text: string): number[] {
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line).n);
}

for (const [past, archived] of [[-1, 3], [0, 2], [1, 2]] as const) {
  Deno.test(`AuditLog rotates after ${archived} lines if the size limit is the length of two lines minus ${past} bytes`, async () => {
    using dir = tempDir();
    const options = { path: dir.path("a.jsonl"), sessionId: "s", now: () => 0 };
    // The size limit counts bytes, not characters, so the text has characters of several bytes.
    const fields = (n: number) => ({ n, text: "é😀" });
    await using probe = await AuditLog.open({ ...options, path: dir.path("probe/a.jsonl") });
    await probe.log("nav", fields(0));
    const lineBytes = Deno.statSync(probe.path).size;

    const log = await AuditLog.open({ ...options, rotationSizeBytes: 2 * lineBytes - past });
    for (let n = 0; n < 4; n++) await log.log("nav", fields(n));
    await log.close();
    assertEquals((await archivesIn(dir)).map((text) => numbersIn(text).length), [archived]);
    assertEquals(linesOf(log.path).length, 4 - archived);
  });
}

Deno.test("AuditLog splits a batch of lines into as many files (segments) as the batch fills, each of whole lines", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const log = await AuditLog.open({ path, rotationSizeBytes: 1_000, sessionId: "s" });
  const count = 200;
  const calls = Array.from({ length: count }, (_, n) => log.log("nav", { n }));
  log.flushSync();
  await Promise.all(calls);
  await log.close();
  const archives = await archivesIn(dir);
  assert(archives.length >= 10, `only ${archives.length} segments`);
  for (const text of archives) {
    const lastLineBytes = text.slice(text.lastIndexOf("\n", text.length - 2) + 1).length;
    assert(text.length >= 1_000 && text.length - lastLineBytes < 1_000, `${text.length} bytes`);
  }
  const numbers = numbersIn(archives.join("") + Deno.readTextFileSync(path));
  assertEquals(numbers, Array.from({ length: count }, (_, n) => n));
});

Deno.test("AuditLog.rotate() resolves when all lines accepted before the call are archived", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl") });
  await log.rotate();
  assertEquals(namesIn(dir), ["a.jsonl"], "an empty file is not archived");
  const calls = [0, 1, 2].map((n) => log.log("nav", { n }));
  await log.rotate();
  await Promise.all(calls);
  assertEquals((await archivesIn(dir)).map(numbersIn), [[0, 1, 2]]);
  assertEquals(namesIn(dir).filter((name) => name === "a.jsonl"), []);
  await log.log("nav", { n: 3 });
  assertEquals((await log.query().toArray()).map(({ n }) => n), [0, 1, 2, 3]);
});

Deno.test("AuditLog names segments in order, even 200 in one second and after the clock steps back", async () => {
  using dir = tempDir();
  let nowMs = Date.UTC(2026, 1, 13, 14, 30, 22);
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), now: () => nowMs });
  const count = 220;
  for (let n = 0; n < count; n++) {
    if (n >= 200) nowMs -= 3_600_000;
    await log.log("nav", { n });
    await log.rotate();
  }
  const names = namesIn(dir).filter((name) => name.endsWith(".gz"));
  assertEquals(names.length, count);
  for (const name of names) assertMatch(name, /^audit_\d{8}_\d{6}\.jsonl\.gz$/);
  assertEquals(names[0], "audit_20260213_143022.jsonl.gz");
  const numbers = (await archivesIn(dir)).flatMap(numbersIn);
  assertEquals(numbers, Array.from({ length: count }, (_, n) => n));
  assertEquals(linesOf(dir.path("audit.manifest.jsonl")).length, count);
});

Deno.test("AuditLog names a segment with a time no earlier than its newest event, even if another program wrote this event", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  Deno.writeTextFileSync(path, '{"ts": "2031-05-06T07:08:09.500000+00:00", "event": "nav"}\n');
  await using log = await AuditLog.open({ path, now: () => Date.UTC(2026, 0) });
  await log.log("nav");
  await log.rotate();
  assertEquals(namesIn(dir).filter((name) => name.endsWith(".gz")), [
    "a_20310506_070809.jsonl.gz",
  ]);
});

Deno.test("AuditLog names an archive with the time of the rotation, not with the time of its first line", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  {
    await using log = await AuditLog.open({ path, now: () => Date.UTC(2026, 1, 13, 23, 59, 59) });
    await log.log("nav", { n: 0 });
  }
  await using log = await AuditLog.open({ path, now: () => Date.UTC(2026, 1, 14, 0, 0, 1) });
  await log.log("nav", { n: 1 });
  await log.rotate();
  assertEquals(namesIn(dir), [
    "a.manifest.jsonl",
    "a_20260214_000001.jsonl.gz",
    "a_20260214_000001.jsonl.rollup",
  ]);
  assertEquals((await archivesIn(dir)).map(numbersIn), [[0, 1]]);
});

for (const how of ["by size", "on demand"]) {
  Deno.test(`AuditLog reads most lines of other writers before it takes the lock for a rotation ${how}, so that it holds the lock briefly`, async () => {
    using dir = tempDir();
    const path = dir.path("a.jsonl");
    const line = '{"ts": "2031-05-06T07:08:09Z", "event": "nav"}\n';
    Deno.writeTextFileSync(path, line.repeat(4 * 1024 * 1024 / line.length));
    const bytesRead = { blocking: 0, beside: 0 };
    const fileSystem: FileSystem = {
      ...denoFileSystem,
      open(path, access) {
        const handle = denoFileSystem.open(path, access);
        const { readSync, read } = handle;
        handle.readSync = (buffer, position) => {
          bytesRead.blocking += buffer.byteLength;
          return readSync.call(handle, buffer, position);
        };
        handle.read = (buffer, position) => {
          bytesRead.beside += buffer.byteLength;
          return read.call(handle, buffer, position);
        };
        return handle;
      },
    };
    const rotationSizeBytes = how === "on demand" ? 10_000_000 : 4_000_000;
    const platform = { fileSystem, clock: new SimulatedClock() };
    const log = await openLogOn(platform, { path, rotationSizeBytes, sessionId: "s" });
    if (how === "on demand") await log.rotate();
    else await log.log("nav");
    await log.close();
    assert(bytesRead.beside > 4_000_000, `${bytesRead.beside} bytes read without the lock`);
    assert(bytesRead.blocking <= 1024 * 1024, `${bytesRead.blocking} bytes read under the lock`);
    assertEquals(namesIn(dir).filter((name) => name.endsWith(".gz")), [
      "a_20310506_070809.jsonl.gz",
    ]);
  });
}

for (const name of ["my sim.v2.jsonl", "100 % é 日本.log", "plain", ".hidden"]) {
  Deno.test(`AuditLog rotates a log named ${name}`, async () => {
    using dir = tempDir();
    await using log = await AuditLog.open({ path: dir.path(name), rotationSizeBytes: 300 });
    for (let n = 0; n < 50; n++) await log.log("nav", { n });
    await log.rotate();
    const numbers = (await log.query().toArray()).map(({ n }) => n);
    assertEquals(numbers, Array.from({ length: 50 }, (_, n) => n));
    assert(namesIn(dir).filter((name) => name.endsWith(".gz")).length > 10);
    assertEquals((await archivesIn(dir)).flatMap(numbersIn), numbers);
  });
}

Deno.test("AuditLog resolves a relative path at open, so a later Deno.chdir() does not move the log", async () => {
  using dir = tempDir();
  Deno.mkdirSync(dir.path("elsewhere"));
  const program = fromFileUrl(new URL("./programs/changes_directory.ts", import.meta.url));
  const cwd = dir.path("");
  const result = await runProgram(program, { dir: cwd, args: ["elsewhere"], cwd });
  assertEquals(result.code, 0, result.stderr);
  assertEquals([...Deno.readDirSync(dir.path("elsewhere"))], []);
  assertEquals((await archivesIn(dir)).map(numbersIn), [[0]]);
  assertEquals(numbersIn(Deno.readTextFileSync(dir.path("a.jsonl"))), [1]);
});

Deno.test("AuditLogs on the same path in one isolate rotate as one log", async () => {
  using dir = tempDir();
  const options: AuditLogOptions = { rotationSizeBytes: 2_000 };
  Deno.mkdirSync(dir.path("x"));
  const a = await AuditLog.open({ ...options, path: dir.path("a.jsonl") });
  const b = await AuditLog.open({ ...options, path: `${dir.path("x")}/../a.jsonl` });
  for (let n = 0; n < 300; n++) await Promise.all([a.log("a", { n }), b.log("b", { n })]);
  await Promise.all([a.rotate(), b.rotate()]);
  const events = await a.query().toArray();
  await Promise.all([a.close(), b.close()]);
  for (const by of ["a", "b"]) {
    assertEquals(
      events.filter(({ event }) => event === by).map(({ n }) => n),
      Array.from({ length: 300 }, (_, n) => n),
    );
  }
  const archives = namesIn(dir).filter((name) => name.endsWith(".gz"));
  const rollups = archives.map((name) => name.replace(/\.gz$/, ".rollup"));
  assertEquals(
    namesIn(dir).filter((name) => !name.endsWith(".gz") && name !== "a.jsonl"),
    ["a.manifest.jsonl", ...rollups, "x"],
  );
  assertEquals(linesOf(dir.path("a.manifest.jsonl")).length, (await archivesIn(dir)).length);
});

for (const umask of ["000", "077"]) {
  await testNeeding(
    "POSIX",
    `AuditLog creates files with mode 0600 and directories with 0700 under umask ${umask}`,
    async () => {
      using dir = tempDir();
      const program = fromFileUrl(new URL("./programs/makes_files.ts", import.meta.url));
      const result = await runProgram(program, {
        dir: dir.path(""),
        args: [dir.path("deep/down/a.jsonl")],
        within: ["sh", "-c", `umask ${umask}; exec "$0" "$@"`],
      });
      assertEquals(result.code, 0, result.stderr);
      const modes: Record<string, number> = JSON.parse(result.stdout);
      const segment = ["", ".gz", ".gz.tmp", ".gz.tmp.lock", ".rollup", ".rollup.tmp"].map((end) =>
        `a_19700101_000000.jsonl${end}`
      );
      const own = ["a.jsonl", "a.jsonl.lock", "a.jsonl.lock.*.new.tmp", "a.manifest.jsonl"];
      const files = [...own, ...segment].sort();
      const expected = [...files.map((name) => [name, 0o600]), ["deep", 0o700], ["down", 0o700]];
      const found = Object.entries(modes)
        .map(([name, mode]) => [name.replace(/\.[0-9a-f]{8}\./, ".*."), mode]);
      assertEquals(found.sort(), expected);
    },
  );
}

await testNeeding(
  "namespaces",
  "AuditLog resumes each of the 20 times that the disk was full, and loses and joins no lines",
  async () => {
    using dir = tempDir();
    const program = fromFileUrl(new URL("./programs/fills_disk.ts", import.meta.url));
    const mount = dir.path("mount");
    Deno.mkdirSync(mount);
    const result = await runProgram(program, {
      dir: mount,
      args: [join(mount, "a.jsonl"), "20"],
      // Mounts a file system of 64 KiB that only this program sees. It vanishes when the program exits.
      within: [
        "unshare",
        "-rm",
        "sh",
        "-c",
        `mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"`,
        mount,
      ],
    });
    assertEquals(result.code, 0, result.stderr);
    const { accepted, found, refused, damage } = JSON.parse(result.stdout);
    assertEquals(found, accepted, "accepted events are missing, or rejected ones are present");
    assert(accepted.length >= 1_000 && refused >= 100, `${accepted.length}, ${refused} refused`);
    assertEquals(damage, 0);
  },
);

Deno.test("AuditLog.recovery resolves with the repairs of open(), and the logger reports them", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const lines = (n: number) => `{"ts":"2026-01-01T00:00:00.000Z","event":"nav","n":${n}}\n`;
  Deno.writeTextFileSync(path, `${lines(2)}{"torn`);
  Deno.writeTextFileSync(dir.path("a_20260101_000001.jsonl"), lines(1));
  Deno.writeTextFileSync(dir.path("a_20260101_000001.jsonl.gz.tmp"), "half an archive");
  Deno.writeTextFileSync(dir.path("a_20260101_000000.jsonl.gz.tmp"), "half an archive");
  Deno.writeTextFileSync(dir.path("a_20260101_000002.jsonl"), "");
  const archive = new Response(
    new Blob([lines(0)]).stream().pipeThrough(new CompressionStream("gzip")),
  );
  Deno.writeFileSync(dir.path("a_20251231_235959.jsonl.gz"), await archive.bytes());
  const infos: unknown[][] = [];
  const logger = { ...silent, info: (...data: unknown[]) => infos.push(data) };
  const log = await AuditLog.open({ path, logger });
  const report = await log.recovery;
  assertEquals(report, {
    closedTornTail: true,
    archived: ["a_20260101_000001.jsonl.gz"],
    removed: ["a_20260101_000000.jsonl.gz.tmp", "a_20260101_000002.jsonl"],
    addedToManifest: ["a_20251231_235959.jsonl.gz"],
    pruned: [],
  });
  assertEquals(infos, [[`Recovered audit log: ${path}`, report]]);
  assertEquals((await log.query().toArray()).map(({ n }) => n), [0, 1, 2]);
  await log.close();
  assertEquals(namesIn(dir), [
    "a.jsonl",
    "a.manifest.jsonl",
    "a_20251231_235959.jsonl.gz",
    "a_20251231_235959.jsonl.rollup",
    "a_20260101_000001.jsonl.gz",
    "a_20260101_000001.jsonl.rollup",
  ]);
  const again = await AuditLog.open({ path, logger });
  const nothing = {
    closedTornTail: false,
    archived: [],
    removed: [],
    addedToManifest: [],
    pruned: [],
  };
  assertEquals(await again.recovery, nothing);
  await again.close();
  assertEquals(infos.length, 1, "a recovery without repairs is not logged");
});

Deno.test("AuditLog continues appending if a rotation cannot rename the active file, and logs the error", async () => {
  using dir = tempDir();
  const errors: unknown[] = [];
  const logger = { ...silent, error: (message: unknown) => errors.push(message) };
  let canRename = false;
  const platform = {
    fileSystem: {
      ...denoFileSystem,
      rename(from: string, to: string) {
        if (!canRename) throw new Error("No space left on device (os error 28)");
        denoFileSystem.rename(from, to);
      },
    },
    clock: new SimulatedClock(),
  };
  const options = { path: dir.path("a.jsonl"), rotationSizeBytes: 300, logger };
  const log = await openLogOn(platform, options);
  for (let n = 0; n < 20; n++) await log.log("nav", { n });
  assertEquals(namesIn(dir), ["a.jsonl"]);
  assertEquals(errors.length, 1, String(errors));
  assertMatch(String(errors[0]), /^Cannot seal audit log: No space left on device/);
  canRename = true;
  await platform.clock.wait(1_000);
  await log.log("nav", { n: 20 });
  await log.close();
  assertEquals((await archivesIn(dir)).map((text) => numbersIn(text).length), [20]);
  assertEquals(numbersIn(Deno.readTextFileSync(log.path)), [20]);
});

Deno.test("AuditLog continues appending if a rotation cannot read the active file, and logs the error", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  Deno.writeTextFileSync(path, '{"event": "nav"}\n'.repeat(150_000));
  const errors: unknown[] = [];
  const logger = { ...silent, error: (message: unknown) => errors.push(message) };
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    open(path, access) {
      if (access === "read") throw new Error("Too many open files (os error 24)");
      return denoFileSystem.open(path, access);
    },
  };
  const platform = { fileSystem, clock: new SimulatedClock() };
  const log = await openLogOn(platform, { path, rotationSizeBytes: 1_000, logger });
  await log.log("nav", { n: 0 });
  await log.log("nav", { n: 1 });
  const error = await assertRejects(() => log.rotate(), AuditWriteError);
  assertEquals(error.phase, "rotate");
  await log.close();
  assertEquals(namesIn(dir), ["a.jsonl"]);
  assertEquals(linesOf(path).slice(-2).map((line) => JSON.parse(line).n), [0, 1]);
  assertEquals(errors, [error.message]);
});

Deno.test("AuditLog.rotate() archives nothing if another program moves the active file away just before the rename", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const platform = {
    fileSystem: {
      ...denoFileSystem,
      rename(from: string, to: string) {
        denoFileSystem.rename(path, dir.path("moved.jsonl"));
        denoFileSystem.rename(from, to);
      },
    },
    clock: new SimulatedClock(),
  };
  const log = await openLogOn(platform, { path });
  await log.log("nav", { n: 0 });
  await log.rotate();
  await log.log("nav", { n: 1 });
  await log.close();
  assertEquals(namesIn(dir), ["a.jsonl", "moved.jsonl"]);
  assertEquals(numbersIn(Deno.readTextFileSync(dir.path("moved.jsonl"))), [0]);
  assertEquals(numbersIn(Deno.readTextFileSync(path)), [1]);
});
