/**
 * Workloads that import files. They compare the speed with that of logging the same events, and measure the memory.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { median } from "./row.ts";
import { atLeast, atMost, mebibytes, shownRate, type Workload } from "./workload.ts";

const EVENTS = 1_000_000;
/** Number of events of a file of 1 GB. */
const GIGABYTE_EVENTS = 6_300_000;

const importing: Workload = {
  id: "I1",
  name: "import of JSON lines",
  area: "append",
  async run(stage) {
    const events = stage.scaled(EVENTS);
    const sourcePath = stage.newLog();
    const source = join(dirname(sourcePath), "source.jsonl");
    await stage.run("import", { workload: "writeSource", path: sourcePath, source, events });
    const rateOf = async (workload: string, instance: number) => {
      const path = stage.newLog();
      const outcome = await stage.run("import", { workload, path, source, events }, instance);
      await stage.checkLines(path, events);
      stage.removeLog(path);
      return events / outcome.elapsedMs! * 1_000;
    };
    const race = await stage.raceOf(() => rateOf("importFile", 0), () => rateOf("logAll", 1));
    const memoryOf = async (count: number) => {
      await stage.run("import", {
        workload: "writeSource",
        path: sourcePath,
        source,
        events: count,
      });
      const path = stage.newLog();
      const round = { workload: "importFile", path, source, events: count };
      const { grownBytes = NaN } = await stage.runOnce("import", round);
      await stage.checkLines(path, count);
      stage.removeLog(path);
      return mebibytes(grownBytes);
    };
    stage.progress("memory");
    const small = await memoryOf(stage.scaled(GIGABYTE_EVENTS / 10));
    const large = await memoryOf(stage.scaled(GIGABYTE_EVENTS));
    stage.removeLog(sourcePath);
    return [
      {
        id: "I1",
        name: "import of JSON lines / un-awaited calls",
        unit: "x",
        target: atLeast(0.3),
        samples: race.ratios,
        note: `${shownRate(median(race.ours))} to ${shownRate(median(race.theirs))}`,
      },
      {
        id: "I1",
        name: "import of 1 GB of JSON lines, memory beyond that of 100 MB",
        unit: "MiB",
        target: atMost(64),
        samples: [large - small],
        note: `${small.toFixed(0)} to ${large.toFixed(0)} MiB`,
      },
    ];
  },
};

/** The workloads of imports. */
export const importWorkloads: readonly Workload[] = [importing];
