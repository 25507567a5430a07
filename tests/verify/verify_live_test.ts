import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuditLog, AuditReader, type VerifyProgress } from "@vivarium/scout";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

// If retention deletes no archives, each round reads all archives again and takes longer, so there are fewer rounds.
for (const [retention, rounds] of [[{}, 12], [{ maxArchives: 2 }, 60]] as const) {
  const keeps = "maxArchives" in retention ? "prunes archives" : "keeps all archives";
  Deno.test(`verify() finds no fault while a writer rotates as fast as it can and ${keeps}`, async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    const options = { path, chain: true, rotationSizeBytes: 2_000, logger: silent };
    await using log = await AuditLog.open({ ...options, retention });
    await using reader = await AuditReader.open({ path, logger: silent });
    let isOver = false;
    const writing = (async () => {
      while (!isOver) await log.log("nav", { cost: 1 });
    })();
    let archives = 0;
    for (let round = 0; round < rounds || archives < 2; round++) {
      const anchor = await reader.head();
      const report = await (round % 2 === 0 ? reader : log).verify({ anchor });
      assertEquals(report.faults, []);
      archives = Math.max(archives, report.archives);
    }
    isOver = true;
    await writing;
  });
}

Deno.test("verify() reports its progress, and rejects with the reason of its signal", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, rotationSizeBytes: 20_000, logger: silent });
  for (let n = 0; n < 2_000; n++) log.log("nav", { text: crypto.randomUUID() });
  await log.flush();
  const reports: VerifyProgress[] = [];
  await log.verify({ onProgress: (progress) => reports.push(progress) });
  assert(reports.length > 10, `${reports.length} progress reports`);
  const bytes = reports.map(({ bytes }) => bytes);
  assertEquals(bytes, bytes.toSorted((a, b) => a - b));
  assertEquals(new Set(reports.map(({ totalBytes }) => totalBytes)).size, 1);
  assertEquals(reports.at(-1)!.bytes, reports[0]!.totalBytes);

  const controller = new AbortController();
  const reason = new Error("enough");
  await assertRejects(
    () => log.verify({ signal: controller.signal, onProgress: () => controller.abort(reason) }),
    Error,
    "enough",
  );
});

Deno.test("Repeated queries and metrics do not count events that were pruned in between", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, retention: { maxArchives: 2 }, logger: silent });
  await using reader = await AuditReader.open({ path, logger: silent });
  const followed: unknown[] = [];
  const ending = new AbortController();
  const following = (async () => {
    for await (const { n } of reader.follow({ since: 0, signal: ending.signal })) followed.push(n);
  })().catch(() => {});
  for (let n = 0; n < 6; n++) {
    await log.log("nav", { n, cost: 1 });
    await log.rotate();
    const kept = Math.min(n + 1, 2);
    // For up to a second, a reader may use an old directory listing. Reading a removed archive reveals the removal.
    assertEquals(await log.hourlySpend(), kept, `after ${n + 1} rotations`);
    assertEquals((await log.query().toArray()).length, kept);
    assertEquals((await log.accuracyMetrics(0)).totalNav, kept);
  }
  ending.abort();
  await following;
  assertEquals(followed, followed.toSorted());
  assertEquals((await log.verify()).faults, []);
});
