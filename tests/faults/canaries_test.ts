/**
 * Each harness finds a fault that is planted between the log and its disk, and calls it by its name.
 *
 * @module
 */
import { assert } from "@std/assert";
import { errorsOf } from "./errors.ts";
import type { FaultKind, Harness } from "./harness.ts";
import {
  dropsOneSync,
  hidesAppendErrors,
  removesTooEarly,
  skipsDirectorySyncs,
  writesBehind,
} from "./planted_faults.ts";
import { powerLossOf } from "./power_loss.ts";
import { simulatedKillsOf } from "./simulated_kills.ts";
import { PATH } from "./workloads.ts";

/** A part of what a campaign tries is enough. */
const SCALE = 0.05;

const CANARIES: readonly [fault: string, harness: Harness, kind: FaultKind][] = [
  ["one sync is left out", powerLossOf((disk) => dropsOneSync(disk, PATH)), "lost"],
  ["directories are not synced", powerLossOf(skipsDirectorySyncs), "lost"],
  ["events are told of before they are written", simulatedKillsOf(behind), "lost"],
  [
    "segments are removed before their archives have a name",
    simulatedKillsOf(removesTooEarly),
    "lost",
  ],
  [
    "errors of appends are kept from the log",
    errorsOf((disk) => hidesAppendErrors(disk, PATH)),
    "lost",
  ],
];

function behind(disk: Parameters<typeof writesBehind>[0]) {
  return writesBehind(disk, PATH);
}

for (const [fault, harness, kind] of CANARIES) {
  Deno.test(`The harness of ${harness.name} finds out when ${fault}`, async () => {
    const { faults } = await harness.run({ seed: 1, scale: SCALE, onProgress() {} });
    const kinds = faults.map((found) => found.kind);
    assert(kinds.includes(kind), `nothing ${kind} is found, but ${kinds}`);
  });
}
