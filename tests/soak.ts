/**
 * Kills and stops writers of one log at random, then checks the events that they logged:
 * `deno task soak --seconds 120`, or `--kills 50`. The program prints its seed; `--seed` repeats the same kills and
 * the same writers. `--writers` sets the number of concurrent writers, and `--chain` lets them chain their lines.
 *
 * @module
 */
import { join } from "@std/path";
import { parseArgs } from "node:util";
import { type Examination, examine } from "./soak/examination.ts";
import { type Played, Supervisor } from "./soak/supervisor.ts";
import { argumentsOrExit, numberOf, seedOf } from "./arguments.ts";

const ROTATION_SIZE_BYTES = 20_000;

/** Options from the command line. */
interface Arguments {
  seconds: number;
  kills: number;
  seed: number;
  writers: number;
  chain: boolean;
}

function readArguments(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string" },
      kills: { type: "string" },
      seed: { type: "string" },
      writers: { type: "string", default: "4" },
      chain: { type: "boolean", default: false },
    },
  });
  const { seconds, kills, seed, writers, chain } = values;
  return {
    seconds: numberOf("seconds", seconds ?? (kills === undefined ? "60" : "3600")),
    kills: kills === undefined ? Infinity : numberOf("kills", kills),
    seed: seedOf(seed),
    writers: numberOf("writers", writers),
    chain,
  };
}

/** Runs the soak in the directory, then examines the log. */
async function play(directory: string, args: Arguments): Promise<[Played, Examination]> {
  const path = join(directory, "audit.jsonl");
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), args.seconds * 1000);
  const supervisor = new Supervisor({
    directory,
    path,
    seed: args.seed,
    writers: args.writers,
    chain: args.chain,
    rotationSizeBytes: ROTATION_SIZE_BYTES,
    killsMax: args.kills,
    signal: deadline.signal,
  });
  const progress = Deno.stdout.isTerminal()
    ? setInterval(() => showProgress(supervisor.played), 250)
    : undefined;
  const played = await supervisor.run();
  clearTimeout(timer);
  clearInterval(progress);
  return [played, await examine({ directory, path }, played)];
}

function showProgress({ kills, stops, acknowledged }: Played): void {
  const text = `\r${kills} kills, ${stops} stops, ${acknowledged} events acknowledged `;
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

function table(seed: number, played: Played, examination: Examination): string {
  const { rotations, found, torn, manifest, faults } = examination;
  const rows: [string, string | number][] = [
    ["seed", seed],
    ["writers started", played.accounts.length],
    ["cycles (kills)", played.kills],
    ["stops", played.stops],
    ["torn lines left on purpose", played.tears],
    ["rotations", rotations],
    ["acknowledged events", played.acknowledged],
    ["rejected events", played.accounts.reduce((sum, { refused }) => sum + refused.size, 0)],
    ["found events", found],
    ["torn lines (allowed)", torn],
    ["manifest", manifest],
    ...Object.entries(faults).map(([fault, list]): [string, number] => [fault, list.length]),
  ];
  return rows.map(([name, value]) => `${name.padEnd(34)}${value}`).join("\n");
}

const SHOWN_MAX = 10;

if (import.meta.main) {
  const args = argumentsOrExit(readArguments);
  const directory = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "scout_soak_" }));
  console.log(`seed ${args.seed}, log in ${directory}`);
  const [played, examination] = await play(directory, args);
  console.log(`${Deno.stdout.isTerminal() ? "\n" : ""}${table(args.seed, played, examination)}`);
  const faulty = Object.entries(examination.faults).filter(([, list]) => list.length > 0);
  for (const [fault, list] of faulty) {
    console.error(`\n${fault}:\n  ${list.slice(0, SHOWN_MAX).join("\n  ")}`);
  }
  if (faulty.length > 0) {
    console.error(`\nThe log was kept in ${directory}`);
    Deno.exit(1);
  }
  Deno.removeSync(directory, { recursive: true });
}
