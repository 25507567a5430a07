/**
 * Workloads that measure how long whole programs take, compared with an empty program.
 *
 * @module
 */
import { dirname, fromFileUrl } from "@std/path";
import { timed } from "./contender.ts";
import { fieldsOf, SESSION_ID } from "./event.ts";
import { median } from "./row.ts";
import { atMost, type Workload } from "./workload.ts";

/** Number of rounds. It is larger than for other workloads, because a start takes only a tenth of a second. */
const ROUNDS = 15;

/** Number of events in the log that `scout spend` reads. */
const EVENTS = 20;

const starts: Workload = {
  id: "S1",
  name: "start of a program",
  area: "start",
  async run(stage) {
    const written = stage.newLog();
    const read = stage.newLog();
    Deno.writeTextFileSync(read, Array.from({ length: EVENTS }, (_, n) => lineOf(n)).join(""));
    const run = (program: string, log: string, ...args: readonly string[]) => () =>
      timed(() => runProgram(program, { log, args }));
    const rounds = Math.max(stage.rounds, stage.scaled(ROUNDS));
    const [empty = [], imports = [], logs = [], spend = []] = await stage.inTurn([
      run("./starts/empty.ts", written),
      run("./starts/imports.ts", written),
      run("./starts/logs.ts", written, written),
      run("../../src/cli/main.ts", read, "spend", read),
    ], rounds);
    await stage.checkLines(written, rounds + 1);
    for (const log of [written, read]) stage.removeLog(log);
    const row = (id: string, name: string, target: number, times: readonly number[]) => ({
      id,
      name: `${name} / an empty program`,
      unit: "x" as const,
      target: atMost(target),
      samples: times.map((ms, round) => ms / empty[round]!),
      note: `${median(times).toFixed(0)} to ${median(empty).toFixed(0)} ms`,
    });
    return [
      row("S1", "a program that imports this library", 3.5, imports),
      row("S2", "a program that logs one event", 4.5, logs),
      row("S3", `scout spend on a log of ${EVENTS} events`, 6.5, spend),
    ];
  },
};

function lineOf(n: number): string {
  const ts = new Date().toISOString();
  return `${JSON.stringify({ ts, event: "nav", session_id: SESSION_ID, ...fieldsOf(n) })}\n`;
}

/** Runs a program that may only read and write the directory of the log. */
async function runProgram(
  program: string,
  { log, args }: { log: string; args: readonly string[] },
): Promise<void> {
  const directory = dirname(log);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", `--allow-read=${directory}`, `--allow-write=${directory}`],
      ...[fromFileUrl(new URL(program, import.meta.url)), ...args],
    ],
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot use this round: ${program} failed`);
}

/** All workloads about the start of programs. */
export const startWorkloads: readonly Workload[] = [starts];
