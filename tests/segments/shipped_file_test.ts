import { removeTemporary } from "../../src/platform/temporary_file.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename } from "@std/path";
import { OwnershipError } from "../../src/platform/ownership.ts";
import {
  createShipped,
  readShipped,
  type Received,
  receivedByAll,
  recordReceived,
  removeUnfinishedShipped,
} from "../../src/segments/shipped_file.ts";
import {
  notPermitted,
  ROOT_USER,
  SERVICE,
  type SimulatedDisk,
  type SimulatedProcess,
  systemErrors,
} from "../faults/simulated_disk.ts";
import { SimulatedClock } from "../platform.ts";
import { claim, diskWith, files, logOn, LogProcess, namesOn, STAMPS } from "./log_on_disk.ts";

const ARCHIVES = STAMPS.map((stamp) => basename(files.archive(stamp)));
const TS = "2026-02-13T14:30:23.000Z";

/** Returns the line of a fleet in `audit.shipped.jsonl`. The fleet has received the first `archives` archives. */
function received(fleet: string, archives: number): Received {
  const archive = archives === 0 ? null : ARCHIVES[archives - 1]!;
  return { stream: "AUDIT", fleet, log: "a", archive, position: 100 * archives, ts: TS };
}

function textOf(...lines: readonly Received[]): string {
  return lines.map((line) => `${JSON.stringify({ v: 1, ...line })}\n`).join("");
}

/** Calls `recordReceived()` with the line in a process. */
function record(
  process: SimulatedProcess,
  line: Received,
  clock = new SimulatedClock(),
): Promise<void> {
  const { signal } = new AbortController();
  return recordReceived(logOn(process), line, { clock, signal });
}

function read(disk: SimulatedDisk) {
  return readShipped(logOn(disk.process()));
}

Deno.test("recordReceived() writes one line per fleet, and keeps the lines of other fleets", async () => {
  const disk = diskWith({ [files.shipped]: "" });
  const steps: [line: Received, lines: Received[]][] = [
    [received("f", 0), [received("f", 0)]],
    [received("g", 2), [received("f", 0), received("g", 2)]],
    [received("f", 1), [received("g", 2), received("f", 1)]],
    [received("g", 3), [received("f", 1), received("g", 3)]],
    [received("g", 0), [received("f", 1), received("g", 0)]],
  ];
  for (const [line, lines] of steps) {
    await record(disk.process(), line);
    assertEquals(disk.snapshot()[files.shipped], textOf(...lines));
    const durable = disk.afterPowerLoss(() => false).snapshot()[files.shipped];
    assertEquals(durable, textOf(...lines));
    assertEquals(read(disk), { fleets: lines.map((each) => ({ v: 1, ...each })), damage: null });
  }
  assertEquals(namesOn(disk), ["audit.shipped.jsonl"]);
});

Deno.test("recordReceived() distinguishes fleets by the names of stream, fleet and log", async () => {
  const disk = diskWith({ [files.shipped]: "" });
  const lines = [{}, { stream: "OTHER" }, { fleet: "g" }, { log: "b" }]
    .map((names) => ({ ...received("f", 1), ...names }));
  for (const line of lines) await record(disk.process(), line);
  assertEquals(disk.snapshot()[files.shipped], textOf(...lines));
});

Deno.test("recordReceived() writes nothing if audit.shipped.jsonl does not exist, or if its signal is aborted", async () => {
  const disk = diskWith({});
  await record(disk.process(), received("f", 1));
  assertEquals(disk.snapshot(), {});
  disk.writeFile(files.shipped, "");
  const clock = new SimulatedClock();
  const recording = { clock, signal: AbortSignal.abort() };
  await recordReceived(logOn(disk.process()), received("f", 1), recording);
  assertEquals(disk.snapshot(), { [files.shipped]: "" });
});

Deno.test("receivedByAll() returns the time in the name of the newest archive that every fleet has received", () => {
  const cases: [lines: Received[], stamp: string | null][] = [
    [[], null],
    [[received("f", 2)], STAMPS[1]],
    [[received("f", 3), received("g", 1), received("h", 2)], STAMPS[0]],
    [[received("f", 3), received("g", 0)], null],
  ];
  for (const [lines, stamp] of cases) {
    const disk = diskWith({ [files.shipped]: textOf(...lines) });
    assertEquals(receivedByAll(read(disk), logOn(disk.process())), stamp);
  }
  const disk = diskWith({});
  assertEquals([read(disk), receivedByAll(null, logOn(disk.process()))], [null, null]);
});

const LINE = textOf(received("f", 3));
const member = (name: string, value: unknown) =>
  `${JSON.stringify({ ...JSON.parse(LINE), [name]: value })}\n`;
