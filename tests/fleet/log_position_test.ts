import { assert, assertEquals } from "@std/assert";
import { openLogOn } from "../../src/audit_log.ts";
import { PositionedLog } from "../../src/fleet/log_position.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";

const PATH = "/log/audit.jsonl";

/** Logs ten events and rotates. Does not reject if the test kills the process in the meantime. */
async function rotate(process: SimulatedProcess): Promise<void> {
  const platform = { fileSystem: process, clock: new SimulatedClock() };
  const options = { path: PATH, sessionId: "s", logger: silent, now: () => 0 };
  try {
    const log = await openLogOn(platform, options);
    for (let n = 0; n < 10; n++) await log.log("nav", { n });
    await log.rotate();
    await log.close();
  } catch (error) {
    if (!process.isKilled) throw error;
  }
}

/** Returns the bytes of the log as a shipper reads them. */
async function shippedBytes(disk: SimulatedDisk): Promise<string> {
  const directory = new LogDirectory(disk.process(), PATH);
  const log = new PositionedLog(directory, new SimulatedClock());
  const snapshot = await log.snapshot(new AbortController().signal);
  try {
    const parts = await Array.fromAsync(snapshot.bytes(0));
    return parts.map(({ bytes }) => new TextDecoder().decode(bytes)).join("");
  } finally {
    snapshot[Symbol.dispose]();
  }
}

Deno.test("PositionedLog reads every byte of a log whose writer dies at any call of a rotation", async () => {
  const whole = new SimulatedDisk();
  const dryRun = whole.process();
  await rotate(dryRun);
  const expected = await shippedBytes(whole);
  assertEquals(expected.trimEnd().split("\n").length, 10);
  const first = dryRun.calls.findIndex(({ name }) => name === "rename");
  assert(first > 0 && dryRun.calls.some(({ name }) => name === "link"));
  for (const { index, name } of dryRun.calls.slice(first)) {
    for (const when of ["before", "after"] as const) {
      const disk = new SimulatedDisk();
      const process = disk.process();
      process.killAt(index, when);
      await rotate(process);
      assertEquals(
        await shippedBytes(disk.afterKill()),
        expected,
        `${when} call ${index}, ${name}`,
      );
    }
  }
});
