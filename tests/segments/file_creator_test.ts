import { assertEquals, assertThrows } from "@std/assert";
import { OwnershipError } from "../../src/platform/ownership.ts";
import { openForRead, temporaryOf } from "../../src/platform/regular_file.ts";
import {
  missingFeatures,
  ROOT_USER,
  SERVICE,
  type SimulatedDisk,
  type User,
} from "../faults/simulated_disk.ts";
import { diskWith, files, logOn, namesOn } from "./log_on_disk.ts";

const OTHER: User = { uid: 1001, gid: 1001 };
const TEMPORARY = temporaryOf(files.active);

/** Opens the files of the log as the user, so that missing ones are created. Returns owner and mode of each file. */
function createdBy(disk: SimulatedDisk, user: User): string[] {
  const process = disk.process(user);
  const log = logOn(process);
  for (const path of [files.lock, files.active, files.manifest]) {
    log.openForAppend(path).handle.close();
  }
  assertEquals(process.openHandles, 0);
  return shown(disk);
}

function shown(disk: SimulatedDisk): string[] {
  return Object.keys(disk.snapshot()).sort().map((path) => {
    const { uid, gid, mode } = disk.ownershipOf(path);
    return `${path.slice(files.directory.length + 1)} ${uid}:${gid} ${mode.toString(8)}`;
  });
}

/** A disk with an active file whose owner, group and mode an administrator has changed. */
function diskOf(user: User, mode: number): SimulatedDisk {
  const disk = diskWith({ [files.active]: "a\n" });
  disk.setOwnership(files.active, { ...user, mode });
  disk.setOwnership(files.directory, { ...user, mode: 0o770 });
  return disk;
}

Deno.test("LogDirectory creates the first files of a log for the owner of the directory", () => {
  const expected = [
    "audit.jsonl 1000:1000 600",
    "audit.jsonl.lock 1000:1000 600",
    "audit.manifest.jsonl 1000:1000 600",
  ];
  assertEquals(createdBy(diskWith({}), SERVICE), expected);
  assertEquals(createdBy(diskWith({}), ROOT_USER), expected);
});

Deno.test("LogDirectory creates files for its own user in a directory of a user to whom it may not assign files", () => {
  const disk = diskWith({});
  disk.setOwnership(files.directory, { ...ROOT_USER, mode: 0o777 });
  assertEquals(createdBy(disk, SERVICE), [
    "audit.jsonl 1000:1000 600",
    "audit.jsonl.lock 1000:1000 600",
    "audit.manifest.jsonl 1000:1000 600",
  ]);
});

Deno.test("LogDirectory creates no first file as root in a private directory of a user to whom root may not assign files", () => {
  const disk = diskWith({});
  const process = disk.process(ROOT_USER);
  process.failOn(({ name }) => name === "setOwnership", missingFeatures.EPERM, Infinity);
  assertThrows(() => logOn(process).openForAppend(files.lock), OwnershipError);
  assertEquals(namesOn(disk), []);
  disk.setOwnership(files.directory, { ...SERVICE, mode: 0o777 });
  logOn(process).openForAppend(files.lock).handle.close();
  assertEquals(disk.ownershipOf(files.lock), { ...ROOT_USER, mode: 0o600 });
});

Deno.test("LogDirectory creates the first active file for the owner of the lock file", () => {
  const disk = diskWith({ [files.lock]: "" });
  disk.setOwnership(files.directory, { ...ROOT_USER, mode: 0o777 });
  disk.setOwnership(files.lock, { ...OTHER, mode: 0o600 });
  logOn(disk.process(ROOT_USER)).openForAppend(files.active).handle.close();
  assertEquals(disk.ownershipOf(files.active), { ...OTHER, mode: 0o600 });
});