const DAMAGED: [what: string, content: string | Uint8Array, damage: string][] = [
  ["a torn line", LINE.slice(0, -1), "line 1 is invalid"],
  ["half a line after a line", LINE + LINE.slice(0, 40), "line 2 is invalid"],
  ["a line of NULs", `${LINE}${"\0".repeat(64)}\n`, "line 2 is invalid"],
  ["an empty line", `\n${LINE}`, "line 1 is invalid"],
  ["two lines of a fleet", LINE + LINE, "line 2 is invalid"],
  ["a line that is not an object", `42\n${LINE}`, "line 1 is invalid"],
  ["null", "null\n", "line 1 is invalid"],
  ["another version", member("v", 2), "line 1 is invalid"],
  ["a name with an escape sequence", member("fleet", "\x1b[2J"), "line 1 is invalid"],
  ["a log that is not a text", member("log", 5), "line 1 is invalid"],
  [
    "an archive of another log",
    member("archive", "b_20260213_143021.jsonl.gz"),
    "line 1 is invalid",
  ],
  [
    "an archive that is a segment",
    member("archive", "audit_20260213_143021.jsonl"),
    "line 1 is invalid",
  ],
  ["a negative position", member("position", -1), "line 1 is invalid"],
  ["an invalid time", member("ts", "yesterday"), "line 1 is invalid"],
  ["bytes that are not UTF-8", new Uint8Array([0xff, 0x0a]), "the file is not UTF-8"],
  ["more bytes than it may have", "x".repeat(600_000), "the file has more than 524288 bytes"],
];
for (const [what, content, damage] of DAMAGED) {
  Deno.test(`readShipped() reads ${what} as damage: nothing counts as received, and recordReceived() rejects`, async () => {
    const disk = diskWith({ [files.shipped]: content });
    const lines = read(disk);
    assertEquals([lines?.damage, receivedByAll(lines, logOn(disk.process()))], [damage, null]);
    const before = disk.snapshot();
    await assertRejects(() => record(disk.process(), received("g", 1)), Error, damage);
    assertEquals(disk.snapshot(), before);
  });
}

for (const kind of ["directory", "symlink", "other"] as const) {
  Deno.test(`readShipped() reports damage if a file of kind ${kind} is at the path of audit.shipped.jsonl`, () => {
    const disk = diskWith({});
    disk.plant(files.shipped, kind);
    assert(read(disk)?.damage?.includes("the path "), read(disk)?.damage ?? "none");
  });
}

for (const [errno, error] of Object.entries(systemErrors)) {
  Deno.test(`readShipped() does not throw if a call fails with ${errno}`, () => {
    const disk = diskWith({ [files.shipped]: LINE });
    for (const name of ["status", "open", "read"] as const) {
      const process = disk.process();
      process.failOn((call) => call.name === name, error);
      const lines = readShipped(logOn(process));
      assertEquals(receivedByAll(lines, logOn(disk.process())), null);
      assertEquals(process.openHandles, 0);
    }
  });
}

/** Removes the files that killed shippers left behind, as recovery does. */
async function recover(disk: SimulatedDisk): Promise<void> {
  const process = disk.process();
  const log = logOn(process);
  for (const path of (await log.leftovers()).temporaries) removeTemporary(process, path);
  removeUnfinishedShipped(log);
}

/** Returns a disk whose `audit.shipped.jsonl` has the lines of two fleets. */
function diskOfTwo(): SimulatedDisk {
  return diskWith({ [files.shipped]: textOf(received("f", 1), received("g", 2)) });
}

Deno.test("recordReceived() leaves the old lines or the new ones if it is killed, or the power fails, at any call", async () => {
  const before = textOf(received("f", 1), received("g", 2));
  const after = textOf(received("g", 2), received("f", 3));
  const dryRun = diskOfTwo().process();
  await record(dryRun, received("f", 3));
  const seen = new Set<string>();
  for (let at = 0; at <= dryRun.calls.length; at++) {
    for (const when of ["before", "after"] as const) {
      const disk = diskOfTwo();
      const process = disk.process();
      process.killAt(at, when);
      await record(process, received("f", 3)).catch(() => {});
      const states = [
        disk.afterKill(),
        ...[true, false].map((isKept) => disk.afterPowerLoss(() => isKept)),
        disk.afterPowerLoss(({ kind }) => kind !== "append"),
        disk.afterPowerLoss(({ kind }) => kind === "rename"),
      ];
      for (const state of states) {
        const text = String(state.snapshot()[files.shipped]);
        seen.add(text);
        assert(text === before || text === after, `${when} call ${at}: ${text}`);
        // The files of the killed shipper do not prevent the next shipper from recording its line, and recovery removes
        // them.
        const copy = state.afterKill();
        await record(copy.process(), received("f", 3));
        assertEquals(copy.snapshot()[files.shipped], after);
        for (const each of [copy, state]) {
          await recover(each);
          assertEquals(namesOn(each), ["audit.shipped.jsonl"]);
        }
      }
    }
  }
  assertEquals(seen, new Set([before, after]));
});

