import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  AuditEventError,
  AuditLog,
  type AuditLogOptions,
  AuditReader,
  AuditWriteError,
  type VerifyReport,
} from "@vivarium/scout";
import { createHash } from "node:crypto";
import { openLogOn } from "../src/audit_log.ts";
import { silent } from "./loggers.ts";
import { denoPlatform } from "../src/platform/platform.ts";
import { WatchedFileSystem } from "./platform.ts";
import { sampledTest } from "./extent.ts";
import { testNeeding } from "./requirements.ts";
import { programArgs } from "./run_program.ts";
import { linesOf, type TempDir, tempDir } from "./temp_dir.ts";

const WORKERS = fromFileUrl(new URL("./programs/workers.ts", import.meta.url));
const ROOT = fromFileUrl(new URL("..", import.meta.url));

function open(dir: TempDir, options: AuditLogOptions = {}): Promise<AuditLog> {
  return AuditLog.open({ path: dir.path("audit.jsonl"), chain: true, logger: silent, ...options });
}

/** Opens a log, logs `count` events and closes the log. */
async function write(dir: TempDir, count: number, options: AuditLogOptions = {}): Promise<void> {
  await using log = await open(dir, options);
  for (let n = 0; n < count; n++) await log.log("nav", { n });
}

async function verified(dir: TempDir): Promise<VerifyReport> {
  await using reader = await AuditReader.open({ path: dir.path("audit.jsonl"), logger: silent });
  return await reader.verify();
}

/** Returns the number `seq` of every event in the hash chain, in the order of the log. */
async function seqs(dir: TempDir): Promise<unknown[]> {
  await using reader = await AuditReader.open({ path: dir.path("audit.jsonl"), logger: silent });
  return (await reader.query().toArray()).map(({ seq }) => seq).filter((seq) => seq !== undefined);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

Deno.test("AuditLog with a hash chain numbers its lines and hashes each line with the previous hash", async () => {
  using dir = tempDir();
  await write(dir, 3);
  let before = "0".repeat(64);
  for (const [seq, line] of linesOf(dir.path("audit.jsonl")).entries()) {
    const [, bare = "", hash = ""] = /^(.*),"hash":"([0-9a-f]{64})"\}$/.exec(line) ?? [];
    assertEquals(JSON.parse(line).seq, seq);
    assertEquals(hash, createHash("sha256").update(`${before}${bare}}`).digest("hex"));
    before = hash;
  }
});

Deno.test("AuditLog continues its hash chain after it was reopened and rotated, and through flushSync() and createWritable()", async () => {
  using dir = tempDir();
  const options = { rotationSizeBytes: 1_500 };
  await write(dir, 25, options);
  {
    await using log = await open(dir, options);
    for (let n = 0; n < 40; n++) log.log("nav", { n });
    log.flushSync();
    await ReadableStream.from(upTo(20).map((n) => ({ event: "nav", n }))).pipeTo(
      log.createWritable(),
    );
    await log.rotate();
  }
  // The active file is empty, so the chain has to continue from the newest archive.
  await write(dir, 5, options);
  assertEquals(await seqs(dir), upTo(90));
  const { faults, archives, lines } = await verified(dir);
  assertEquals([faults, lines], [[], 90]);
  assert(archives > 10, `only ${archives} archives`);
});

Deno.test("AuditLogs on the same path share one hash chain", async () => {
  using dir = tempDir();
  {
    await using one = await open(dir, { rotationSizeBytes: 2_000 });
    await using other = await open(dir, { rotationSizeBytes: 2_000 });
    for (let n = 0; n < 50; n++) {
      await Promise.all([one.log("nav", { n }), other.log("nav", { n })]);
    }
  }
  assertEquals(await seqs(dir), upTo(100));
  assertEquals((await verified(dir)).faults, []);
});

Deno.test("AuditLog continues its hash chain after an incomplete line, and the next hash covers the incomplete line", async () => {
  using dir = tempDir();
  await write(dir, 3);
  Deno.writeTextFileSync(dir.path("audit.jsonl"), '{"ts":"2026-02-13T', { append: true });
  await write(dir, 2);
  assertEquals(await seqs(dir), upTo(5));
  assertEquals((await verified(dir)).faults, []);
  const text = Deno.readTextFileSync(dir.path("audit.jsonl"));
  Deno.writeTextFileSync(dir.path("audit.jsonl"), text.replace("2026-02-13T\n", "2026-02-14T\n"));
  assertEquals((await verified(dir)).faults.map(({ line }) => line), [5]);
});

Deno.test("AuditLog can start, pause and resume a hash chain in a log that has lines without hashes", async () => {
  using dir = tempDir();
  const small = { rotationSizeBytes: 1_000 };
  await write(dir, 20, { ...small, chain: false });
  await write(dir, 20, small);
  assertEquals((await verified(dir)).faults, []);
  await write(dir, 20, { ...small, chain: false });
  // The last lines have no hash. Until a later line with a hash covers them, verify() cannot detect a change of them,
  // so it reports them.
  const { faults } = await verified(dir);
  assertEquals(faults.map(({ reason }) => reason), [
    "this line is not in the chain, unlike the lines before it",
  ]);
  await write(dir, 20, small);
  assertEquals((await verified(dir)).faults, []);
  assertEquals(await seqs(dir), upTo(40));
  await using reader = await AuditReader.open({ path: dir.path("audit.jsonl") });
  const query = reader.query();
  assertEquals((await query.toArray()).map(({ n }) => n), [...Array(4)].flatMap(() => upTo(20)));
  assertEquals(query.damage, []);
});