Deno.test("LogDirectory creates files with owner, group and mode of the active file; readers may not open the lock file", () => {
  for (
    const [mode, lock] of [[0o600, 600], [0o640, 600], [0o644, 600], [0o660, 660], [0o666, 666]]
  ) {
    const disk = diskOf({ uid: 1000, gid: 4 }, mode!);
    const octal = mode!.toString(8);
    assertEquals(createdBy(disk, ROOT_USER), [
      `audit.jsonl 1000:4 ${octal}`,
      `audit.jsonl.lock 1000:4 ${lock}`,
      `audit.manifest.jsonl 1000:4 ${octal}`,
    ]);
  }
});

Deno.test("LogDirectory creates files with the ownership of the newest segment if there is no active file", () => {
  const disk = diskWith({
    [files.archive("20260213_143021")]: "archive",
    [files.sealed("20260213_143022")]: "sealed\n",
  });
  disk.setOwnership(files.sealed("20260213_143022"), { uid: 1000, gid: 4, mode: 0o640 });
  const log = logOn(disk.process(ROOT_USER));
  log.openForAppend(files.active).handle.close();
  assertEquals(disk.ownershipOf(files.active), { uid: 1000, gid: 4, mode: 0o640 });
});

Deno.test("LogDirectory creates no file that the owner of the log could not open, and leaves no temporary file", () => {
  const disk = diskOf(SERVICE, 0o640);
  disk.setOwnership(files.directory, { ...SERVICE, mode: 0o777 });
  const log = logOn(disk.process(OTHER));
  for (const path of [files.lock, files.manifest]) {
    const error = assertThrows(() => log.openForAppend(path), OwnershipError);
    assertEquals(
      error.message,
      "new files must belong to uid 1000, gid 1000, as the log does, and this process may not assign files to them; " +
        "run it as that user, or as root",
    );
  }
  assertThrows(() => log.checkOwner(), OwnershipError);
  assertEquals(namesOn(disk), ["audit.jsonl"]);
});

Deno.test("LogDirectory keeps the group of a shared log if it may not assign files to the owner", () => {
  const disk = diskOf({ uid: 1000, gid: OTHER.gid }, 0o660);
  assertEquals(createdBy(disk, OTHER), [
    "audit.jsonl 1000:1001 660",
    "audit.jsonl.lock 1001:1001 660",
    "audit.manifest.jsonl 1001:1001 660",
  ]);
});

Deno.test("LogDirectory creates a file of its own user for a log whose group it may not use", () => {
  const disk = diskOf({ uid: 1000, gid: 4 }, 0o640);
  assertEquals(createdBy(disk, SERVICE), [
    "audit.jsonl 1000:4 640",
    "audit.jsonl.lock 1000:1000 600",
    "audit.manifest.jsonl 1000:1000 600",
  ]);
});

Deno.test("LogDirectory replaces the temporary file of a killed process, but no file of another program", () => {
  const disk = diskOf(SERVICE, 0o640);
  disk.writeFile(temporaryOf(files.lock), "");
  logOn(disk.process(ROOT_USER)).openForAppend(files.lock).handle.close();
  assertEquals(namesOn(disk), ["audit.jsonl", "audit.jsonl.lock"]);

  disk.writeFile(temporaryOf(files.manifest), "of another program");
  assertThrows(() => logOn(disk.process(ROOT_USER)).openForAppend(files.manifest), Error);
  assertEquals(
    new TextDecoder().decode(disk.readFile(temporaryOf(files.manifest))),
    "of another program",
  );
});

Deno.test("openForRead() opens a file that is being created under its second name, but no other hard link", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  process.link(files.active, TEMPORARY);
  openForRead(process, files.active)?.close();
  process.link(files.active, "/log/third");
  assertThrows(() => openForRead(process, files.active), TypeError, "a file with 3 hard links");
  process.remove(TEMPORARY);
  assertThrows(() => openForRead(process, files.active), TypeError, "a file with 2 hard links");
});

Deno.test("LogDirectory.openForAppend() completes the creation of a file with two names", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  process.link(files.active, TEMPORARY);
  logOn(process).openForAppend(files.active).handle.close();
  assertEquals(namesOn(disk), ["audit.jsonl"]);
});
