/**
 * Workloads that append events. Their speed is compared with that of loggers that never sync, and with that of a loop
 * that syncs as often as the log.
 *
 * @module
 */
import { SESSION_ID } from "./event.ts";
import { median, type Row, type Target } from "./row.ts";
import type { ContenderName, Race, Side, Stage } from "./stage.ts";
import { traceLength } from "./trace.ts";
import { atLeast, atMost, mebibytes, shownRate, type Workload } from "./workload.ts";

const RAW_LOOP = "raw loop, sync every 10 lines";
const PRODUCERS = 64;

function scout(workload: string, events: number, more: Record<string, number> = {}): Side {
  return { contender: "scout", workload, events, ...more };
}

function rawLoop(events: number, everyNLines: 1 | 10): Side {
  return { contender: "plain", workload: `appendSyncEvery${everyNLines}`, events };
}

function raceRow(
  { id, name, target }: { id: string; name: string; target: Target | null },
  { ratios, ours, theirs, syncs }: Race,
): Row {
  const rates = `${shownRate(median(ours))} to ${shownRate(median(theirs))}`;
  const note = syncs === undefined ? rates : `${rates}, ${syncs} syncs`;
  return { id, name, unit: "x", target, samples: ratios, note };
}

/** Returns a workload that compares the speed of two programs in alternating rounds. */
function race(
  { id, name, target }: { id: string; name: string; target: Target | null },
  sides: (stage: Stage) => { ours: Side; theirs: Side },
): Workload {
  return {
    id,
    name,
    area: "append",
    async run(stage) {
      const { ours, theirs } = sides(stage);
      return [raceRow({ id, name, target }, await stage.race(ours, theirs))];
    },
  };
}

function unawaitedAgainst(contender: ContenderName, peer: string, target: Target | null): Workload {
  return race({ id: "A1", name: `un-awaited calls / ${peer}`, target }, (stage) => {
    const events = stage.scaled(200_000);
    return {
      ours: scout("unawaited", events),
      theirs: { contender, workload: "unawaited", events },
    };
  });
}

/**
 * Returns a workload that logs the requests of a trace, which was recorded from a real load, with this library and with
 * pino.
 */
function trace(path: string): Workload {
  const name = "un-awaited calls, LLM trace / pino";
  return race({ id: "A1", name, target: null }, (stage) => {
    const events = traceLength(path) * stage.scaled(100);
    const load = { workload: "trace", events, trace: path };
    return {
      ours: { contender: "scout", ...load },
      theirs: { contender: "peers/pino", ...load },
    };
  });
}

const rotation: Workload = {
  id: "A5",
  name: "rotation and gzip",
  area: "append",
  async run(stage) {
    const ratios = await stage.race(scout("rotating", stage.scaled(1_260_000)), {
      contender: "peers/rotating_file_stream",
      workload: "rotating",
      events: stage.scaled(200_000),
    });
    const name = "rotation and gzip / rotating-file-stream";
    const bareBytes = await grownBytes(stage, "plain", { workload: "appendMemory" });
    return [
      raceRow({ id: "A5", name, target: atLeast(1.4) }, ratios),
      await memoryRow(stage, bareBytes, 10),
      await memoryRow(stage, bareBytes, 100),
    ];
  },
};

/**
 * Writes 1 GB in a new process, because memory that is already allocated would hide the growth. Resolves with the
 * growth in bytes.
 */
async function grownBytes(
  stage: Stage,
  contender: ContenderName,
  round: { readonly workload: string; readonly [name: string]: string | number },
): Promise<number> {
  stage.progress(`memory of ${contender}`);
  const side = { ...round, contender, events: stage.scaled(6_300_000) };
  return (await stage.writeOnce(side)).grownBytes!;
}

async function memoryRow(stage: Stage, bareBytes: number, segmentMebibytes: number): Promise<Row> {
  const bytes = await grownBytes(stage, "scout", {
    workload: "rotatingMemory",
    spanHours: 0,
    rotationSizeBytes: segmentMebibytes * 1024 * 1024,
  });
  return {
    id: "A5",
    name: `1 GB in ${segmentMebibytes} MiB segments, memory beyond that of a loop that writes it`,
    unit: "MiB",
    target: atMost(20),
    samples: [mebibytes(bytes - bareBytes)],
    note: `${mebibytes(bytes).toFixed(0)} to ${mebibytes(bareBytes).toFixed(0)} MiB`,
  };
}

const stalls: Workload = {
  id: "A6",
  name: "event-loop delay while archiving",
  area: "append",
  async run(stage) {
    const p999: number[] = [];
    const max: number[] = [];
    let note = "";
    for (let round = 1; round <= stage.rounds; round++) {
      stage.progress(`round ${round} of ${stage.rounds}`);
      const path = stage.newLog();
      const { p999Ms = NaN, maxMs = NaN, samples = NaN, events = NaN } = await stage.run("scout", {
        workload: "stalls",
        path,
        events: 0,
        seconds: 10,
        eventsPerMs: 100,
      });
      stage.removeLog(path);
      p999.push(p999Ms);
      max.push(maxMs);
      note = `${samples} samples of 1 ms, ${events} events`;
    }
    const row = { id: "A6", unit: "ms", note } as const;
    const name = "event-loop delay while archiving";
    return [
      { ...row, name: `${name}, p99.9`, target: atMost(5), samples: p999 },
      { ...row, name: `${name}, longest`, target: atMost(10), samples: max },
    ];
  },
};

const processes: Workload = {
  id: "A7",
  name: "4 processes, one log / one process",
  area: "append",
  async run(stage) {
    const events = stage.scaled(800_000);
    const race = await stage.raceOf(
      () => appendTogether(stage, 4, events),
      () => appendTogether(stage, 1, events),
    );
    return [raceRow({ id: "A7", name: processes.name, target: atLeast(1.5) }, race)];
  },
};

