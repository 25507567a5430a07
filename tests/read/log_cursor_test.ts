import { assertEquals } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { eventFilter } from "../../src/read/filter.ts";
import { LogCursor } from "../../src/read/log_cursor.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

Deno.test("LogCursor reads each line once if its file is sealed while its end is in an older file", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const log = new LogDirectory(denoFileSystem, path);
  const source = { log, clock: systemClock, maxLineBytes: 1_000, logger: silent };
  const { signal } = new AbortController();
  const cursor = new LogCursor(source, { filter: eventFilter({}), signal, damage: [] });
  const write = (n: number) => Deno.writeTextFileSync(path, `{"n":${n}}\n`, { append: true });
  const seal = (stamp: string) => Deno.renameSync(path, dir.path(`audit_${stamp}.jsonl`));
  const read = async (isBounded: boolean) => {
    const numbers: unknown[] = [];
    for (let hasMoved = true; hasMoved;) {
      const reading = cursor.read({ isBounded });
      let result = await reading.next();
      for (; !result.done; result = await reading.next()) {
        numbers.push(...result.value.map(({ n }) => n));
      }
      hasMoved = result.value;
    }
    return numbers;
  };
  write(1);
  const file = denoFileSystem.status(path)!;
  cursor.aim({ file, byteLength: file.byteLength });
  await cursor.goToNewest("none", () => true);
  seal("20260213_143000");
  write(2);
  assertEquals(await read(false), [2]);
  // A writer has sealed the file and not created the next one yet.
  seal("20260213_143001");
  assertEquals(await read(true), []);
  write(3);
  assertEquals(await read(false), [3]);
  cursor.close();
});
