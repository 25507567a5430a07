import { assert, assertEquals } from "@std/assert";
import {
  type PendingOperation,
  SimulatedDisk,
  type SimulatedProcess,
  systemErrors,
} from "./simulated_disk.ts";
import { checkRecovered, Ledger, openIn, work } from "./workload.ts";

function emptyDisk(): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  return disk;
}

/** Names of the segments that are not archived. */
function segmentsOn(disk: SimulatedDisk): string[] {
  return Object.keys(disk.snapshot()).filter((path) => /_\d{6}\.jsonl$/.test(path));
}

/** How many calls the workload makes when nothing happens to it. */
async function countCalls(): Promise<number> {
  const process = emptyDisk().process();
  const ledger = new Ledger();
  await work(process, ledger);
  assertEquals(ledger.durable.size, 12, "the workload does not run to its end");
  assertEquals(process.openHandles, 0);
  return process.calls.length;
}

/** Runs the workload up to its death at a call. */
async function killedAt(index: number, when: "before" | "after") {
  const disk = emptyDisk();
  const process = disk.process();
  const ledger = new Ledger();
  process.killAt(index, when);
  await work(process, ledger);
  assert(process.isKilled, `call ${index} never came`);
  const { name, path } = process.calls[index]!;
  return { disk, ledger, place: `killed ${when} call ${index}, ${name} ${path}` };
}

Deno.test("AuditLog loses and doubles nothing, whichever of its calls kills it, rotating and archiving", async () => {
  const calls = await countCalls();
  for (let index = 0; index < calls; index++) {
    for (const when of ["before", "after"] as const) {
      const { disk, ledger, place } = await killedAt(index, when);
      await within(place, () => checkRecovered(disk.afterKill(), ledger));
    }
  }
});

Deno.test("AuditLog that is open takes over from another one, whichever of its calls kills that", async () => {
  const calls = await countCalls();
  for (let index = 0; index < calls; index++) {
    const disk = emptyDisk();
    const survivor = disk.process();
    const log = await openIn(survivor);
    const process = disk.process();
    const ledger = new Ledger();
    process.killAt(index, index % 2 === 0 ? "before" : "after");
    await work(process, ledger);
    await within(`killed at call ${index}`, async () => {
      const before = ledger.acknowledged.size;
      await ledger.log(log);
      await log.rotate();
      assertEquals(ledger.acknowledged.size, before + 1, "the survivor does not go on");
      assertEquals(segmentsOn(disk), [], "the survivor leaves segments of the dead");
      await ledger.settle(log, "close");
      await checkRecovered(disk.afterKill(), ledger);
    });
  }
});

/** Which of the operations that no sync has covered the power loss keeps. */
const CHOICES: [what: string, choice: (at: number, count: number) => boolean][] = [
  ["none", () => false],
  ["all", () => true],
  ["the first half", (at, count) => at < count / 2],
  ["the second half", (at, count) => at >= count / 2],
  ["every other", (at) => at % 2 === 0],
  ["the last alone", (at, count) => at === count - 1],
  ["all but the last", (at, count) => at < count - 1],
  ["all but the first", (at) => at > 0],
];

Deno.test("AuditLog loses nothing durable, and few lines else, whenever the power goes, rotating and archiving", async () => {
  const calls = await countCalls();
  let states = 0;
  for (let index = 0; index < calls; index++) {
    const { disk, ledger, place } = await killedAt(index, "before");
    const count = disk.pending.length;
    const position = new Map(disk.pending.map(({ id }, at) => [id, at]));
    for (const [what, choice] of CHOICES) {
      for (const tear of [0, 0.5, 1]) {
        const keep = ({ id }: PendingOperation) => choice(position.get(id)!, count);
        const cut = disk.afterPowerLoss(keep, ({ bytes }) => Math.floor(tear * bytes.byteLength));
        states++;
        await within(
          `${place}, then the power went and kept ${what} of ${count}, torn at ${tear}`,
          () => checkRecovered(cut, ledger, { powerLost: true }),
        );
        if (count === 0) break;
      }
      if (count === 0) break;
    }
  }
  assert(states > 1_000, `only ${states} states`);
});

Deno.test("AuditLog recovers when recovery itself is killed at any of its calls", async () => {
  const calls = await countCalls();
  // Deaths that leave something to recover: a torn tail, a segment, half an archive, both.
  for (let index = 0; index < calls; index += 5) {
    const { disk, ledger, place } = await killedAt(index, "after");
    for (let at = 0, ended = false; !ended; at++) {
      const crashed = disk.afterKill();
      const process = crashed.process();
      process.killAt(at, at % 2 === 0 ? "before" : "after");
      const log = await openIn(process).catch(() => undefined);
      await log?.close().catch(() => {});
      ended = !process.isKilled;
      await within(
        `${place}, recovery killed at call ${at}`,
        () => checkRecovered(crashed.afterKill(), ledger),
      );
    }
  }
});

const ERRORS = Object.entries(systemErrors);

Deno.test("AuditLog loses and doubles nothing whichever of its calls fails, once, rotating and archiving", async () => {
  const calls = await countCalls();
  for (let index = 0; index < calls; index++) {
    const [errno, error] = ERRORS[index % ERRORS.length]!;
    const disk = emptyDisk();
    const process = disk.process();
    const ledger = new Ledger();
    process.failOn((call) => call.index === index, error);
    await work(process, ledger);
    const { name, path } = process.calls[index]!;
    await within(
      `${errno} at call ${index}, ${name} ${path}`,
      () => checkFailed({ disk, process, ledger }),
    );
  }
});

Deno.test("AuditLog loses and doubles nothing whichever kind of call fails for ever, from any one on", async () => {
  const calls = await countCalls();
  for (let index = 0; index < calls; index++) {
    const [errno, error] = ERRORS[index % ERRORS.length]!;
    const disk = emptyDisk();
    const process = disk.process();
    const ledger = new Ledger();
    let failing: string | undefined;
    process.failOn(
      (call) => {
        if (call.index === index) failing = call.name;
        return call.name === failing;
      },
      error,
      Infinity,
    );
    await work(process, ledger);
    await within(
      `${errno} from call ${index} on, at each ${failing}`,
      () => checkFailed({ disk, process, ledger }),
    );
  }
});

/** Checks what a process left that met errors, as it is and after a power loss that keeps nothing more. */
async function checkFailed(
  { disk, process, ledger }: { disk: SimulatedDisk; process: SimulatedProcess; ledger: Ledger },
): Promise<void> {
  assertEquals(process.openHandles, 0, "handles are left open");
  await checkRecovered(disk.afterKill(), ledger);
  await checkRecovered(disk.afterPowerLoss(() => false), ledger, { powerLost: true });
}

async function within(place: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    throw new Error(place, { cause: error });
  }
}
