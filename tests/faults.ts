/**
 * Runs the fault campaign: `deno task faults`, or `deno task faults --full` for ten times as many cases. The
 * program prints its seed; `--seed` repeats the same cases. With `--fleet` it tests how logs are shipped to
 * real NATS servers: to `nats-server` of this machine, or with `NATS_SERVER=PATH deno task faults --fleet` to another
 * version.
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
import { isMet, NATS_SERVER, REQUIREMENTS } from "./requirements.ts";
import { runCommand } from "./run_command.ts";

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

/** Returns a function that draws a bar for each running harness, if standard output is a terminal. */
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

/** Runs the fault campaign on single logs. Resolves with `true` if the logs broke none of their promises. */
async function tryLog({ seed, scale }: FaultArgs): Promise<boolean> {
  console.log(`seed ${seed}`);
  const findings = await runCampaign({ seed, scale, onProgress: progressBar() });
  console.log(`${Deno.stdout.isTerminal() ? "\r\x1b[K" : ""}${tableOf(findings, seed)}`);
  for (const { kind, text } of findings.faults.slice(0, SHOWN_MAX)) {
    console.error(`\n${kind}: ${text}`);
  }
  const short = shortfalls(findings, scale);
  for (const text of short) console.error(`\ntoo few cases: ${text}`);
  return findings.faults.length + short.length === 0;
}

/** Runs the fault scenarios of the fleet. Resolves with `true` if each stream holds its log exactly. */
async function tryFleet({ scale }: FaultArgs): Promise<boolean> {
  if (!await isMet("nats-server")) {
    const { remedy } = REQUIREMENTS["nats-server"];
    console.error(`Cannot test a fleet: nats-server is missing: ${remedy}`);
    return false;
  }
  const { stdout } = await runCommand(NATS_SERVER, { args: ["--version"] });
  console.log(stdout.trim());
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
