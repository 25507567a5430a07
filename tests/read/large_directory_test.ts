/**
 * Tests that a large directory and a long manifest are read in short steps, so that other tasks of the process can run
 * in between. Also tests that an unchanged directory is listed only once a minute.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { openReaderOn } from "../../src/audit_reader.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { Turns } from "../../src/platform/turns.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import { stampOf } from "../../src/segments/segment_name.ts";
import { SimulatedClock } from "../platform.ts";
import { gzipped, tempDir } from "../temp_dir.ts";

const NOW_MS = Date.UTC(2026, 1, 13, 12);

/**
 * A clock that advances by a second at each call of `monotonicMs()`, so that every step of work exceeds its time limit.
 */
class SlowClock extends SimulatedClock {
  turns = 0;
  #nowMs = 0;

  override monotonicMs(): number {
    return this.#nowMs += 1_000;
  }

  override turn(): Promise<void> {
    this.turns++;
    return Promise.resolve();
  }
}

function lineAt(ms: number): string {
  return `${JSON.stringify({ ts: new Date(ms).toISOString(), event: "nav", cost: 1 })}\n`;
}

Deno.test("LogDirectory.segmentsInTurns() lists the same as segments(), but lets the event loop turn many times", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  // The library lists a directory in steps only if the file system reports a large size for the directory, as this file
  // system does.
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    directoryStatus: (at) => ({ ...denoFileSystem.directoryStatus(at)!, byteLength: 1_000_000 }),
  };
  const log = new LogDirectory(fileSystem, path);
  const days = [3, 1, 2, 400];
  for (const [n, day] of days.entries()) {
    for (let hour = 20; hour >= 0; hour -= 5) {
      const stamp = stampOf(NOW_MS + (24 * day + hour) * 3_600_000);
      const files = [
        log.files.sealed(stamp),
        log.files.archive(stamp),
        log.files.unfinished(stamp),
      ];
      for (const file of files.slice(0, 1 + (n + hour) % 3)) Deno.writeTextFileSync(file, "");
    }
  }
  Deno.writeTextFileSync(`${log.files.sealed(stampOf(NOW_MS))}.lock`, "");
  Deno.writeTextFileSync(log.files.sealed(stampOf(NOW_MS)), "");
  Deno.writeTextFileSync(path, "");
  const clock = new SlowClock();
  const listed = await log.segmentsInTurns(new Turns(clock));
  assertEquals(listed, log.segments());
  assertEquals(listed.length, 5 * days.length);
  assertEquals(clock.turns > 2 * listed.length, true);
});

Deno.test("ManifestReader.catchUp() reads a long manifest in steps, and later reads appended lines or a replaced manifest", async () => {
  using dir = tempDir();
  const log = new LogDirectory(denoFileSystem, dir.path("audit.jsonl"));
  const reader = new ManifestReader(log);
  const turns = new Turns(new SlowClock());
  await reader.catchUp(turns);
  assertEquals(reader.lastRead.count, 0);
  Deno.writeTextFileSync(log.files.manifest, "no line\n".repeat(50_000));
  await reader.catchUp(turns);
  assertEquals(reader.lastRead.count, 50_000);
  Deno.writeTextFileSync(log.files.manifest, "more\ntorn", { append: true });
  await reader.catchUp(turns);
  assertEquals(reader.lastRead.count, 50_001);
  Deno.writeTextFileSync(log.files.manifest, "another\n");
  await reader.catchUp(turns);
  assertEquals([reader.lastRead.count, reader.read().count], [1, 1]);
});

Deno.test("hourlySpend() lists an unchanged directory once a minute, and a changed directory at once", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  let lists = 0;
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    list: (at) => (lists++, denoFileSystem.list(at)),
  };
  const clock = new SimulatedClock();
  Deno.writeTextFileSync(path, lineAt(NOW_MS - 1_000));
  await using reader = await openReaderOn({ fileSystem, clock }, { path, now: () => NOW_MS });
  /** Sets the modification time of the directory back, so that every later change gets a different time. */
  const settle = () => Deno.utimeSync(dir.path(""), new Date(), new Date(Date.now() - 60_000));
  const spendAfter = async (seconds: number) => {
    await clock.wait(seconds * 1_000);
    const before = lists;
    return [await reader.hourlySpend(1), lists > before];
  };
  settle();
  // On Windows, `modifiedMs` of a directory is null, so the directory is listed each time.
  const isReliable = denoFileSystem.status(dir.path(""))!.modifiedMs !== null;
  assertEquals(await spendAfter(0), [1, true]);
  assertEquals(await spendAfter(2), [1, !isReliable]);
  assertEquals(await spendAfter(50), [1, !isReliable]);
  assertEquals(await spendAfter(20), [1, true]);

  const archive = dir.path("audit_20260213_110000.jsonl.gz");
  Deno.writeFileSync(archive, await gzipped(lineAt(NOW_MS - 60_000)));
  assertEquals(await spendAfter(2), [2, true]);
  // The directory changed so recently that another change could get the same modification time, so it is listed again.
  assertEquals(await spendAfter(2), [2, true]);
  settle();
  assertEquals(await spendAfter(2), [2, true]);
  assertEquals(await spendAfter(2), [2, !isReliable]);
  Deno.removeSync(archive);
  assertEquals(await spendAfter(2), [1, true]);
});
