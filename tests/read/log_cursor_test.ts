import { assertEquals, assertRejects } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { eventFilter } from "../../src/read/filter.ts";
import { LogCursor } from "../../src/read/log_cursor.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { overriding } from "../faults/planted_faults.ts";
import { silent } from "../loggers.ts";
import { gzipped, tempDir } from "../temp_dir.ts";

/**
 * Reads all events from the cursor's position until the cursor no longer moves to another file. Resolves with the field
 * `n` of each event.
 */
async function numbersIn(cursor: LogCursor, isBounded: boolean): Promise<unknown[]> {
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
}

function cursorOn(log: LogDirectory): LogCursor {
  const source = { log, clock: systemClock, maxLineBytes: 1_000, logger: silent };
  const { signal } = new AbortController();
  return new LogCursor(source, { filter: eventFilter({}), signal, damage: [] });
}

Deno.test("LogCursor reads each line once if a file is sealed while the end position that aim() has set is in an older file", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const log = new LogDirectory(denoFileSystem, path);
  const cursor = cursorOn(log);
  const write = (n: number) => Deno.writeTextFileSync(path, `{"n":${n}}\n`, { append: true });
  const seal = (stamp: string) => Deno.renameSync(path, dir.path(`audit_${stamp}.jsonl`));
  const read = (isBounded: boolean) => numbersIn(cursor, isBounded);
  write(1);
  const file = denoFileSystem.status(path)!;
  cursor.aim({ file, byteLength: file.byteLength });
  await cursor.goToNewest("none", () => true);
  seal("20260213_143000");
  write(2);
  assertEquals(await read(false), [2]);
  // A writer has sealed the active file and not created the next one yet.
  seal("20260213_143001");
  assertEquals(await read(true), []);
  write(3);
  assertEquals(await read(false), [3]);
  cursor.close();
});

/**
 * Reads a log while another writer seals two files during the second listing of the directory. The listing contains the
 * file that was sealed last, and lacks the one that was sealed before it. Returns the number of
 * each event that was written, and the number of each event that the cursor has yielded.
 */
async function readWhileSealing({ directoryBytes, hasActive, last }: {
  /** Assumed size of the directory. A large directory is listed in steps. */
  directoryBytes: number;
  /** Whether the active file exists before the listing. */
  hasActive: boolean;
  /** If set, the cursor first goes to the end, past the last events of this number. */
  last?: number;
}): Promise<{ written: number[]; read: unknown[] }> {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const written: number[] = [];
  const write = (n: number) => {
    Deno.writeTextFileSync(path, `{"n":${n}}\n`, { append: true });
    written.push(n);
  };
  const seal = (stamp: string) => Deno.renameSync(path, dir.path(`audit_${stamp}.jsonl`));
  let listings = 0;
  const namesAfter = (names: string[]) => {
    if (++listings !== 2) return names;
    write(2);
    seal("20260213_143001");
    write(3);
    seal("20260213_143002");
    return [...names, "audit_20260213_143002.jsonl"];
  };
  const fileSystem = overriding<FileSystem>(denoFileSystem, {
    directoryStatus: (directory: string) => ({
      ...denoFileSystem.directoryStatus(directory)!,
      byteLength: directoryBytes,
    }),
    list: (directory: string) => namesAfter(denoFileSystem.list(directory)),
    listLater: async (directory: string) => namesAfter(await denoFileSystem.listLater(directory)),
  });
  const cursor = cursorOn(new LogDirectory(fileSystem, path));
  if (hasActive) write(1);
  const read = last === undefined
    ? await numbersIn(cursor, false)
    : (await cursor.goToEnd(last)).map(({ n }) => n);
  write(4);
  read.push(...await numbersIn(cursor, false));
  cursor.close();
  return { written, read };
}

for (const [directory, directoryBytes] of Object.entries({ small: 100, large: 1e9 })) {
  for (const [log, hasActive] of Object.entries({ "an active file": true, "no file": false })) {
    Deno.test(`LogCursor skips no line if two files are sealed while it lists a ${directory} directory with ${log}`, async () => {
      const { written, read } = await readWhileSealing({ directoryBytes, hasActive });
      assertEquals(read, written);
    });
  }
}

Deno.test("LogCursor.goToEnd() leaves out none of the last events if two files are sealed while it lists a directory with no file", async () => {
  const { written, read } = await readWhileSealing({
    directoryBytes: 100,
    hasActive: false,
    last: 2,
  });
  assertEquals(read, written);
});

Deno.test("LogCursor lists at once after a listing in which the active file was replaced, and rejects after 16 of them", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  let replacements = 0;
  let isStill = false;
  const listings: string[] = [];
  const replace = (kind: string) => {
    listings.push(kind);
    if (isStill) return;
    const second = String(replacements++).padStart(2, "0");
    Deno.renameSync(path, dir.path(`audit_20260213_1430${second}.jsonl`));
    Deno.writeTextFileSync(path, '{"n":1}\n');
  };
  const fileSystem = overriding<FileSystem>(denoFileSystem, {
    directoryStatus: (directory: string) => ({
      ...denoFileSystem.directoryStatus(directory)!,
      byteLength: 1e9,
    }),
    list(directory: string) {
      replace("at once");
      return denoFileSystem.list(directory);
    },
    listLater(directory: string) {
      replace("in steps");
      return denoFileSystem.listLater(directory);
    },
  });
  const goToNewest = async () => {
    cursor.aim({ file: denoFileSystem.status(path)!, byteLength: 8 });
    return await cursor.goToNewest("none", () => true);
  };
  const cursor = cursorOn(new LogDirectory(fileSystem, path));
  Deno.writeTextFileSync(path, '{"n":1}\n');
  assertEquals(await goToNewest(), null);
  assertEquals(listings, ["in steps", "in steps", "at once", "at once"]);
  for (let attempt = 2; attempt < 16; attempt++) assertEquals(await goToNewest(), null);
  await assertRejects(goToNewest, Error, "replaced, as by a rotation, during each of 16 attempts");
  isStill = true;
  listings.length = 0;
  assertEquals([await goToNewest(), await goToNewest()], [false, false]);
  assertEquals(listings, ["at once", "at once", "in steps", "in steps"]);
  cursor.close();
});

Deno.test("LogCursor rejects a read up to the end position of aim() while the archive of its current file cannot be opened", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const archive = dir.path("audit_20260213_143000.jsonl.gz");
  let isUnreadable = true;
  const fileSystem = overriding<FileSystem>(denoFileSystem, {
    status(at: string) {
      if (at === archive && isUnreadable) throw new TypeError("Invalid argument (os error 22)");
      return denoFileSystem.status(at);
    },
  });
  const cursor = cursorOn(new LogDirectory(fileSystem, path));
  Deno.writeTextFileSync(path, '{"n":1}\n');
  const file = denoFileSystem.status(path)!;
  cursor.aim({ file, byteLength: 0 });
  await cursor.goToNewest("none", () => true);
  cursor.aim({ file, byteLength: file.byteLength });
  assertEquals(await numbersIn(cursor, true), [1]);
  Deno.writeFileSync(archive, await gzipped('{"n":1}\n'));
  Deno.removeSync(path);
  Deno.writeTextFileSync(path, '{"n":2}\n');
  await assertRejects(() => numbersIn(cursor, true), Error, "Cannot read archive");
  isUnreadable = false;
  assertEquals(await numbersIn(cursor, false), [2]);
  cursor.close();
});
