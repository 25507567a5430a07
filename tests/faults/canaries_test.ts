/**
 * Plants faults between a log and its disk, to prove that each harness detects them and reports them with the right
 * kind.
 *
 * @module
 */
import { assert } from "@std/assert";
import { RULES } from "../rules.ts";
import { freshSeed } from "../seeded_random.ts";
import { errorsOf } from "./errors.ts";
import type { FaultKind, Findings, Harness } from "./harness.ts";
import {
  dropsOneSync,
  forgesRollups,
  forgetsSpans,
  hidesAppendErrors,
  keepsFiles,
  removesTooEarly,
  skipsDirectorySyncs,
  stale,
  writesBehind,
} from "./planted_faults.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { powerLossOf } from "./power_loss.ts";
import { withoutLastEvent } from "./rollup_bytes.ts";
import { simulatedKillsOf } from "./simulated_kills.ts";
import { PATH, type Plant, prunedSpans } from "./workloads.ts";

/**
 * The scale of a whole campaign. A run takes less time, because it ends as soon as the harness has found the planted
 * fault.
 */
const SCALE = 1;

const dropOneSync: Plant = (disk) => dropsOneSync(disk, PATH);
const writeBehind: Plant = (disk) => writesBehind(disk, PATH);
const hideAppendErrors: Plant = (disk) => hidesAppendErrors(disk, PATH);

const { manifest } = new LogFiles(PATH);
const forgetSpans: Plant = (disk) => forgetsSpans(disk, manifest);
const omitEvents: Plant = (disk) =>
  forgesRollups(disk, manifest, (_rollup, raw) => withoutLastEvent(raw));
const writeStale: Plant = (disk) => forgesRollups(disk, manifest, stale());

/**
 * The planted faults, each with the harness that must find it, and with the kind and a part of the text of the finding.
 */
const CANARIES: [fault: string, harness: Harness, kind: FaultKind, text?: string][] = [
  ["one sync is left out", powerLossOf(dropOneSync), "lost"],
  ["directories are not synced", powerLossOf(skipsDirectorySyncs), "lost"],
  ["events are acknowledged before they are written", simulatedKillsOf(writeBehind), "lost"],
  ["segments are removed before their archives exist", simulatedKillsOf(removesTooEarly), "lost"],
  ["the log does not see errors of appends", errorsOf(hideAppendErrors), "lost"],
  [
    "the manifest (list of archives) does not state which spans began",
    simulatedKillsOf(forgetSpans, prunedSpans.name),
    "other",
    "unfinished spans",
  ],
  [
    "the rollup (sums) of an archive lacks an event",
    powerLossOf(omitEvents),
    "other",
    "stats() by",
  ],
  [
    "an archive has the rollup (sums) of an older archive",
    powerLossOf(writeStale),
    "other",
    "other content",
  ],
];
// Files on Windows have no owner, so this fault cannot be planted there.
if (RULES === "POSIX") {
  const fault = "files that root creates cannot be opened by the owner of the log";
  CANARIES.push([fault, simulatedKillsOf(keepsFiles), "other"]);
}

for (const [fault, harness, kind, text = ""] of CANARIES) {
  Deno.test(`The ${harness.name} harness finds the fault that ${fault}`, async () => {
    const seed = freshSeed();
    const isFound = (faults: Findings["faults"]) =>
      faults.some((fault) => fault.kind === kind && fault.text.includes(text));
    const { faults } = await harness.run({
      seed,
      scale: SCALE,
      onProgress() {},
      isEnough: isFound,
    });
    const kinds = faults.map((fault) => fault.kind);
    assert(isFound(faults), `seed ${seed}: found no fault of kind "${kind}", but: ${kinds}`);
  });
}
