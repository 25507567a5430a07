/**
 * Workloads that read logs. Their times are compared with a query on the platform's streams, with DuckDB, and with a
 * longer history of the same log.
 *
 * @module
 */
import { dirname, fromFileUrl } from "@std/path";
import { type Outcome, timed } from "./contender.ts";
import { median, type Row, type Target } from "./row.ts";
import type { ContenderName, History, Stage } from "./stage.ts";
import { atLeast, atMost, mebibytes, type Workload } from "./workload.ts";

/** A query, and the contender (the program under measurement) that runs the query. */
interface Question {
  readonly contender: ContenderName;
  readonly workload: string;
  /** Number of the process that answers; by default that of the process that has written the log. */
  readonly instance?: number;
  readonly [name: string]: string | number | undefined;
}

/**
 * Resolves with the time of a query in milliseconds. Throws if the query finds another number of events than
 * `expectedEvents`.
 */
async function ask(
  stage: Stage,
  { path }: History,
  { contender, instance = 0, ...question }: Question,
  expectedEvents?: number,
): Promise<number> {
  const outcome = await stage.run(contender, { ...question, path, events: 0 }, instance);
  const { elapsedMs = NaN, events } = outcome;
  if (expectedEvents !== undefined && events !== expectedEvents) {
    throw new Error(
      `Cannot use this round: ${contender} found ${events} of ${expectedEvents} events`,
    );
  }
  return elapsedMs;
}

function ratios(times: readonly number[], base: readonly number[]): number[] {
  return times.map((time, round) => time / base[round]!);
}

/** Average length in bytes of a line in the logs of these workloads. */
const AVERAGE_LINE_BYTES = 167.25;

function throughput(events: number, times: readonly number[]): string {
  const rate = events * AVERAGE_LINE_BYTES / 1e6 / (median(times) / 1000);
  return `${Math.round(rate)} MB/s`;
}

/** Returns a row with the ratio of the other contender's times to the times of this library, both in milliseconds. */
function comparedRow(
  row: { readonly id: string; readonly name: string; readonly target: Target },
  { events, ours, theirs }: {
    readonly events: number;
    readonly ours: readonly number[];
    readonly theirs: readonly number[];
  },
): Row {
  const note = `${throughput(events, ours)} to ${throughput(events, theirs)}`;
  return { ...row, unit: "x", samples: ratios(theirs, ours), note };
}

const everything: Workload = {
  id: "Q1",
  name: "every event of 10 archives and the active file",
  area: "read",
  async run(stage) {
    const history = await stage.history(stage.scaled(10));
    const { events } = history;
    const all = (contender: ContenderName) => () =>
      ask(stage, history, { contender, workload: "queryAll" }, events);
    const [ours = [], naive = [], duckdb = []] = await stage.inTurn([
      all("scout"),
      all("plain"),
      all("peers/duckdb"),
    ]);
    const name = "every event of 10 archives and the active file";
    return [
      comparedRow(
        { id: "Q1", name: `${name} / a query on streams`, target: atLeast(1.2) },
        { events, ours, theirs: naive },
      ),
      comparedRow(
        { id: "Q1", name: `${name} / DuckDB, rows as JS objects`, target: atLeast(5) },
        { events, ours, theirs: duckdb },
      ),
    ];
  },
};

const array: Workload = {
  id: "Q1",
  name: "toArray() of every event of 10 archives and the active file",
  area: "read",
  async run(stage) {
    const history = await stage.history(stage.scaled(10));
    const { events } = history;
    const all = (contender: ContenderName) => () =>
      ask(stage, history, { contender, workload: "queryArray", instance: 2 }, events);
    const [ours = [], naive = []] = await stage.inTurn([all("scout"), all("plain")]);
    const name = "toArray() of the same events / Array.fromAsync() of a query on streams";
    return [
      comparedRow({ id: "Q1", name, target: atLeast(1.1) }, { events, ours, theirs: naive }),
    ];
  },
};

const byType: Workload = {
  id: "Q2",
  name: "one event in four, by its type",
  area: "read",
  async run(stage) {
    const history = await stage.history(stage.scaled(10));
    const found = Math.ceil(history.events / 4);
    const typed = (contender: ContenderName) => () =>
      ask(stage, history, { contender, workload: "queryType", eventType: "nav" }, found);
    const [ours = [], duckdb = []] = await stage.inTurn([typed("scout"), typed("peers/duckdb")]);
    const name = "one event in four, by its type / DuckDB, rows as JS objects";
    const { events } = history;
    return [
      comparedRow({ id: "Q2", name, target: atLeast(2.8) }, { events, ours, theirs: duckdb }),
    ];
  },
};

