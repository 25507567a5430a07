/**
 * Measures this library against other libraries, and against code that a user would write instead.
 *
 *     deno task bench [append|read|start|fleet|llm|A1|Q3 ...] [--quick] [--trace FILE] [--out DIR]
 *
 * Each important figure is the ratio of two programs that run in alternating rounds: the median of five rounds. A
 * witness (see `witness.ts`) checks that this library syncs as often as it promises. If the number of written lines is
 * wrong, the measurement stops with an error. The results are written to `bench.json` and `bench.svg` in the directory
 * of `--out`. Missed targets are only reported; they do not fail the run.
 *
 * @module
 */
import { join } from "@std/path";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { argumentsOrExit } from "../arguments.ts";
import { findTool } from "../run_command.ts";
import { appendWorkloads } from "./append_workloads.ts";
import { chart } from "./chart.ts";
import { fleetWorkloads } from "./fleet_workloads.ts";
import { importWorkloads } from "./import_workloads.ts";
import { llmWorkloads } from "./llm_workloads.ts";
import { Progress } from "./progress.ts";
import { readWorkloads } from "./read_workloads.ts";
import { reportWorkloads } from "./report_workloads.ts";
import { median, type Row, verdictOf } from "./row.ts";
import { Stage } from "./stage.ts";
import { startWorkloads } from "./start_workloads.ts";
import { table } from "./table.ts";
import type { Workload } from "./workload.ts";

const ROUNDS = 5;
const QUICK_ROUNDS = 3;
const QUICK_SCALE = 10;

const USAGE =
  "Usage: deno task bench [append|read|start|fleet|llm|A1|Q3 ...] [--quick] [--trace FILE] [--out DIR]";

interface BenchArgs {
  readonly workloads: readonly Workload[];
  readonly isQuick: boolean;
  readonly out: string;
  readonly tracePath: string | undefined;
}

function parseBenchArgs(args: string[]): BenchArgs {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      out: { type: "string", default: "." },
      trace: { type: "string" },
    },
  });
  const all = [
    ...appendWorkloads(values.trace),
    ...readWorkloads,
    ...reportWorkloads(values.trace),
    ...importWorkloads,
    ...startWorkloads,
    ...fleetWorkloads,
    ...llmWorkloads,
  ];
  const unknown = positionals.find((name) => !all.some((workload) => isNamed(workload, name)));
  if (unknown !== undefined) {
    throw new RangeError(`Cannot read workload: unknown name "${unknown}"\n${USAGE}`);
  }
  const workloads = positionals.length === 0
    ? all
    : all.filter((workload) => positionals.some((name) => isNamed(workload, name)));
  return { workloads, isQuick: values.quick, out: values.out, tracePath: values.trace };
}

function isNamed({ id, area }: Workload, name: string): boolean {
  return name === area || name.toUpperCase() === id.toUpperCase();
}

/** The time, the machine and the conditions of a measurement. */
interface Circumstances {
  readonly date: string;
  readonly deno: string;
  readonly v8: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly durability: string;
  readonly rounds: number;
}

function circumstances(rounds: number): Circumstances {
  const { deno, v8 } = Deno.version;
  return {
    date: new Date().toISOString(),
    deno,
    v8,
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    durability: "fdatasync every 10 lines and every second, unless a row says otherwise",
    rounds,
  };
}

async function measure({ workloads, isQuick }: BenchArgs): Promise<Row[]> {
  const progress = new Progress(workloads.length);
  const rows: Row[] = [];
  await using stage = new Stage({
    // The logs are written next to the code, because a system's directory for temporary files may be in memory, where
    // syncs cost nothing.
    parent: Deno.cwd(),
    rounds: isQuick ? QUICK_ROUNDS : ROUNDS,
    scale: isQuick ? QUICK_SCALE : 1,
    onProgress: (text) => progress.show(text),
  });
  for (const workload of workloads) {
    progress.next(`${workload.id}  ${workload.name}`);
    rows.push(...await workload.run(stage));
  }
  progress.end();
  return rows;
}

if (import.meta.main) {
  let args = argumentsOrExit(parseBenchArgs);
  const about = circumstances(args.isQuick ? QUICK_ROUNDS : ROUNDS);
  console.log(Object.entries(about).map(([name, value]) => `${name}: ${value}`).join("\n"), "\n");
  if (args.tracePath === undefined) {
    console.log("No --trace FILE given: skipping the workloads on a recorded real load.\n");
  }
  if (await findTool("nats-server") === null) {
    console.log(
      "No nats-server found: skipping the fleet's workloads. To run them, install nats-server (apt-get install nats-server).\n",
    );
    args = { ...args, workloads: args.workloads.filter(({ area }) => area !== "fleet") };
  }
  const rows = await measure(args);
  console.log(table(rows));
  const report = {
    ...about,
    isQuick: args.isQuick,
    rows: rows.map((row) => ({ ...row, median: median(row.samples), verdict: verdictOf(row) })),
  };
  Deno.writeTextFileSync(join(args.out, "bench.json"), `${JSON.stringify(report, null, 2)}\n`);
  Deno.writeTextFileSync(join(args.out, "bench.svg"), chart(rows, about.date));
  console.log(`\nWritten: ${join(args.out, "bench.json")}, ${join(args.out, "bench.svg")}`);
}
