import { assert, assertEquals, assertThrows } from "@std/assert";
import { basename } from "@std/path";
import type { AuditLog } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import { OwnershipError } from "../../src/platform/ownership.ts";
import { openForRead } from "../../src/platform/regular_file.ts";
import { removeTemporary, temporaryFor } from "../../src/platform/temporary_file.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import {
  notPermitted,
  ROOT_USER,
  SERVICE,
  type SimulatedDisk,
  type SimulatedProcess,
  systemErrors,
  type User,
} from "../faults/simulated_disk.ts";
import { gathering, silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { diskWith as diskUnder, files, logOn, namesOn, STAMPS } from "./log_on_disk.ts";

const OTHER: User = { uid: 1001, gid: 1001 };
const TEMPORARY = temporaryFor(files.active);

/** Returns a disk whose files have owners. It has the rules of POSIX, because files on Windows have no owner. */
function diskWith(content: Record<string, string>): SimulatedDisk {
  return diskUnder(content, "POSIX");
}

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

Deno.test("LogDirectory makes the owner of the directory the owner of the first files of a log", () => {
  const expected = [
    "audit.jsonl 1000:1000 600",
    "audit.jsonl.lock 1000:1000 600",
    "audit.manifest.jsonl 1000:1000 600",
  ];
  assertEquals(createdBy(diskWith({}), SERVICE), expected);
  assertEquals(createdBy(diskWith({}), ROOT_USER), expected);
});

Deno.test("LogDirectory creates files of its own user if it may not assign files to the owner of the directory", () => {
  const disk = diskWith({});
  disk.setOwnership(files.directory, { ...ROOT_USER, mode: 0o777 });
  assertEquals(createdBy(disk, SERVICE), [
    "audit.jsonl 1000:1000 600",
    "audit.jsonl.lock 1000:1000 600",
    "audit.manifest.jsonl 1000:1000 600",
  ]);
});

Deno.test("LogDirectory creates no first file in a private directory if root may not assign files to its owner", () => {
  const disk = diskWith({});
  const process = disk.process(ROOT_USER);
  process.failOn(({ name }) => name === "setOwnership", notPermitted, Infinity);
  assertThrows(() => logOn(process).openForAppend(files.lock), OwnershipError);
  assertEquals(namesOn(disk), []);
  disk.setOwnership(files.directory, { ...SERVICE, mode: 0o777 });
  logOn(process).openForAppend(files.lock).handle.close();
  assertEquals(disk.ownershipOf(files.lock), { ...ROOT_USER, mode: 0o600 });
});

Deno.test("LogDirectory makes the owner of the lock file the owner of the first active file", () => {
  const disk = diskWith({ [files.lock]: "" });
  disk.setOwnership(files.directory, { ...ROOT_USER, mode: 0o777 });
  disk.setOwnership(files.lock, { ...OTHER, mode: 0o600 });
  logOn(disk.process(ROOT_USER)).openForAppend(files.active).handle.close();
  assertEquals(disk.ownershipOf(files.active), { ...OTHER, mode: 0o600 });
});

Deno.test("LogDirectory creates files with owner, group and mode of the active file, but a lock file only for writers", () => {
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

Deno.test("LogDirectory refuses to create a file that the owner of the log could not open, and leaves no temporary file", () => {
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

Deno.test("LogDirectory keeps the group of a log that its group can write, if it may not assign files to the owner", () => {
  const disk = diskOf({ uid: 1000, gid: OTHER.gid }, 0o660);
  assertEquals(createdBy(disk, OTHER), [
    "audit.jsonl 1000:1001 660",
    "audit.jsonl.lock 1001:1001 660",
    "audit.manifest.jsonl 1001:1001 660",
  ]);
});

Deno.test("LogDirectory creates files with the group of its own user if it may not use the group of the log", () => {
  const disk = diskOf({ uid: 1000, gid: 4 }, 0o640);
  assertEquals(createdBy(disk, SERVICE), [
    "audit.jsonl 1000:4 640",
    "audit.jsonl.lock 1000:1000 600",
    "audit.manifest.jsonl 1000:1000 600",
  ]);
});

Deno.test("LogDirectory creates a file without removing temporary files of other processes and programs", () => {
  const disk = diskOf(SERVICE, 0o640);
  const others = [temporaryFor(files.lock), `${files.lock}.new.tmp`];
  for (const path of others) disk.writeFile(path, "");
  logOn(disk.process(ROOT_USER)).openForAppend(files.lock).handle.close();
  assertEquals(
    namesOn(disk),
    [files.active, files.lock, ...others].map((path) => basename(path)).sort(),
  );
});

Deno.test("LogDirectory.leftovers() lists temporary files; removeTemporary() removes an empty one, and one whose file also has another name", async () => {
  const disk = diskWith({ [files.active]: "a\n", [files.lock]: "" });
  const [second, empty, full] = [files.active, files.lock, files.manifest].map(temporaryFor);
  disk.process().link(files.active, second!);
  disk.writeFile(empty!, "");
  const kept = [
    full!,
    `${files.active}.new.tmp`,
    `${files.active}.0123456g.new.tmp`,
    `${files.directory}/other.jsonl.01234567.new.tmp`,
  ];
  for (const path of kept) disk.writeFile(path, path === full ? "of another program" : "");
  const process = disk.process(ROOT_USER);
  const { temporaries } = await logOn(process).leftovers();
  assertEquals(temporaries.sort(), [second, empty, full].sort());
  assertEquals(
    temporaries.filter((path) => removeTemporary(process, path)),
    temporaries.filter((path) => path !== full),
  );
  assertEquals(
    namesOn(disk),
    [files.active, files.lock, ...kept].map((path) => basename(path)).sort(),
  );
});

Deno.test("LogDirectory creates a file even if another process removes its temporary file at any file system call", () => {
  let removals = 0;
  for (let calls = 0;; calls++) {
    const disk = diskOf({ uid: 1000, gid: 4 }, 0o640);
    const process = disk.process(ROOT_USER);
    const other = disk.process(ROOT_USER);
    let isReached = false;
    process.onCall = ({ index }) => {
      if (index !== calls) return;
      isReached = true;
      for (const name of namesOn(disk).filter((name) => name.endsWith(".new.tmp"))) {
        removals++;
        other.remove(`${files.directory}/${name}`);
      }
    };
    const { handle } = logOn(process).openForAppend(files.manifest);
    handle.appendSync(new TextEncoder().encode("line\n"));
    handle.close();
    assertEquals(disk.ownershipOf(files.manifest), { uid: 1000, gid: 4, mode: 0o640 });
    assertEquals(new TextDecoder().decode(disk.readFile(files.manifest)), "line\n");
    assertEquals(namesOn(disk), ["audit.jsonl", "audit.manifest.jsonl"]);
    if (!isReached) break;
  }
  assert(removals >= 3, `${removals}`);
});

Deno.test("LogDirectory.checkOwner() succeeds even if another process removes its temporary file at any file system call", () => {
  for (let call = 0, isReached = true; isReached; call++) {
    const disk = diskOf({ uid: 1000, gid: 4 }, 0o640);
    const process = disk.process(ROOT_USER);
    isReached = false;
    process.onCall = ({ index }) => {
      if (index !== call) return;
      isReached = true;
      for (const name of namesOn(disk).filter((name) => name.endsWith(".new.tmp"))) {
        disk.process().remove(`${files.directory}/${name}`);
      }
    };
    logOn(process).checkOwner();
    assertEquals(namesOn(disk), ["audit.jsonl"]);
  }
});

Deno.test("LogDirectory appends to the file at the path even if another program replaces the temporary file before it is linked", () => {
  const disk = diskOf({ uid: 1000, gid: 4 }, 0o640);
  const process = disk.process(ROOT_USER);
  process.onCall = ({ name, path }) => {
    if (name !== "link") return;
    disk.process().remove(path);
    disk.writeFile(path, "");
  };
  const { handle } = logOn(process).openForAppend(files.manifest);
  handle.appendSync(new TextEncoder().encode("line\n"));
  assertEquals(new TextDecoder().decode(disk.readFile(files.manifest)), "line\n");
});

Deno.test("LogDirectory assigns new files to the owner of a segment only if this user also owns the directory or the lock file", () => {
  const stranger = { ...OTHER, mode: 0o644 };
  for (
    const [what, directory, lock, segment, expected] of [
      ["of a stranger", SERVICE, null, OTHER, { ...SERVICE, mode: 0o600 }],
      ["of a stranger, with a lock file", ROOT_USER, SERVICE, OTHER, { ...SERVICE, mode: 0o600 }],
      ["of the owner of the lock file", ROOT_USER, OTHER, OTHER, stranger],
      ["of the owner of the directory", OTHER, null, OTHER, stranger],
    ] as const
  ) {
    const disk = diskWith({ [files.sealed("20260213_143022")]: "sealed\n" });
    disk.setOwnership(files.directory, { ...directory, mode: 0o777 });
    disk.setOwnership(files.sealed("20260213_143022"), { ...segment, mode: 0o644 });
    if (lock !== null) {
      disk.writeFile(files.lock, "");
      disk.setOwnership(files.lock, { ...lock, mode: 0o600 });
    }
    logOn(disk.process(ROOT_USER)).openForAppend(files.active).handle.close();
    assertEquals(disk.ownershipOf(files.active), expected, what);
  }
});

Deno.test("LogDirectory warns once for each new file that cannot have the group of the log", () => {
  const disk = diskOf({ uid: 1000, gid: 4 }, 0o640);
  const { logger, warnings } = gathering();
  const log = new LogDirectory(disk.process(SERVICE), files.active, logger);
  for (const path of [files.lock, files.manifest]) log.openForAppend(path).handle.close();
  assertEquals(
    warnings,
    [files.lock, files.manifest].map((path) =>
      "Other users may not be able to read new files of the log, because this process may not assign files to the group " +
      `of the log, gid 4: ${path}`
    ),
  );
});

Deno.test("openForRead() accepts the temporary name of a file as a second hard link, but no other hard link", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  process.link(files.active, TEMPORARY);
  openForRead(process, files.active)?.close();
  process.link(files.active, "/log/third");
  assertThrows(() => openForRead(process, files.active), TypeError, "a file with 3 hard links");
  process.remove(TEMPORARY);
  assertThrows(() => openForRead(process, files.active), TypeError, "a file with 2 hard links");
});

Deno.test("LogDirectory opens a file even while the process that creates the file removes its temporary name", () => {
  for (const access of ["open", "openForAppend"] as const) {
    for (let calls = 0, isReached = true; isReached; calls++) {
      const disk = diskWith({ [files.active]: "a\n" });
      const process = disk.process();
      const creator = disk.process();
      creator.link(files.active, TEMPORARY);
      isReached = false;
      process.onCall = ({ index }) => {
        if (index !== calls) return;
        isReached = true;
        if (disk.snapshot()[TEMPORARY] !== undefined) creator.remove(TEMPORARY);
      };
      const opened = logOn(process)[access](files.active);
      (opened !== null && "handle" in opened ? opened.handle : opened)?.close();
      assert(opened !== null);
    }
  }
});

Deno.test("LogDirectory.openForAppend() completes an interrupted creation by removing the temporary name", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  const process = disk.process();
  process.link(files.active, TEMPORARY);
  logOn(process).openForAppend(files.active).handle.close();
  assertEquals(namesOn(disk), ["audit.jsonl"]);
});

Deno.test("LogDirectory opens a file whose temporary name it may not remove, even after a rotation has renamed the file", () => {
  const disk = diskWith({ [files.active]: "a\n" });
  disk.process().link(files.active, TEMPORARY);
  const process = disk.process();
  process.failOn(({ name }) => name === "remove", systemErrors.EACCES, 1);
  logOn(process).openForAppend(files.active).handle.close();
  assertEquals(namesOn(disk), [files.active, TEMPORARY].map((path) => basename(path)));
  const [stamp] = STAMPS;
  process.rename(files.active, files.sealed(stamp));
  const sealed = logOn(process).openSealed(stamp);
  assert(sealed !== null);
  sealed.close();
});

Deno.test("AuditLog.open() by the owner, during any file system call of a rotation by root, keeps the group and mode of the log", async () => {
  const path = files.active;
  for (let call = 0, isReached = true; isReached; call++) {
    const disk = diskWith({ [path]: "" });
    disk.setOwnership(files.directory, { ...SERVICE, mode: 0o700 });
    disk.setOwnership(path, { uid: 1000, gid: 4, mode: 0o640 });
    const root = disk.process(ROOT_USER);
    const openAs = (fileSystem: SimulatedProcess) =>
      openLogOn({ fileSystem, clock: new SimulatedClock() }, { path, logger: silent });
    const log = await openAs(root);
    await log.recovery;
    await log.log("nav");
    const first = root.calls.length;
    let opening: Promise<AuditLog> | undefined;
    root.onCall = ({ index }) => {
      if (index === first + call) opening = openAs(disk.process(SERVICE));
    };
    await log.rotate();
    isReached = opening !== undefined;
    const service = await opening;
    await service?.log("nav");
    assertEquals(disk.ownershipOf(path), { uid: 1000, gid: 4, mode: 0o640 }, `call ${call}`);
    await Promise.all([log.close(), service?.close()]);
  }
});
