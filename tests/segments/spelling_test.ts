import { AuditLog, AuditReader, FsyncSink } from "@vivarium/scout";
import { assertEquals, assertRejects } from "@std/assert";
import { resolve } from "@std/path";
import { openLogOn } from "../../src/audit_log.ts";
import { openReaderOn } from "../../src/audit_reader.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { SimulatedDisk, systemErrors } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { tempDir } from "../temp_dir.ts";
import { diskWith } from "./log_on_disk.ts";

/**
 * Each case has three names: a file that the directory lists, a spelling of the log's name that the directory does not
 * list, and the spelling of the log's name that the directory lists.
 */
const SPELLINGS: readonly [listed: string, other: string, log: string, shown?: string[]][] = [
  ["Audit.jsonl", "audit.jsonl", "Audit.jsonl"],
  ["AUDIT.JSONL.lock", "audit.jsonl", "AUDIT.JSONL"],
  ["Ger\u00e4te.jsonl", "Gera\u0308te.jsonl", "Ger\u00e4te.jsonl", [
    "Ger\\u{e4}te.jsonl",
    "Gera\\u{308}te.jsonl",
  ]],
  ["20\u00e4.jsonl.lock", "20a\u0308.jsonl", "20\u00e4.jsonl", [
    "20\\u{e4}.jsonl",
    "20a\\u{308}.jsonl",
  ]],
];

for (const [listed, other, log, shown = [log, other]] of SPELLINGS) {
  Deno.test(`AuditLog and AuditReader refuse the path ${other} if the directory lists ${listed}`, async () => {
    const disk = diskWith({ [`/log/${listed}`]: "" }, "Windows");
    const process = disk.process();
    const platform = { fileSystem: process, clock: new SimulatedClock() };
    const options = { path: `/log/${other}`, logger: silent, sessionId: "s" };
    const message = `Cannot open audit log: the file on disk is named ${shown[0]}, got ` +
      `${resolve(`/log/${shown[1]}`)}; use ${resolve(`/log/${log}`)}`;
    for (const open of [openLogOn, openReaderOn]) {
      const error = await assertRejects(() => open(platform, options), TypeError);
      assertEquals(error.message, message);
    }
    assertEquals(process.openHandles, 0);
    await using reader = await openReaderOn(platform, { ...options, path: `/log/${log}` });
    assertEquals(await reader.query().toArray(), []);
    assertEquals(Object.values(disk.snapshot()), Object.values(disk.snapshot()).map(() => ""));
  });
}

Deno.test("AuditLog opens audit.jsonl next to a log named Audit.jsonl if the disk distinguishes them", async () => {
  const disk = new SimulatedDisk("POSIX");
  disk.writeFile("/log/Audit.jsonl", '{"event":"other"}\n');
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const options = { path: "/log/audit.jsonl", logger: silent, sessionId: "s" };
  await using log = await openLogOn(platform, options);
  await log.log("nav");
  assertEquals((await log.query().toArray()).map(({ event }) => event), ["nav"]);
  const listings = process.calls.filter(({ name }) => name === "list").length;
  await using reader = await openReaderOn(platform, options);
  assertEquals(reader.path, log.path);
  assertEquals(process.calls.filter(({ name }) => name === "list").length, listings);
});

Deno.test("AuditReader opens a log on a disk that ignores case even if another process rotates the log during any file system call", async () => {
  for (let call = 0, isReached = true; isReached; call++) {
    const disk = diskWith(
      { "/log/audit.jsonl": '{"event":"nav"}\n', "/log/audit.jsonl.lock": "" },
      "Windows",
    );
    const process = disk.process();
    isReached = false;
    process.onCall = ({ index }) => {
      if (index !== call) return;
      isReached = true;
      disk.process().rename("/log/audit.jsonl", "/log/audit_20260213_143022.jsonl");
    };
    const platform = { fileSystem: process, clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: "/log/audit.jsonl", logger: silent });
    process.onCall = undefined;
    assertEquals((await reader.query().toArray()).length, 1);
  }
});

Deno.test("AuditReader opens a log by its exact name even if the directory may not be listed", async () => {
  const disk = diskWith({ "/log/\u00e4.jsonl": '{"event":"nav"}\n' }, "Windows");
  const process = disk.process();
  process.failOn(({ name }) => name === "list", systemErrors.EACCES, Infinity);
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const path = "/log/\u00e4.jsonl";
  await using reader = await openReaderOn(platform, { path, logger: silent });
  assertEquals(reader.path, resolve(path));
});

Deno.test("AuditReader does not list the directory if its file system cannot find the log under another spelling", async () => {
  const disk = new SimulatedDisk("POSIX");
  for (const name of ["\u00e4.jsonl", "2026", "A\u0308b", "\u65e5\u672c.log"]) {
    disk.writeFile(`/log/${name}`, "");
    const process = disk.process();
    const platform = { fileSystem: process, clock: new SimulatedClock() };
    await using _ = await openReaderOn(platform, { path: `/log/${name}`, logger: silent });
    assertEquals(process.calls.filter(({ name }) => name === "list"), [], name);
  }
});

Deno.test("AuditLog refuses a log that another process creates at the same time under another spelling", async () => {
  const disk = new SimulatedDisk("Windows");
  disk.plant("/log", "directory");
  const process = disk.process();
  process.onCall = ({ name, path }) => {
    if (name !== "open" || !path.startsWith("/log/audit.jsonl.lock")) return;
    process.onCall = undefined;
    disk.writeFile("/log/Audit.jsonl.lock", "");
  };
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const options = { path: "/log/audit.jsonl", logger: silent, sessionId: "s" };
  await assertRejects(
    () => openLogOn(platform, options),
    TypeError,
    `got ${resolve(options.path)}; use ${resolve("/log/Audit.jsonl")}`,
  );
  assertEquals(process.openHandles, 0);
  assertEquals(disk.snapshot(), { "/log/Audit.jsonl.lock": "" });
});

Deno.test("AuditLog refuses another spelling of a log on a real disk that ignores the case of letters", async () => {
  using dir = tempDir();
  const path = dir.path("Audit.jsonl");
  await using log = await AuditLog.open({ path, logger: silent });
  await log.log("nav");
  const other = dir.path("AUDIT.jsonl");
  if (denoFileSystem.status(other) === null) return;
  for (const { open } of [AuditLog, AuditReader, FsyncSink]) {
    const options = { path: other, logger: silent };
    await assertRejects(() => open(options), TypeError, "the file on disk is named Audit.jsonl");
  }
});
