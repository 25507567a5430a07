/**
 * Workloads of a fleet (machines that ship their logs to a NATS server) on real servers: shipping, compared with one
 * message per event and with a cluster; reading events back, compared with reading them from the log; the delay until
 * `fleetSpend()` includes an event; and shipping many logs at once.
 *
 * @module
 */
import type { Outcome } from "./contender.ts";
import { LINE_BYTES } from "./event.ts";
import { median } from "./row.ts";
import type { Stage } from "./stage.ts";
import { atLeast, atMost, mebibytes, shownRate, type Workload } from "./workload.ts";

const EVENTS = 1_000_000;
/**
 * Number of events that are sent as one message each. The number is small, because such a message takes some fifty
 * times as long as an event in a block (a message with many events).
 */
const LINE_EVENTS = 20_000;
const LOGS = 1_000;
const LINES_PER_BLOCK = 20;
const EVENTS_PER_LOG = 1_000;
const SPENDS = 200;
const MILLION = 1e6;

/** A log that is shipped, and the servers that receive it. The shipper and the servers run in separate processes. */
class Shipped implements AsyncDisposable {
  readonly path: string;
  readonly events: number;
  readonly #stage: Stage;

  private constructor(stage: Stage, path: string, events: number) {
    this.#stage = stage;
    this.path = path;
    this.events = events;
  }

  static async of(stage: Stage, events: number, servers = 1): Promise<Shipped> {
    const path = stage.newLog();
    if (events > 0) {
      stage.progress("writing the events");
      await stage.run("scout", { workload: "unawaited", path, events });
      await stage.checkLines(path, events);
    }
    const shipped = new Shipped(stage, path, events);
    stage.progress("starting the servers");
    await shipped.run("start", { servers });
    return shipped;
  }

  run(workload: string, more: Readonly<Record<string, number>> = {}): Promise<Outcome> {
    const round = { workload, path: this.path, events: this.events };
    return this.#stage.run("fleet", { ...round, ...more });
  }

  /** Runs a workload, and resolves with its rate in events per second. */
  async rateOf(workload: string, events = this.events): Promise<number> {
    return events / (await this.run(workload, { events })).elapsedMs! * 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("stop");
    this.#stage.removeLog(this.path);
  }
}

const shipping: Workload = {
  id: "F1",
  name: "shipping one log into one server",
  area: "fleet",
  async run(stage) {
    await using shipped = await Shipped.of(stage, stage.scaled(EVENTS));
    const lines = Math.min(stage.scaled(LINE_EVENTS), shipped.events);
    const [blocks = [], single = []] = await stage.inTurn([
      () => shipped.rateOf("ship"),
      () => shipped.rateOf("shipLines", lines),
    ]);
    const { storedBytes = NaN } = await shipped.run("ship");
    const stored = `${(storedBytes / shipped.events).toFixed(1)} bytes stored of ${LINE_BYTES}`;
    return [
      {
        id: "F1",
        name: "shipping one log into one server",
        unit: "M/s",
        target: atLeast(0.5),
        samples: blocks.map((rate) => rate / MILLION),
        note: `events, ${stored}`,
      },
      {
        id: "F2",
        name: "shipping / one message per event, 1,000 in flight",
        unit: "x",
        target: atLeast(20),
        samples: blocks.map((rate, round) => rate / single[round]!),
        note: `${shownRate(median(blocks))} to ${shownRate(median(single))}`,
      },
    ];
  },
};

const cluster: Workload = {
  id: "F3",
  name: "shipping into a cluster of three",
  area: "fleet",
  async run(stage) {
    await using one = await Shipped.of(stage, stage.scaled(EVENTS));
    const single: number[] = [];
    // Measures one server first and then the cluster, because idle servers still take time from busy ones.
    for (let round = 0; round <= stage.rounds; round++) single.push(await one.rateOf("ship"));
    await one.run("stop");
    await one.run("start", { servers: 3 });
    const three: number[] = [];
    for (let round = 0; round <= stage.rounds; round++) three.push(await one.rateOf("ship"));
    const warm = single.slice(1);
    const samples = three.slice(1).map((rate, round) => rate / warm[round]!);
    return [{
      id: "F3",
      name: "shipping into a cluster of three / into one server",
      unit: "x",
      target: atLeast(0.3),
      samples,
      note: `${shownRate(median(three.slice(1)))} to ${shownRate(median(warm))}`,
    }];
  },
};

