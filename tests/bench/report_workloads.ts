/**
 * Workloads that render reports. They measure the time of a report compared with that of a plain query of the same
 * events, the memory, and the size of the page.
 *
 * @module
 */
import type { Outcome } from "./contender.ts";
import { median, type Row } from "./row.ts";
import type { Stage } from "./stage.ts";
import { traceLength } from "./trace.ts";
import { atLeast, atMost, mebibytes, shownRate, type Workload } from "./workload.ts";

const EVENTS = 1_000_000;
/** Number of events that fill about 100 archives of 10 MiB. */
const HUNDRED_ARCHIVES_EVENTS = 7_200_000;

/** A log on which a report and a plain query are measured. */
class Reported implements Disposable {
  readonly #stage: Stage;
  readonly events: number;
  readonly path: string;
  readonly #trace: string;

  constructor(stage: Stage, events: number, trace: string) {
    this.#stage = stage;
    this.events = events;
    this.path = stage.newLog();
    this.#trace = trace;
  }

  async write(workload = "write"): Promise<void> {
    this.#stage.progress("writing the events");
    const { path, events } = this;
    await this.#stage.run("report", { workload, path, events, trace: this.#trace });
    await this.#stage.checkLines(path, events);
  }

  /** Resolves with the times of the report and of the query in milliseconds, measured in alternating rounds. */
  async inTurn(): Promise<{ report: number[]; query: number[] }> {
    const timeOf = async (workload: string, instance: number) => {
      const round = { workload, path: this.path, events: 0 };
      return this.#checked(await this.#stage.run("report", round, instance)).elapsedMs!;
    };
    // The report and the query run in separate processes, so that neither profits from what the other has cached or
    // warmed up.
    const works = ["report", "queryAll"].map((workload, instance) => () =>
      timeOf(workload, instance)
    );
    const [report = [], query = []] = await this.#stage.inTurn(works);
    return { report, query };
  }

  /** Renders one report in a new process and measures its memory. */
  async once(): Promise<Outcome> {
    const round = { workload: "reportMemory", path: this.path, events: 0 };
    return this.#checked(await this.#stage.runOnce("report", round));
  }

  /** Measures what rollups add to archiving, in a new process. */
  rollups(): Promise<Outcome> {
    return this.#stage.runOnce("report", { workload: "rollups", path: this.path, events: 0 });
  }

  [Symbol.dispose](): void {
    this.#stage.removeLog(this.path);
  }

  #checked(outcome: Outcome): Outcome {
    if (outcome.events === this.events) return outcome;
    throw new Error(
      `Cannot use this round: found ${outcome.events} of ${this.events} events in the log`,
    );
  }
}

const months: Workload = {
  id: "R4",
  name: "report on 100 archives",
  area: "read",
  async run(stage) {
    using reported = new Reported(stage, stage.scaled(HUNDRED_ARCHIVES_EVENTS), "");
    await reported.write("writeMonths");
    stage.progress("gathering rollups");
    const { addedUs = NaN, share = NaN } = await reported.rollups();
    const { report, query } = await reported.inTurn();
    return [
      {
        id: "R3",
        name: "time that a rollup adds to the scan of an archive, per event",
        unit: "us",
        target: atMost(0.5),
        samples: [addedUs],
        note: "6 groups in 240 quarters of an hour, 72 sessions",
      },
      {
        id: "R3",
        name: "size of the rollups / of the archives",
        unit: "%",
        target: atMost(4),
        samples: [100 * share],
        note: "the same archives",
      },
      {
        id: "R4",
        name: "a plain query of 100 archives / a report on them",
        unit: "x",
        target: atLeast(20),
        samples: query.map((time, round) => time / report[round]!),
        note: `${median(report).toFixed(0)} to ${median(query).toFixed(0)} ms`,
      },
    ];
  },
};

async function comparedRow(reported: Reported, name: string): Promise<Row> {
  const { report, query } = await reported.inTurn();
  return {
    id: "L1",
    name: `${name} / a plain query`,
    unit: "x",
    target: atMost(1.3),
    samples: report.map((time, round) => time / query[round]!),
    note: shownRate(reported.events / median(report) * 1000),
  };
}

function megabytes(bytes: number): number {
  return bytes / 1e6;
}

const million: Workload = {
  id: "L1",
  name: "report on 1,000,000 events",
  area: "read",
  async run(stage) {
    using reported = new Reported(stage, stage.scaled(EVENTS), "");
    await reported.write();
    const compared = await comparedRow(reported, "report on 1,000,000 events");
    stage.progress("once, in a new process");
    const { grownBytes = NaN, bytes = NaN } = await reported.once();
    const row = { id: "L1" } as const;
    return [
      compared,
      {
        ...row,
        name: "report on 1,000,000 events, memory",
        unit: "MiB",
        target: atMost(64),
        samples: [mebibytes(grownBytes)],
        note: "growth during the report",
      },
      {
        ...row,
        name: "report on 1,000,000 events, HTML",
        unit: "MB",
        target: atMost(2),
        samples: [megabytes(bytes)],
        note: `${bytes.toLocaleString("en")} bytes`,
      },
    ];
  },
};

/**
 * Returns a workload that reports on the trace (a recording of a real load) once and on many repetitions of the trace.
 * The single trace spends most of the time on drawing the page, and the repetitions on reading events.
 */
function traced(trace: string): Workload {
  return {
    id: "L1",
    name: "report on the LLM trace",
    area: "read",
    async run(stage) {
      const rows: Row[] = [];
      for (
        const [name, events] of [
          ["report on the LLM trace", traceLength(trace)],
          ["report on the LLM trace, repeated 113 times", stage.scaled(EVENTS)],
        ] as const
      ) {
        using reported = new Reported(stage, events, trace);
        await reported.write();
        rows.push(await comparedRow(reported, name));
      }
      return rows;
    },
  };
}

/**
 * Returns all report workloads. Without a trace (a recording of a real load), the workload that needs a trace is left
 * out.
 */
export function reportWorkloads(trace: string | undefined): Workload[] {
  return trace === undefined ? [million, months] : [million, months, traced(trace)];
}
