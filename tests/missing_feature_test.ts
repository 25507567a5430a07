/**
 * File systems that cannot sync directories, have no hard links or have no locks: CIFS, FUSE, exFAT and others. The log
 * works without the feature and warns once, or it does not open.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl, resolve } from "@std/path";
import { openLogOn } from "../src/audit_log.ts";
import { AuditWriteError } from "../src/errors.ts";
import { type CallName, missingFeatures, SimulatedDisk } from "./faults/simulated_disk.ts";
import { gathering } from "./loggers.ts";
import { SimulatedClock } from "./platform.ts";
import { testNeeding } from "./requirements.ts";
import { runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const LOGS_MANY = fromFileUrl(new URL("./programs/logs_many.ts", import.meta.url));
const PATH = "/log/audit.jsonl";
const ERRNOS = ["EINVAL", "ENOTSUP", "EPERM", "ENOLCK"] as const;

/** The features, with the system calls that need them and the warning of the log without them. */
const FEATURES = [
  ["syncDirectory", "fsync", /^The file system cannot sync directories, so a power loss may /],
  ["link", "link,linkat", /^The file system has no hard links, so a new archive may /],
] as const;

/** Returns a simulated disk on which every call `name` fails, and a process on this disk. */
function diskWithout(name: CallName, errno: typeof ERRNOS[number]) {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  const process = disk.process();
  process.failOn((call) => call.name === name, missingFeatures[errno], Infinity);
  return { disk, process, platform: { fileSystem: process, clock: new SimulatedClock() } };
}

for (const errno of ERRNOS) {
  for (const [name, calls, warning] of FEATURES) {
    Deno.test(`AuditLog works without ${name} (${errno}), and warns once`, async () => {
      const { disk, platform } = diskWithout(name, errno);
      const { logger, warnings, errors } = gathering();
      const log = await openLogOn(platform, { path: PATH, logger, rotationSizeBytes: 1_000 });
      for (let n = 0; n < 100; n++) await log.log("nav", { n });
      await log.flush();
      await log.rotate();
      assertEquals((await log.query().toArray()).length, 100);
      await log.close();
      assertEquals([errors, warnings.length], [[], 1]);
      assertMatch(warnings[0]!, warning);
      const names = Object.keys(disk.snapshot());
      assertEquals(names.filter((name) => /_\d+\.jsonl$|\.tmp$/.test(name)), []);
      assertEquals(names.filter((name) => name.endsWith(".gz")).length > 5, true);
    });

    await testNeeding(
      "strace",
      `AuditLog works on a system whose ${calls} fails with ${errno}, and warns once`,
      async () => {
        using dir = tempDir();
        const path = dir.path("audit.jsonl");
        const { acknowledged, told, failure } = await run(path, calls, errno);
        assertEquals({ acknowledged, failure }, { acknowledged: 26, failure: null });
        assertEquals(told.length, 1, told.join());
        assertMatch(told[0]!, warning);
        await using reader = await AuditReader.open(path);
        const events = await reader.query().toArray();
        assertEquals(events.map(({ n }) => n), Array.from({ length: 26 }, (_, n) => n));
        const archives = [...Deno.readDirSync(dir.path(""))]
          .filter(({ name }) => name.endsWith(".gz"));
        assertEquals(archives.length, 1);
      },
    );
  }

  Deno.test(`AuditLog.flush() rejects if files cannot be synced (${errno}), and suggests a local disk`, async () => {
    const { process, platform } = diskWithout("syncData", errno);
    const { logger } = gathering();
    const log = await openLogOn(platform, { path: PATH, logger, sessionId: "s" });
    await log.log("nav");
    const error = await assertRejects(() => log.flush(), AuditWriteError);
    assertEquals(error.phase, "sync");
    assertEquals(
      error.message,
      `Cannot make audit log durable: ${
        missingFeatures[errno]().message
      }; use a file system that can sync files, such as a local disk: ${resolve(PATH)}`,
    );
    await assertRejects(() => log.close(), AuditWriteError);
    assertEquals(process.openHandles, 0);
  });

  Deno.test(`AuditLog.open() rejects if files cannot be locked (${errno}), and names the lock file`, async () => {
    const { process, platform } = diskWithout("tryLock", errno);
    const { logger } = gathering();
    for (const sessionId of ["s", undefined]) {
      const options = { path: PATH, logger, ...sessionId === undefined ? {} : { sessionId } };
      const error = await assertRejects(() => openLogOn(platform, options), AuditWriteError);
      assertEquals(error.phase, "lock");
      assertEquals(
        error.message,
        `Cannot lock audit log: ${
          missingFeatures[errno]().message
        }; use a file system that supports locks, ` +
          `such as a local disk: ${resolve(PATH)}.lock`,
      );
    }
    assertEquals(process.openHandles, 0);
  });

  await testNeeding(
    "strace",
    `AuditLog.open() rejects on a system whose flock fails with ${errno}`,
    async () => {
      using dir = tempDir();
      const path = dir.path("audit.jsonl");
      const { acknowledged, failure } = await run(path, "flock", errno);
      assertEquals(acknowledged, 0);
      assertMatch(
        failure ?? "",
        /^AuditWriteError: Cannot lock audit log: .*; use a file system that supports locks, .*: \S+\.lock$/,
      );
    },
  );
}

/** Runs the program under strace, which lets the calls on the files of the log fail. */
async function run(
  path: string,
  calls: string,
  errno: string,
): Promise<{ acknowledged: number; told: string[]; failure: string | null }> {
  // On Linux, ENOTSUP and EOPNOTSUPP are the same number, and strace only accepts the name EOPNOTSUPP.
  const error = errno === "ENOTSUP" ? "EOPNOTSUPP" : errno;
  const directory = path.slice(0, path.lastIndexOf("/"));
  // Deno itself locks and syncs files in its cache, so only calls with paths of the log fail.
  const files = [directory, `${path}.lock`].flatMap((file) => ["-P", file]);
  const paths = calls.includes("link") ? [] : files;
  const { code, stdout, stderr } = await runProgram(LOGS_MANY, {
    dir: directory,
    args: [path],
    strace: [
      ...["-f", "-qq", "-o", "/dev/null", ...paths],
      ...["-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}`],
    ],
  });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}
