import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuditLog, AuditReader, type VerifyProgress } from "@vivarium/scout";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

// What is kept is read again in each round.
for (const [retention, rounds] of [[{}, 12], [{ maxArchives: 2 }, 60]] as const) {
  const keeps = "maxArchives" in retention ? "prunes" : "keeps all";
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

Deno.test("verify() tells how far it is, and ends with the reason of its signal", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, rotationSizeBytes: 20_000, logger: silent });
  for (let n = 0; n < 2_000; n++) log.log("nav", { text: crypto.randomUUID() });
  await log.flush();
  const told: VerifyProgress[] = [];
  await log.verify({ onProgress: (progress) => told.push(progress) });
  assert(told.length > 10, `told ${told.length} times`);
  const bytes = told.map(({ bytes }) => bytes);
  assertEquals(bytes, bytes.toSorted((a, b) => a - b));
  assertEquals(new Set(told.map(({ totalBytes }) => totalBytes)).size, 1);
  assertEquals(told.at(-1)!.bytes, told[0]!.totalBytes);

  const controller = new AbortController();
  const reason = new Error("enough");
  await assertRejects(
    () => log.verify({ signal: controller.signal, onProgress: () => controller.abort(reason) }),
    Error,
    "enough",
  );
});

Deno.test("A reader that asks again counts without what was pruned meanwhile", async () => {
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
    // Of the directory it learns within a second, and at once of what it reads itself.
    assertEquals(await log.hourlySpend(), kept, `after ${n + 1} rotations`);
    assertEquals((await log.query().toArray()).length, kept);
    assertEquals((await log.accuracyMetrics(0)).totalNav, kept);
  }
  ending.abort();
  await following;
  assertEquals(followed, followed.toSorted());
  assertEquals((await log.verify()).faults, []);
});
