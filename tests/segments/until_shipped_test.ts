import { assert, assertEquals } from "@std/assert";
import { basename, resolve } from "@std/path";
import { openLogOn } from "../../src/audit_log.ts";
import type { RetentionPolicy, UntilShippedPolicy } from "../../src/options/log_options.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import { sampledTest } from "../extent.ts";
import type { SimulatedDisk, SimulatedProcess } from "../faults/simulated_disk.ts";
import { gathering } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";
import { SeededRandom } from "../seeded_random.ts";
import { diskWith, files, logOn, namesOn } from "./log_on_disk.ts";

const NOW_MS = Date.UTC(2026, 1, 13, 12);
const WIDE = { maxBytes: 1e9 };
/** Keeps two archives, and also archives that a fleet has not received yet. */
const KEEP_TWO: RetentionPolicy = { maxArchives: 2, untilShipped: WIDE };

/** Opens the log with a retention policy, and closes it after recovery. Resolves with the pruned archives. */
async function opened(
  process: SimulatedProcess,
  retention: RetentionPolicy = KEEP_TWO,
  { now = NOW_MS, segments = 0 } = {},
): Promise<{ pruned: readonly string[]; warnings: string[] }> {
  const { logger, warnings } = gathering();
  const log = await openLogOn({ fileSystem: process, clock: new SimulatedClock() }, {
    path: files.active,
    now: () => now,
    logger,
    retention,
  });
  try {
    const { pruned } = await log.recovery;
    for (let n = 0; n < segments; n++) {
      await log.log("nav", { n });
      await log.rotate();
    }
    return { pruned, warnings };
  } finally {
    await log.close();
  }
}

/** Returns a disk with a log of five archives. */
async function diskOfFive(content: Record<string, string> = {}): Promise<SimulatedDisk> {
  const disk = diskWith(content);
  await opened(disk.process(), {}, { segments: 5 });
  return disk;
}

function archivesOn(disk: SimulatedDisk): string[] {
  return namesOn(disk).filter((name) => name.endsWith(".gz"));
}

/**
 * Returns the text of `audit.shipped.jsonl` if each fleet has received the number of archives that `received` states.
 */
function shipped(archives: readonly string[], received: Readonly<Record<string, number>>): string {
  return Object.entries(received).map(([fleet, count]) => {
    const archive = count === 0 ? null : archives[count - 1];
    const ts = new Date(NOW_MS).toISOString();
    return `${
      JSON.stringify({ v: 1, stream: "AUDIT", fleet, log: "a", archive, position: 0, ts })
    }\n`;
  }).join("");
}

/**
 * Returns a disk with a log of five archives. Each fleet has received the number of archives that `received` states.
 */
async function diskShippedTo(received: Readonly<Record<string, number>>): Promise<SimulatedDisk> {
  const disk = await diskOfFive();
  disk.writeFile(files.shipped, shipped(archivesOn(disk), received));
  return disk;
}

Deno.test("AuditLog creates an empty audit.shipped.jsonl, but only if retention has untilShipped", async () => {
  const disk = await diskOfFive();
  await opened(disk.process(), { maxArchives: 5 });
  assert(!namesOn(disk).includes(basename(files.shipped)));
  await opened(disk.process(), { maxArchives: 5, untilShipped: WIDE });
  assertEquals(disk.snapshot()[files.shipped], "");
  assertEquals(disk.ownershipOf(files.shipped), disk.ownershipOf(files.active));
});

Deno.test("AuditLog deletes only archives that every fleet has received", async () => {
  for (
    const [received, deleted] of [
      [{}, 0],
      [{ f: 0 }, 0],
      [{ f: 2 }, 2],
      [{ f: 5 }, 3],
      [{ f: 5, g: 1 }, 1],
      [{ f: 5, g: 0, h: 3 }, 0],
      [{ f: 4, g: 5, h: 3 }, 3],
    ] as const
  ) {
    const disk = await diskShippedTo(received);
    const before = archivesOn(disk);
    const { pruned, warnings } = await opened(disk.process());
    assertEquals([pruned, warnings], [before.slice(0, deleted), []], JSON.stringify(received));
    assertEquals(archivesOn(disk), before.slice(deleted));
  }
});

Deno.test("AuditLog keeps an archive until the fleet has received it, and deletes it after the next rotation", async () => {
  const disk = await diskShippedTo({ f: 0 });
  const before = archivesOn(disk);
  await opened(disk.process(), KEEP_TWO, { segments: 1 });
  assertEquals(archivesOn(disk).length, 6);
  disk.writeFile(files.shipped, shipped(archivesOn(disk), { f: 6 }));
  await opened(disk.process(), KEEP_TWO, { segments: 1 });
  assertEquals(archivesOn(disk).filter((name) => before.includes(name)), before.slice(5));
  assertEquals(archivesOn(disk).length, 2);
});