const cold: Workload = {
  id: "Q3",
  name: "first query of a reader, 1, 10 and 100 archives",
  area: "read",
  async run(stage) {
    const histories = [
      await stage.history(1),
      await stage.history(stage.scaled(10)),
      await stage.history(stage.scaled(100)),
    ];
    const spend: Question = { contender: "scout", workload: "spend", hours: 1 };
    const tail: Question = { contender: "scout", workload: "tail", count: 20 };
    const asked = (question: Question) =>
      histories.map((history) => () => ask(stage, history, question));
    const lines = () => ask(stage, histories[2]!, { ...spend, contender: "plain" });
    const [parsed = [], ...spent] = await stage.inTurn([lines, ...asked(spend)]);
    const tails = await stage.inTurn(asked(tail));
    const row = { id: "Q3", unit: "x" } as const;
    const growth = (name: string, times: readonly (readonly number[])[]): Row => ({
      ...row,
      name: `${name} with 100 archives / with 1`,
      target: atMost(1.3),
      samples: ratios(times[2]!, times[0]!),
      note: `${times.map((samples) => median(samples).toFixed(2)).join(", ")} ms`,
    });
    return [
      growth("hourlySpend(1)", spent),
      {
        ...row,
        name: "hourlySpend(1) with 100 archives / reading and parsing the lines of the hour",
        target: atMost(1.2),
        samples: ratios(spent[2]!, parsed),
        note: `${median(spent[2]!).toFixed(1)} to ${median(parsed).toFixed(1)} ms`,
      },
      growth("lastEvents(20)", tails),
      {
        ...row,
        unit: "ms",
        name: "lastEvents(20) with 100 archives",
        target: atMost(10),
        samples: tails[2]!,
        note: "",
      },
    ];
  },
};

const again: Workload = {
  id: "Q4",
  name: "hourlySpend(1) after one more event",
  area: "read",
  async run(stage) {
    const histories = [await stage.history(1), await stage.history(stage.scaled(100))];
    const question: Question = { contender: "scout", workload: "spendAgain", count: 200 };
    const [few = [], many = []] = await stage.inTurn(
      histories.map((history) => () => ask(stage, history, question)),
    );
    return [{
      id: "Q4",
      name: "hourlySpend(1) after one more event, 100 archives",
      unit: "ms",
      target: atMost(0.1),
      samples: many,
      note: `${median(few).toFixed(3)} ms with 1 archive`,
    }];
  },
};

const month: Workload = {
  id: "Q5",
  name: "hourlySpend of a month",
  area: "read",
  async run(stage) {
    const history = await stage.history(stage.scaled(100));
    // The time span of the query. All archives lie entirely within the span, except the two at its edges.
    const hours = 7.2 * (stage.scaled(100) - 1);
    const [spend = [], all = []] = await stage.inTurn([
      () => ask(stage, history, { contender: "scout", workload: "spend", hours }),
      () => ask(stage, history, { contender: "scout", workload: "queryAll" }),
    ]);
    return [{
      id: "Q5",
      name: "hourlySpend(713) of 100 archives / decoding them",
      unit: "x",
      target: atMost(0.02),
      samples: ratios(spend, all),
      note: `${median(spend).toFixed(0)} to ${median(all).toFixed(0)} ms`,
    }];
  },
};

/**
 * Number of events in the active file as a share of the events in one archive. The share is small, so that nearly all
 * events are in archives.
 */
const ACTIVE_SHARE = 0.01;

const byModel: Workload = {
  id: "R1",
  name: "spend by model, 100 archives",
  area: "read",
  async run(stage) {
    const history = await stage.history(stage.scaled(100), ACTIVE_SHARE);
    const empty = stage.newLog();
    Deno.writeTextFileSync(empty, "");
    const { events } = history;
    const byModel = (contender: ContenderName) => () =>
      // A process that has not written the history, because the memory of the writer is full of garbage.
      ask(stage, history, { contender, workload: "spendByModel", instance: 1 }, events);
    const command = ({ path }: Pick<History, "path">) => () => timed(() => spendCommand(path));
    const [ours = [], duckdb = [], whole = [], start = []] = await stage.inTurn([
      byModel("scout"),
      byModel("peers/duckdb"),
      command(history),
      command({ path: empty }),
    ]);
    stage.removeLog(empty);
    const note = (times: readonly number[], base: readonly number[]) =>
      `${median(times).toFixed(0)} to ${median(base).toFixed(0)} ms`;
    return [
      {
        id: "R1",
        name: "spend() by model of 100 archives / DuckDB",
        unit: "x",
        target: atLeast(30),
        samples: ratios(duckdb, ours),
        note: note(ours, duckdb),
      },
      {
        id: "R2",
        name: "scout spend --by model of 100 archives / of an empty log",
        unit: "x",
        target: atMost(1.5),
        samples: ratios(whole, start),
        note: note(whole, start),
      },
    ];
  },
};

const memory: Workload = {
  id: "Q6",
  name: "query of 1 GB, memory",
  area: "read",
  async run(stage) {
    const { path, events } = await stage.history(stage.scaled(100));
    const growths = (contender: ContenderName) => async () => {
      const round = { workload: "queryMemory", path, events: 0 };
      const outcome = await stage.runOnce(contender, round);
      if (outcome.events !== events) {
        throw new Error(
          `Cannot use this round: ${contender} found ${outcome.events} of ${events} events`,
        );
      }
      return mebibytes(outcome.grownBytes!);
    };
    const [ours = [], theirs = []] = await stage.inTurn([growths("scout"), growths("plain")]);
    return [{
      id: "Q6",
      name: "memory of a query of 1 GB of archives / of a query on streams",
      unit: "x",
      target: atMost(0.9),
      samples: ratios(ours, theirs),
      note: `${median(ours).toFixed(0)} to ${median(theirs).toFixed(0)} MiB`,
    }];
  },
};