const reading: Workload = {
  id: "F4",
  name: "reading a log from the stream",
  area: "fleet",
  async run(stage) {
    await using shipped = await Shipped.of(stage, stage.scaled(EVENTS));
    await shipped.run("ship");
    const { path, events } = shipped;
    const timeOf = async (outcome: Promise<Outcome>) => {
      const { elapsedMs = NaN, events: read } = await outcome;
      if (read !== events) {
        throw new Error(`Cannot use this round: read ${read} of ${events} events from the log`);
      }
      return elapsedMs;
    };
    const [fleet = [], local = []] = await stage.inTurn([
      () => timeOf(shipped.run("read")),
      () => timeOf(stage.run("scout", { workload: "queryAll", path, events })),
    ]);
    const rate = (times: readonly number[]) => shownRate(events / median(times) * 1000);
    return [{
      id: "F4",
      name: "reading a log from the stream / from its file",
      unit: "x",
      target: atLeast(0.8),
      samples: local.map((time, round) => time / fleet[round]!),
      note: `${rate(fleet)} to ${rate(local)}`,
    }];
  },
};

const spend: Workload = {
  id: "F5",
  name: "lag of a fleet's spend",
  area: "fleet",
  async run(stage) {
    await using shipped = await Shipped.of(stage, 0);
    const rounds: Outcome[] = [];
    await stage.inTurn([async () => {
      const outcome = await shipped.run("spend", { count: stage.scaled(SPENDS) });
      rounds.push(outcome);
      return outcome.behindShipperMs!;
    }]);
    const row = { id: "F5", unit: "ms" } as const;
    const warm = rounds.slice(1);
    return [
      {
        ...row,
        name: "fleetSpend() lag after an event was sent",
        target: atMost(10),
        samples: warm.map(({ behindShipperMs = NaN }) => behindShipperMs),
        note: "median of each round",
      },
      {
        ...row,
        name: "fleetSpend() lag after an event is durable in its log",
        target: null,
        samples: warm.map(({ behindLogMs = NaN }) => behindLogMs),
        note: "includes the shipper's read and its sync",
      },
    ];
  },
};

const many: Workload = {
  id: "F6",
  name: "1,000 logs at once into one server",
  area: "fleet",
  async run(stage) {
    const logs = stage.scaled(LOGS);
    await using shipped = await Shipped.of(stage, EVENTS_PER_LOG);
    const rounds: Outcome[] = [];
    await stage.inTurn([async () => {
      const blockBytes = LINES_PER_BLOCK * LINE_BYTES;
      const outcome = await shipped.run("many", { count: logs, blockBytes });
      rounds.push(outcome);
      return outcome.elapsedMs!;
    }]);
    const events = logs * EVENTS_PER_LOG;
    const warm = rounds.slice(1);
    const middle = (figure: (outcome: Outcome) => number) => median(warm.map(figure));
    const messages = middle(({ blocks = NaN, elapsedMs = NaN }) => blocks / elapsedMs * 1000);
    const row = { id: "F6", target: null } as const;
    const name = `${logs.toLocaleString("en")} logs at once, ${LINES_PER_BLOCK} lines a block`;
    return [
      {
        ...row,
        name,
        unit: "M/s",
        samples: warm.map(({ elapsedMs = NaN }) => events / elapsedMs * 1000 / MILLION),
        note: `events, ${shownRate(messages, "messages")}, ${
          middle(({ storedBytes = NaN }) => storedBytes / events).toFixed(1)
        } bytes stored an event`,
      },
      {
        ...row,
        name: `${name}, memory of the server`,
        unit: "MiB",
        samples: warm.map(({ memoryBytes = NaN }) => mebibytes(memoryBytes)),
        note: "at the end of the round",
      },
    ];
  },
};

/** The workloads that measure a fleet: machines that ship their logs to a NATS server. */
export const fleetWorkloads: readonly Workload[] = [shipping, cluster, reading, spend, many];