Deno.test("AuditLog deletes an archive that waits for shippers if a limit is exceeded, and warns once per fleet", async () => {
  const names = (archives: readonly string[], fleets: readonly string[]) =>
    fleets.map((fleet) =>
      "An archive is deleted before it is shipped, because a limit of retention.untilShipped is exceeded: " +
      `fleet ${fleet} has not received it as log a in stream AUDIT; the fleet will miss 1 line of ${
        archives[0]
      }, and those of later archives that are deleted before they are shipped: ${
        resolve(files.active)
      }`
    );
  const limits: [untilShipped: UntilShippedPolicy, now: number][] = [
    [{ maxBytes: 0 }, NOW_MS],
    [{ maxAgeSec: 60 }, NOW_MS + 3_600_000],
    [{ maxAgeSec: 60, maxBytes: 1e9 }, NOW_MS + 3_600_000],
  ];
  for (const [untilShipped, now] of limits) {
    const disk = await diskShippedTo({ f: 1, g: 5, h: 1 });
    const before = archivesOn(disk);
    const retention = { maxArchives: 2, untilShipped };
    const { pruned, warnings } = await opened(disk.process(), retention, { now });
    assertEquals([pruned, archivesOn(disk)], [before.slice(0, 3), before.slice(3)]);
    assertEquals(warnings, names(before.slice(1), ["f", "h"]));
    const { pruned: recorded } = new ManifestReader(logOn(disk.process())).read();
    assertEquals([...recorded.keys()], before.slice(0, 3));
  }
});

Deno.test("AuditLog warns again if a fleet has received more archives since the last warning, and later archives are deleted before it receives them", async () => {
  const disk = await diskShippedTo({ f: 1 });
  const { logger, warnings } = gathering();
  const log = await openLogOn({ fileSystem: disk.process(), clock: new SimulatedClock() }, {
    path: files.active,
    now: () => NOW_MS,
    logger,
    retention: { maxArchives: 2, untilShipped: { maxBytes: 0 } },
  });
  await log.recovery;
  const rotateTwice = async () => {
    for (let n = 0; n < 2; n++) {
      await log.log("nav", { n });
      await log.rotate();
    }
  };
  await rotateTwice();
  assertEquals(warnings.length, 1);
  disk.writeFile(files.shipped, shipped(archivesOn(disk), { f: 1 }));
  await rotateTwice();
  await log.close();
  assertEquals(warnings.length, 2);
});

const UNKNOWN: [what: string, content: string, warning: string][] = [
  ["is empty", "", "no shipper has reached its fleet yet"],
  ["is torn", '{"v":1,"stre', "line 1 is invalid"],
  ["has a damaged line after the line of a fleet", "DAMAGED", "line 2 is invalid"],
];
for (const [what, content, reason] of UNKNOWN) {
  Deno.test(`AuditLog keeps all archives within the limits of untilShipped if audit.shipped.jsonl ${what}`, async () => {
    const disk = await diskShippedTo({ f: 5 });
    const before = archivesOn(disk);
    disk.writeFile(
      files.shipped,
      content === "DAMAGED" ? `${shipped(before, { f: 5 })}{"v":1,\n` : content,
    );
    assertEquals((await opened(disk.process())).pruned, []);
    const { pruned, warnings } = await opened(disk.process(), {
      maxArchives: 2,
      untilShipped: { maxBytes: 0 },
    });
    assertEquals(pruned, before.slice(0, 3));
    assert(warnings.at(-1)!.includes(reason), `${warnings}`);
    // One warning reports the deleted archives. If audit.shipped.jsonl is damaged, another warning reports the damage.
    assertEquals(warnings.length, content === "" ? 1 : 2);
  });
}

Deno.test("AuditLog keeps all archives within the limits of untilShipped if audit.shipped.jsonl cannot be read or created", async () => {
  for (const kind of ["directory", "symlink", "other"] as const) {
    const disk = await diskOfFive();
    disk.plant(files.shipped, kind);
    const { pruned, warnings } = await opened(disk.process());
    assertEquals([pruned, warnings.length], [[], 1]);
    assertEquals(
      (await opened(disk.process(), { maxArchives: 2, untilShipped: { maxBytes: 0 } })).pruned
        .length,
      3,
    );
  }
  const disk = await diskOfFive();
  const process = disk.process();
  const isOfFile = ({ path }: { path: string }) => path.startsWith(files.shipped);
  process.failOn(isOfFile, () => new Deno.errors.PermissionDenied("EACCES"), Infinity);
  const { pruned, warnings } = await opened(process, {
    maxArchives: 2,
    untilShipped: { maxBytes: 0 },
  });
  assertEquals(pruned.length, 3);
  assert(
    warnings.some((text) => text.startsWith("Cannot create file for shippers")),
    `${warnings}`,
  );
});

await sampledTest(
  "AuditLog deletes no archive that a fleet has not received if it is killed, or the power fails, at any call",
  1 / 4,
  async (extent) => {
    const stage = () => diskShippedTo({ f: 2, g: 4 });
    const dryRun = (await stage()).process();
    await opened(dryRun, KEEP_TWO, { segments: 1 });
    const before = archivesOn(await stage());
    const random = new SeededRandom(extent.seed);
    for (let at = 0; at <= dryRun.calls.length; at++) {
      if (!extent.isDrawn()) continue;
      const disk = await stage();
      const process = disk.process();
      process.killAt(at, at % 2 === 0 ? "before" : "after");
      await opened(process, KEEP_TWO, { segments: 1 }).catch(() => {});
      for (const after of [disk.afterKill(), disk.afterPowerLoss(() => random.below(2) === 0)]) {
        const { pruned } = await opened(after.process());
        const left = archivesOn(after).filter((name) => before.includes(name));
        assertEquals(left, before.slice(2), `call ${at}, pruned ${pruned}`);
      }
    }
  },
);
