/**
 * Tries to make the log break its promises: `deno task faults`, or `deno task faults --full` for ten
 * times as much. The seed that it prints tries the same cases again with `--seed`. With `--fleet` it is the
 * copies of logs in real servers of NATS that are tried.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runCampaign, shortfalls, tableOf } from "./faults/campaign.ts";
import { argumentsOrExit, seedOf } from "./arguments.ts";
import {
  FAULT_SCENES,
  type Outcome,
  outcomeOf,
  tableOf as fleetTableOf,
} from "./fleet/campaign.ts";
import { findTool } from "./run_command.ts";

const FULL_SCALE = 10;
const BAR_LENGTH = 24;
const SHOWN_MAX = 20;

interface FaultArgs {
  readonly seed: number;
  readonly scale: number;
  readonly isFleet: boolean;
}

function readArguments(args: string[]): FaultArgs {
  const options = {
    full: { type: "boolean" },
    seed: { type: "string" },
    fleet: { type: "boolean", default: false },
  } as const;
  const { values } = parseArgs({ args, options });
  const scale = values.full === true ? FULL_SCALE : 1;
  return { seed: seedOf(values.seed), scale, isFleet: values.fleet };
}

/** A bar for what runs, on a terminal; the real kills have one of their own beside it. */
function progressBar(): (harness: string, share: number) => void {
  if (!Deno.stdout.isTerminal()) return () => {};
  const shares = new Map<string, number>();
  let drawn = "";
  return (harness, share) => {
    shares.set(harness, share);
    const running = [...shares].filter(([, share]) => share < 1);
    const line = running.map(([name, share]) => `${name} ${barOf(share)}`).join("  ");
    if (line === drawn) return;
    drawn = line;
    Deno.stdout.writeSync(new TextEncoder().encode(`\r\x1b[K${line}`));
  };
}

function barOf(share: number): string {
  const filled = Math.floor(share * BAR_LENGTH);
  return `[${"#".repeat(filled)}${".".repeat(BAR_LENGTH - filled)}] ${Math.floor(share * 100)} %`;
}

/** Tries the log itself; tells whether it has kept its promises. */
async function tryLog({ seed, scale }: FaultArgs): Promise<boolean> {
  console.log(`seed ${seed}`);
  const findings = await runCampaign({ seed, scale, onProgress: progressBar() });
  console.log(`${Deno.stdout.isTerminal() ? "\r\x1b[K" : ""}${tableOf(findings, seed)}`);
  for (const { kind, text } of findings.faults.slice(0, SHOWN_MAX)) {
    console.error(`\n${kind}: ${text}`);
  }
  const short = shortfalls(findings, scale);
  for (const text of short) console.error(`\ntried too little: ${text}`);
  return findings.faults.length + short.length === 0;
}

/** Tries the copies of logs in a fleet; tells whether they are what they should be. */
async function tryFleet({ scale }: FaultArgs): Promise<boolean> {
  if (await findTool("nats-server") === null) {
    console.error("A fleet needs: apt-get install nats-server");
    return false;
  }
  const outcomes: Outcome[] = [];
  for (const scene of FAULT_SCENES) {
    console.error(`${scene.what}, ${scene.times * scale} times`);
    outcomes.push(await outcomeOf({ ...scene, times: scene.times * scale }));
  }
  console.log(fleetTableOf(outcomes));
  return outcomes.every(({ isExact, lost, doubled }) => isExact && lost + doubled === 0);
}

if (import.meta.main) {
  const args = argumentsOrExit(readArguments);
  if (!await (args.isFleet ? tryFleet : tryLog)(args)) Deno.exit(1);
}
