import { systemClock } from "../../src/platform/clock.ts";
import { assert, assertEquals } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { queryLog } from "../../src/read/query.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { testNeeding } from "../requirements.ts";
import { gzipped, type TempDir, tempDir } from "../temp_dir.ts";
import { silent } from "../loggers.ts";

/** Returns one line for each letter: an event whose type is that letter. */
function linesOf(letters: string): string {
  return [...letters].map((event) => `{"event":"${event}"}\n`).join("");
}

/**
 * Writes the events a to j into two archives, two sealed segments that are not compressed, and an active file. One of
 * the two segments also has an archive.
 */
async function makeHistory(dir: TempDir): Promise<LogFiles> {
  const files = new LogFiles(dir.path("log.jsonl"));
  Deno.writeFileSync(files.archive("20260101_000001"), await gzipped(linesOf("ab")));
  Deno.writeFileSync(files.archive("20260101_000002"), await gzipped(linesOf("cd")));
  Deno.writeTextFileSync(files.sealed("20260101_000003"), linesOf("ef"));
  Deno.writeFileSync(files.archive("20260101_000003"), await gzipped(linesOf("ef")));
  Deno.writeTextFileSync(files.sealed("20260101_000004"), linesOf("gh"));
  Deno.writeTextFileSync(files.active, linesOf("ij"));
  return files;
}

function query(files: LogFiles, options: QueryOptions = {}, fileSystem = denoFileSystem) {
  const log = new LogDirectory(fileSystem, files.active);
  return queryLog({ log, maxLineBytes: 1_000, logger: silent, clock: systemClock }, options);
}

async function lettersOf(events: ReturnType<typeof query>): Promise<string> {
  return (await events.toArray()).map(({ event }) => event).join("");
}

Deno.test("query reads archives, sealed segments and the active file, each event once", async () => {
  using dir = tempDir();
  const files = await makeHistory(dir);
  assertEquals(await lettersOf(query(files)), "abcdefghij");
  assertEquals(await lettersOf(query(files, { order: "desc" })), "jihgfedcba");
  assertEquals(await lettersOf(query(files, { order: "desc", limit: 5 })), "jihgf");
  assertEquals(await lettersOf(query(files, { eventType: ["b", "g"] })), "bg");
});

Deno.test("query reads archives of a log that has no active file", async () => {
  using dir = tempDir();
  const files = await makeHistory(dir);
  Deno.removeSync(files.active);
  assertEquals(await lettersOf(query(files)), "abcdefgh");
});

Deno.test("query reads the valid part of a truncated archive and everything after it", async () => {
  using dir = tempDir();
  const files = await makeHistory(dir);
  const path = files.archive("20260101_000001");
  const whole = Deno.readFileSync(path);
  for (let length = 0; length < whole.byteLength; length++) {
    Deno.writeFileSync(path, whole.subarray(0, length));
    const events = query(files);
    const letters = await lettersOf(events);
    assert(letters.endsWith("cdefghij") && "abcdefghij".startsWith(letters.slice(0, -8)), letters);
    assertEquals(events.damage.map(({ path }) => path), [path], `cut to ${length} bytes`);
  }
});

for (
  const [what, make] of [
    ["a directory", (path: string) => Deno.mkdirSync(path)],
    ["plain text", (path: string) => Deno.writeTextFileSync(path, linesOf("x"))],
    ["a symlink", (path: string) => Deno.symlinkSync("log.jsonl", path)],
  ] as const
) {
  const name =
    `query reports damage for ${what} that has the name of a segment, and reads the other files`;
  const test = async () => {
    using dir = tempDir();
    const files = await makeHistory(dir);
    const path = files.archive("20260101_000000");
    make(path);
    const events = query(files);
    assertEquals(await lettersOf(events), "abcdefghij");
    assertEquals(events.damage.map(({ path, byteOffset }) => [path, byteOffset]), [[path, 0]]);
  };
  // The test with a symlink needs a POSIX system, because on Windows only administrators may create symlinks.
  if (what === "a symlink") await testNeeding("POSIX", name, test);
  else Deno.test(name, test);
}

Deno.test("query closes its files if the caller breaks out of its loop in an archive, a segment or the active file", async () => {
  using dir = tempDir();
  const files = await makeHistory(dir);
  let openHandles = 0;
  const counting: FileSystem = {
    ...denoFileSystem,
    open(path, access) {
      const handle = denoFileSystem.open(path, access);
      openHandles++;
      const close = handle.close.bind(handle);
      handle.close = () => {
        openHandles--;
        close();
      };
      return handle;
    },
  };
  for (const last of "aceij") {
    for (let round = 0; round < 20; round++) {
      for await (const { event } of query(files, {}, counting)) if (event === last) break;
      assertEquals(openHandles, 0);
    }
  }
});

/**
 * Returns a file system that runs `step` before its call number `at`. The step changes the log as another process
 * would.
 */
function interrupted(
  at: number,
  step: () => void,
): { fileSystem: FileSystem; calls: () => number } {
  let calls = 0;
  const before = () => {
    if (calls++ === at) step();
  };
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    status: (path) => (before(), denoFileSystem.status(path)),
    open: (path, access) => (before(), denoFileSystem.open(path, access)),
    list: (path) => (before(), denoFileSystem.list(path)),
  };
  return { fileSystem, calls: () => calls };
}

Deno.test("query yields each event that existed at its start exactly once if another process seals the active file or archives a segment between any two file system calls of the query", async () => {
  const archive = await gzipped(linesOf("ij"));
  const older = await gzipped(linesOf("gh"));
  const steps: [what: string, step: (files: LogFiles) => void][] = [
    ["seals", (files) => {
      Deno.renameSync(files.active, files.sealed("20260101_000005"));
    }],
    ["seals and appends", (files) => {
      Deno.renameSync(files.active, files.sealed("20260101_000005"));
      Deno.writeTextFileSync(files.active, linesOf("k"));
    }],
    ["seals, archives and appends", (files) => {
      Deno.writeFileSync(files.archive("20260101_000005"), archive);
      Deno.removeSync(files.active);
      Deno.writeTextFileSync(files.active, linesOf("k"));
    }],
    ["archives and removes a segment", (files) => {
      Deno.writeFileSync(files.archive("20260101_000004"), older);
      Deno.removeSync(files.sealed("20260101_000004"));
    }],
  ];
  for (const [what, step] of steps) {
    for (let at = 0, calls = 1; at < calls; at++) {
      using dir = tempDir();
      const files = await makeHistory(dir);
      const { fileSystem, calls: count } = interrupted(at, () => step(files));
      const events = query(files, {}, fileSystem);
      const letters = await lettersOf(events);
      // Another process appends the event k while the query runs. The query may or may not yield this event.
      assertEquals(letters.replace("k", ""), "abcdefghij", `${what} before call ${at}`);
      assertEquals(events.damage, []);
      calls = count();
      assert(calls > 10, `only ${calls} calls seen`);
    }
  }
});

Deno.test("query finds a segment that is archived while the directory is listed", async () => {
  using dir = tempDir();
  const files = await makeHistory(dir);
  let listings = 0;
  const torn: FileSystem = {
    ...denoFileSystem,
    // Another process archives a segment while the directory is listed for the first time. So the list has neither file
    // of the segment: the archive did not exist yet, and the uncompressed file was already removed.
    list(path) {
      const isFirst = listings++ === 0;
      return denoFileSystem.list(path).filter((name) => !isFirst || !name.includes("_000003"));
    },
  };
  assertEquals(await lettersOf(query(files, {}, torn)), "abcdefghij");
  assertEquals(listings, 2);
});