Deno.test("recordReceived() keeps the lines of other fleets if a call fails, and recovery removes its temporary files", async () => {
  const before = textOf(received("f", 1), received("g", 2));
  const dryRun = diskOfTwo().process();
  await record(dryRun, received("f", 3));
  const published = dryRun.calls.findIndex(({ name }) => name === "rename");
  for (const [errno, error] of Object.entries(systemErrors)) {
    for (let at = 0; at <= published; at++) {
      const disk = diskOfTwo();
      const process = disk.process();
      process.failOn(({ index }) => index === at, error);
      const isRejected = await record(process, received("f", 3)).then(() => false, () => true);
      assertEquals(process.openHandles, 0, `${errno} at call ${at}`);
      const text = String(disk.snapshot()[files.shipped]);
      if (isRejected) assertEquals(text, before, `${errno} at call ${at}`);
      assert(text.includes('"g"'), `${errno} at call ${at}: ${text}`);
      await recover(disk);
      assertEquals(namesOn(disk), ["audit.shipped.jsonl"]);
    }
  }
});

Deno.test("recordReceived() waits while another shipper writes, and rejects after 10 seconds", async () => {
  const disk = diskOfTwo();
  const other = disk.process();
  claim(other, files.recording);
  let nowMs = 0;
  let onWait = () => {};
  const clock = new class extends SimulatedClock {
    override monotonicMs = () => nowMs;
    override wait = (delayMs: number) => {
      nowMs += delayMs;
      onWait();
      return Promise.resolve();
    };
  }();
  await assertRejects(() => record(disk.process(), received("f", 3), clock), Error, "for 10 s");
  assertEquals(removeUnfinishedShipped(logOn(disk.process())), []);
  onWait = () => other.kill();
  await record(disk.process(), received("f", 3), clock);
  assertEquals(disk.snapshot(), {
    [files.shipped]: textOf(received("g", 2), received("f", 3)),
  });
});

Deno.test("recordReceived() of two shippers at the same time keeps the lines of both", async () => {
  const disk = diskWith({ [files.shipped]: "" });
  const clock = new SimulatedClock();
  clock.wait = () => Promise.resolve();
  await Promise.all(
    [1, 2, 3].flatMap((archives) =>
      ["f", "g", "h"].map((fleet) => record(disk.process(), received(fleet, archives), clock))
    ),
  );
  const { fleets = [], damage } = read(disk) ?? {};
  assertEquals([fleets.map(({ fleet }) => fleet).sort(), damage], [["f", "g", "h"], null]);
  assertEquals(namesOn(disk), ["audit.shipped.jsonl"]);
});

Deno.test("createShipped() and recordReceived() keep the owner, the group and the mode of the log", async () => {
  const disk = diskWith({ [files.active]: "{}\n" }, "POSIX");
  const ownership = { ...SERVICE, mode: 0o640 };
  disk.setOwnership(files.active, ownership);
  await createShipped(logOn(disk.process(ROOT_USER)));
  assertEquals(disk.afterPowerLoss(() => false).snapshot()[files.shipped], "");
  assertEquals(disk.ownershipOf(files.shipped), ownership);
  // An administrator lets further users read the file.
  disk.setOwnership(files.shipped, { ...SERVICE, mode: 0o644 });
  await record(disk.process(ROOT_USER), received("f", 1));
  assertEquals(disk.ownershipOf(files.shipped), { ...SERVICE, mode: 0o644 });
  const process = disk.process(ROOT_USER);
  process.failOn(({ name }) => name === "setOwnership", notPermitted, Infinity);
  const before = disk.snapshot();
  await assertRejects(() => record(process, received("f", 2)), OwnershipError);
  assertEquals(disk.snapshot(), before);
});

Deno.test("AuditLog.open() removes what a killed shipper left behind", async () => {
  const disk = diskOfTwo();
  const process = disk.process();
  const calls = disk.afterKill().process();
  await record(calls, received("f", 3));
  process.killAt(calls.calls.findIndex(({ name }) => name === "rename"), "before");
  await record(process, received("f", 3)).catch(() => {});
  const left = ["audit.shipped.jsonl.tmp", "audit.shipped.jsonl.tmp.lock"];
  assertEquals(namesOn(disk), ["audit.shipped.jsonl", ...left]);
  const { removed } = await new LogProcess(disk).recover();
  assertEquals([removed, namesOn(disk)], [left, ["audit.shipped.jsonl"]]);
});