/** Returns a workload that measures how much time an option adds to each event. */
function price(
  option: string,
  workload: string,
  { without = "unawaited", target = null }: { without?: string; target?: Target | null } = {},
): Workload {
  const name = `${option} / without, un-awaited calls`;
  return {
    id: "A8",
    name,
    area: "append",
    async run(stage) {
      const events = stage.scaled(200_000);
      const sides = [scout(workload, events), scout(without, events)] as const;
      const { ratios, ours, theirs } = await stage.race(...sides);
      const prices = ours.map((rate, round) => 1e6 / rate - 1e6 / theirs[round]!);
      const rates = `${shownRate(median(ours))} to ${shownRate(median(theirs))}`;
      const row = { id: "A8", note: rates } as const;
      return [
        { ...row, name, unit: "x", target: null, samples: ratios },
        { ...row, name: `time of ${option} per event`, unit: "us", target, samples: prices },
      ];
    },
  };
}

/**
 * Lets `count` processes append to one log at the same time. Resolves with the events per second of all processes,
 * based on the time of the slowest process.
 */
async function appendTogether(stage: Stage, count: number, events: number): Promise<number> {
  const path = stage.newLog();
  const outcomes = await Promise.all(
    Array.from({ length: count }, (_, instance) =>
      stage.run("scout", {
        workload: "shared",
        path,
        events: events / count,
        // Each process has its own session ID, by which its `Witness` recognizes the lines of the process. All IDs have
        // the same length, so all lines have too.
        sessionId: SESSION_ID.slice(0, -1) + instance,
      }, instance)),
  );
  await stage.checkLines(path, events);
  for (let instance = 0; instance < count; instance++) {
    await stage.run("scout", { workload: "sharedPromise", path, events: 0 }, instance);
  }
  stage.removeLog(path);
  return events / Math.max(...outcomes.map(({ elapsedMs = NaN }) => elapsedMs)) * 1000;
}

/**
 * Returns all append workloads. Without the path of a trace (a recording of a real load), the workload that needs a
 * trace is left out.
 */
export function appendWorkloads(tracePath: string | undefined): Workload[] {
  return [
    unawaitedAgainst("peers/pino", "pino, sync: true, without fsync", atLeast(2.5)),
    race(
      {
        id: "A1b",
        name: "un-awaited calls / one write per 256 KiB, one sync",
        target: atLeast(0.95),
      },
      (stage) => {
        const events = stage.scaled(200_000);
        return {
          ours: scout("unawaited", events),
          theirs: { contender: "plain", workload: "appendInBlocks", events },
        };
      },
    ),
    ...tracePath === undefined ? [] : [trace(tracePath)],
    unawaitedAgainst("peers/pino_roll", "pino-roll", null),
    unawaitedAgainst("peers/winston", "winston", null),
    unawaitedAgainst("peers/logtape", "LogTape, rotating", null),
    race(
      { id: "A2", name: `${PRODUCERS} awaiting producers / ${RAW_LOOP}`, target: atLeast(3.1) },
      (stage) => ({
        ours: scout("producers", stage.scaled(64_000), { count: PRODUCERS }),
        theirs: rawLoop(stage.scaled(10_000), 10),
      }),
    ),
    race(
      { id: "A3", name: `one awaiting producer / ${RAW_LOOP}`, target: atLeast(0.55) },
      (stage) => ({
        ours: scout("producers", stage.scaled(16_000), { count: 1 }),
        theirs: rawLoop(stage.scaled(10_000), 10),
      }),
    ),
    race(
      {
        id: "A4",
        name: `${PRODUCERS} producers, sync for every line / raw loop, sync for every line`,
        target: atLeast(22),
      },
      (stage) => ({
        ours: scout("syncEvery1", stage.scaled(25_600), { count: PRODUCERS }),
        theirs: rawLoop(stage.scaled(2_000), 1),
      }),
    ),
    race(
      {
        id: "P1",
        name:
          `time of begin() and end() / of the same two events by log(), ${PRODUCERS} awaiting producers`,
        target: atMost(1.1),
      },
      (stage) => ({
        // The row shows a ratio of times, which is the inverse of the ratio of rates. So the two sides are swapped.
        ours: scout("pairs", stage.scaled(64_000), { count: PRODUCERS }),
        theirs: scout("spans", stage.scaled(64_000), { count: PRODUCERS }),
      }),
    ),
    race(
      { id: "P1", name: "child().log() / log(), un-awaited calls", target: atLeast(0.95) },
      (stage) => ({
        ours: scout("bound", stage.scaled(200_000)),
        theirs: scout("agents", stage.scaled(200_000)),
      }),
    ),
    race(
      { id: "B1", name: "time of an awaited hold() / of log() and flush()", target: atMost(1.5) },
      (stage) => ({
        // The row shows a ratio of times, which is the inverse of the ratio of rates. So the two sides are swapped.
        ours: scout("flushed", stage.scaled(2_000)),
        theirs: scout("held", stage.scaled(2_000)),
      }),
    ),
    race(
      {
        id: "B2",
        name: `hold() and settle() / two log(), ${PRODUCERS} awaiting producers`,
        target: atLeast(0.4),
      },
      (stage) => ({
        ours: scout("settled", stage.scaled(32_000), { count: PRODUCERS }),
        theirs: scout("loggedTwice", stage.scaled(32_000), { count: PRODUCERS }),
      }),
    ),
    rotation,
    stalls,
    processes,
    price("chain", "chained", { target: atMost(3) }),
    price("redact by names", "redacted"),
    price("redact inside objects", "redactedRequests", { without: "requests" }),
  ];
}