Deno.test("AuditLog starts a hash chain in a large file without hashes while another writer appends lines without hashes", async () => {
  using dir = tempDir();
  const line = `${JSON.stringify({ ts: "2026-02-13T00:00:00.000Z", text: "x".repeat(900) })}\n`;
  Deno.writeTextFileSync(dir.path("audit.jsonl"), line.repeat(4_000));
  await using plain = await open(dir, { chain: false });
  await using chained = await open(dir);
  for (let n = 0; n < 10; n++) {
    await plain.log("nav");
    await chained.log("nav");
  }
  assertEquals((await verified(dir)).faults, []);
  const text = Deno.readTextFileSync(dir.path("audit.jsonl"));
  Deno.writeTextFileSync(dir.path("audit.jsonl"), text.replace("2026-02-13", "2026-02-12"));
  assertEquals((await verified(dir)).faults.map(({ line }) => line), [4_002]);
});

Deno.test("AuditLog continues its hash chain after the manifest (the list of archives) was lost, and after a write failed", async () => {
  using dir = tempDir();
  await write(dir, 20, { rotationSizeBytes: 1_000 });
  {
    await using log = await open(dir);
    await log.rotate();
  }
  Deno.removeSync(dir.path("audit.manifest.jsonl"));
  await write(dir, 5, { rotationSizeBytes: 1_000 });
  assertEquals(await seqs(dir), upTo(25));

  const fileSystem = new WatchedFileSystem();
  const options = { path: dir.path("audit.jsonl"), chain: true, logger: silent };
  const log = await openLogOn({ ...denoPlatform, fileSystem }, options);
  await log.log("nav");
  fileSystem.bytesLeft = 100;
  await assertRejects(() => log.log("nav"), AuditWriteError);
  fileSystem.bytesLeft = Infinity;
  await log.log("nav");
  await log.close();
  assertEquals(await seqs(dir), upTo(27));
  assertEquals((await verified(dir)).faults, []);
});

await testNeeding(
  "POSIX",
  "AuditReader.verify() reports the lines that are missing after the active file was moved away",
  async () => {
    using dir = tempDir();
    await using log = await open(dir);
    for (let n = 0; n < 5; n++) await log.log("nav");
    Deno.renameSync(dir.path("audit.jsonl"), dir.path("moved"));
    await log.log("nav");
    const { faults } = await verified(dir);
    assertEquals(faults.map(({ reason }) => reason), [
      "5 lines are missing before this line, the first: its seq is 5",
    ]);
  },
);

Deno.test("AuditLog with a hash chain rejects fields named seq or hash, and lines that exceed maxLineBytes with their hash", async () => {
  using dir = tempDir();
  await using log = await open(dir, { maxLineBytes: 1_000 });
  for (const field of ["seq", "hash"]) {
    const error = await assertRejects(() => log.log("nav", { [field]: 5 }), AuditEventError);
    assertEquals(error.field, field);
    await log.log("nav", { [field]: undefined, nested: { [field]: 5 } });
  }
  const bare = JSON.stringify({ ts: "2026-02-13T14:30:22.123Z", event: "nav", text: "" }).length +
    JSON.stringify({ session_id: log.sessionId }).length - 1;
  const text = "x".repeat(1_000 - bare - 1);
  const refused = await assertRejects(() => log.log("nav", { text }), AuditEventError);
  assertEquals(refused.field, "maxLineBytes");
  await log.log("nav", { text: text.slice(97) });
  assertEquals((await verified(dir)).faults, []);
});

await sampledTest(
  "AuditLogs of eight Workers in four processes continue one hash chain, even if two processes are killed",
  1 / 4,
  async (extent) => {
    using dir = tempDir();
    const flags = [`--allow-read=${dir.path("")},${ROOT}`, `--allow-write=${dir.path("")}`];
    const count = extent.of(2_000);
    const start = (by: string, count: string) =>
      new Deno.Command(Deno.execPath(), {
        args: programArgs(WORKERS, {
          dir: dir.path(""),
          args: [dir.path("audit.jsonl"), by, count, "20000", "chain"],
          flags,
        }),
        stdout: "null",
      }).spawn();
    const [a, b] = [start("a", "1000000"), start("b", "1000000")];
    const survivors = [start("c", `${count}`), start("d", `${count}`)];
    let events = 0;
    await using reader = await AuditReader.open({ path: dir.path("audit.jsonl"), logger: silent });
    for await (const _event of reader.follow({ since: 0 })) {
      events++;
      if (events === count / 2) a.kill("SIGKILL");
      if (events === count) {
        b.kill("SIGKILL");
        break;
      }
    }
    await Promise.all([a.status, b.status]);
    for (const { status } of survivors) assertEquals((await status).code, 0);
    await write(dir, 1);
    const { faults, lines, archives } = await verified(dir);
    assertEquals(faults, []);
    assert(
      lines > 4 * count && archives > extent.of(20),
      `only ${lines} lines in ${archives} archives`,
    );
    assertEquals(await seqs(dir), upTo((await seqs(dir)).length));
  },
  ["POSIX"],
);
