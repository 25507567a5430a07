import { AuditWriteError } from "@vivarium/scout";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { openLogOn } from "../../src/audit_log.ts";
import { tryClaim } from "../../src/segments/claim.ts";
import { ROOT_USER, SERVICE, type SimulatedDisk, type User } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { diskWith, files, logOn, namesOn, STAMPS } from "./log_on_disk.ts";

const OTHER: User = { uid: 1001, gid: 1001 };
const [STAMP] = STAMPS;
const CLAIM = files.claim(STAMP);

/** Returns a disk with a log of the user SERVICE, in a directory in which every user can create files. */
function sharedDirectory(): SimulatedDisk {
  const content = { [files.active]: "", [files.lock]: "", [files.sealed(STAMP)]: "a\n" };
  const disk = diskWith(content, "POSIX");
  disk.setOwnership(files.directory, { ...ROOT_USER, mode: 0o777 });
  for (const path of [files.active, files.sealed(STAMP)]) {
    disk.setOwnership(path, { ...SERVICE, mode: 0o640 });
  }
  return disk;
}

Deno.test("tryClaim() lets only one process hold a claim (the right to work on a file of the log), until the process releases it or dies", () => {
  const disk = diskWith({});
  const [first, second] = [disk.process(), disk.process()];
  const claim = tryClaim(logOn(first), CLAIM);
  assert(claim !== null && claim.isAtPath());
  assertEquals(tryClaim(logOn(second), CLAIM), null);
  claim.release();
  assertEquals(namesOn(disk), []);
  assert(tryClaim(logOn(second), CLAIM) !== null);
  assertEquals(tryClaim(logOn(first), CLAIM), null);
  second.kill();
  using taken = tryClaim(logOn(first), CLAIM);
  assert(taken !== null);
});

Deno.test("Claim.isAtPath() returns false after another program removed or replaced the claim file", () => {
  const disk = diskWith({});
  using claim = tryClaim(logOn(disk.process()), CLAIM);
  disk.process().remove(CLAIM);
  assertEquals(claim?.isAtPath(), false);
  using other = tryClaim(logOn(disk.process()), CLAIM);
  assertEquals([claim?.isAtPath(), other?.isAtPath()], [false, true]);
  // Another process has claimed the file in the meantime, so `release()` must not remove the claim file of that
  // process.
  claim?.release();
  assertEquals(other?.isAtPath(), true);
});

Deno.test("tryClaim() refuses a file of another user, because that user could change the text that the process writes into it", () => {
  for (const path of [CLAIM, files.importing, files.completing]) {
    const disk = sharedDirectory();
    disk.process(OTHER).open(path, "create").close();
    disk.setOwnership(path, { ...OTHER, mode: 0o666 });
    for (const user of [SERVICE, ROOT_USER]) {
      assertThrows(
        () => tryClaim(logOn(disk.process(user)), path),
        Deno.errors.PermissionDenied,
        `the file belongs to uid 1001, but the log to uid 1000: ${path}`,
      );
    }
  }
});

Deno.test("tryClaim() by root creates a claim file that belongs to the owner of the log", () => {
  const disk = sharedDirectory();
  using claim = tryClaim(logOn(disk.process(ROOT_USER)), CLAIM);
  assert(claim !== null);
  assertEquals(disk.ownershipOf(CLAIM), { ...SERVICE, mode: 0o600 });
});

Deno.test("LogDirectory ignores claim files when it determines the owner of new files and the time in the newest segment name", () => {
  const disk = sharedDirectory();
  disk.process().remove(files.active);
  disk.setOwnership(files.directory, { ...SERVICE, mode: 0o777 });
  disk.process(OTHER).open(files.claim("20980101_000000"), "create").close();
  const log = logOn(disk.process());
  assertEquals(log.ownership(), { ...SERVICE, mode: 0o640 });
  assertEquals(log.newestStamp(), STAMP);
  assertEquals(log.segments().map(({ stamp }) => stamp), [STAMP]);
});

Deno.test("AuditLog refuses the active file of another user in a directory in which every user can create files", async () => {
  const disk = sharedDirectory();
  disk.setOwnership(files.active, { ...OTHER, mode: 0o666 });
  for (const user of [SERVICE, ROOT_USER]) {
    const process = disk.process(user);
    const platform = { fileSystem: process, clock: new SimulatedClock() };
    const error = await assertRejects(
      () => openLogOn(platform, { path: files.active, sessionId: "s", logger: silent }),
      Deno.errors.PermissionDenied,
    );
    assertStringIncludes(
      error.message,
      "the active file belongs to uid 1001, but the lock file and the directory to other users",
    );
    assertEquals(process.openHandles, 0);
  }
  disk.setOwnership(files.directory, { ...ROOT_USER, mode: 0o770 });
  const platform = { fileSystem: disk.process(ROOT_USER), clock: new SimulatedClock() };
  await using log = await openLogOn(platform, {
    path: files.active,
    logger: silent,
    sessionId: "s",
  });
  await log.log("nav");
});

Deno.test("AuditLog.log() rejects if another user creates the next active file during a rotation, and writes nothing into it", async () => {
  const disk = sharedDirectory();
  const process = disk.process();
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const log = await openLogOn(platform, { path: files.active, sessionId: "s", logger: silent });
  await log.log("nav", { secret: false });
  process.onCall = ({ name, path }) => {
    if (name === "rename" || path !== files.active || disk.process().status(path) !== null) return;
    disk.process(OTHER).open(files.active, "create").close();
    disk.setOwnership(files.active, { ...OTHER, mode: 0o666 });
  };
  await log.rotate();
  const error = await assertRejects(() => log.log("nav", { secret: true }), AuditWriteError);
  assertStringIncludes(error.message, "the active file belongs to uid 1001");
  assertEquals(disk.snapshot()[files.active], "");
  process.onCall = undefined;
  disk.process(ROOT_USER).remove(files.active);
  await log.log("nav", { secret: true });
  await log.close();
  assertEquals(disk.ownershipOf(files.active), { ...SERVICE, mode: 0o640 });
});