const TORN_LINE = '{"ts":"2026-';

const opening: Workload = {
  id: "O1",
  name: "open() of 100 archives and a torn active file of 10 MiB",
  area: "read",
  async run(stage) {
    const { path } = await stage.history(stage.scaled(100));
    const line = `${JSON.stringify({ ts: new Date().toISOString(), event: "skip" })}\n`;
    const missing = 10 * 1024 * 1024 - Deno.statSync(path).size - 2 * line.length;
    Deno.writeTextFileSync(path, line.repeat(Math.max(0, missing / line.length)), { append: true });
    const [samples = []] = await stage.inTurn([async () => {
      Deno.writeTextFileSync(path, TORN_LINE, { append: true });
      const outcome = await stage.run("scout", { workload: "open", path, events: 0 });
      if (outcome.closedTornTail !== 1) {
        throw new Error("Cannot use this round: open() did not end the torn last line");
      }
      return outcome.elapsedMs!;
    }]);
    const note = `${Array.from(Deno.readDirSync(dirname(path))).length} files`;
    const name = opening.name;
    return [{ id: "O1", name, unit: "ms", target: atMost(10), samples, note }];
  },
};

const firstHold: Workload = {
  id: "B3",
  name: "first hold of a process, 100 archives",
  area: "read",
  async run(stage) {
    const { path } = await stage.history(stage.scaled(100));
    // The warm-up round declares the budget, so that the timed rounds find it in the log.
    const [samples = []] = await stage.inTurn([async () => {
      const outcome = await stage.runOnce("scout", { workload: "firstHold", path, events: 0 });
      return outcome.elapsedMs!;
    }]);
    const note = "the newest state of the budgets is in the active file or the archive before it";
    return [{ id: "B3", name: firstHold.name, unit: "ms", target: atMost(30), samples, note }];
  },
};

/** Runs `scout spend --by model --since 90d` on a log. */
async function spendCommand(path: string): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "spend", path, "--by", "model", "--since", "90d", "--json"],
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) throw new Error("Cannot use this round: the command scout spend failed");
}

const MAIN = fromFileUrl(new URL("../../src/cli/main.ts", import.meta.url));

/** Number of rounds of the calls on 50,000 archives. Each round takes a minute, most of it for `verify()`. */
const MANY_ARCHIVES_ROUNDS = 2;

const manyArchives: Workload = {
  id: "O2",
  name: "50,000 archives",
  area: "read",
  async run(stage) {
    const archives = stage.scaled(50_000);
    const path = stage.newLog();
    stage.progress(`writing ${archives} archives`);
    await stage.run("scout", { workload: "writeArchives", path, events: 0, archives });
    const stalls: Outcome[] = [];
    const statuses: number[] = [];
    await stage.inTurn([async () => {
      stalls.push(await stage.runOnce("scout", { workload: "archiveStalls", path, events: 0 }));
      statuses.push(await timed(() => status(path)));
      return 0;
    }], MANY_ARCHIVES_ROUNDS);
    const recovery = await stage.runOnce("scout", { workload: "recoverManifest", path, events: 0 });
    stage.removeLog(path);
    const row = { id: "O2", unit: "ms", note: `${archives} archives` } as const;
    const stall = (name: string, key: string) => ({
      ...row,
      name: `longest stall by ${name}, 50,000 archives`,
      target: atMost(20),
      samples: stalls.slice(1).map((outcome) => outcome[key]!),
    });
    return [
      stall("hourlySpend(1)", "spend"),
      stall("lastEvents(20)", "last"),
      stall("query() of the last hour", "query"),
      stall("unfinished()", "unfinished"),
      stall("spend() by model", "byModel"),
      stall("stats() by model", "stats"),
      stall("renderReport()", "report"),
      stall("verify()", "verify"),
      stall("open() and recovery", "open"),
      stall("open() and retention", "retention"),
      {
        ...row,
        name: "scout status, 50,000 archives",
        target: atMost(2_000),
        samples: statuses.slice(1),
      },
      {
        ...row,
        name: "recovery of the manifest, 50,000 archives",
        target: atMost(20_000),
        samples: [recovery.elapsedMs!],
      },
    ];
  },
};

async function status(path: string): Promise<void> {
  const args = ["run", "--no-check", "--allow-read", MAIN, "status", path];
  const { code } = await new Deno.Command(Deno.execPath(), { args, stdout: "null" }).output();
  if (code !== 0) {
    throw new Error(`Cannot use this round: the command scout status has exited with ${code}`);
  }
}

/** All read workloads. */
export const readWorkloads: readonly Workload[] = [
  everything,
  array,
  byType,
  cold,
  again,
  month,
  byModel,
  memory,
  opening,
  firstHold,
  manyArchives,
];
