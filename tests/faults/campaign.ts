/**
 * Runs all fault harnesses (programs that inject faults into logs and check the outcome), and formats the table of
 * their cases and faults.
 *
 * @module
 */
import { errors } from "./errors.ts";
import { fuzzReader } from "./fuzz_reader.ts";
import { fuzzWriter } from "./fuzz_writer.ts";
import { FAULT_KINDS, Findings, type Harness } from "./harness.ts";
import { powerLoss } from "./power_loss.ts";
import { realKills } from "./real_kills.ts";
import { simulatedKills } from "./simulated_kills.ts";
import { WORKLOADS } from "./workloads.ts";

/** Minimum numbers of cases at scale 1. If a campaign runs fewer cases, it fails, because it would prove too little. */
const TRIED_MIN: Readonly<Record<string, number>> = {
  "power-loss states": 20_000,
  "error injections": 500,
  "simulated kills": 4_500,
  "real kills": 400,
  "real kills during recovery": 100,
  "fuzz cases": 40_000,
};

/** Kinds of cases that a whole campaign must run. If one is missing, the campaign fails. */
const REACHED: readonly string[] = [
  ...["power loss", "errors", "simulated kills"].flatMap((harness) =>
    WORKLOADS.map(({ name }) => `${harness}: ${name}`)
  ),
  "simulated kills: in recovery",
  "simulated kills: beside a survivor",
];

/** Options of a campaign. */
export interface Campaign {
  readonly seed: number;
  readonly scale: number;
  /** Called from time to time with the name of a harness and its completed share, from 0 to 1. */
  readonly onProgress: (harness: string, share: number) => void;
}

/**
 * Runs all harnesses. The harness of real kills waits for other processes, so it runs concurrently with the harnesses
 * that simulate disks in memory.
 */
export async function runCampaign(campaign: Campaign): Promise<Findings> {
  const all = new Findings();
  await Promise.all([
    runInTurn([realKills], campaign, all),
    runInTurn([powerLoss, errors, simulatedKills, fuzzReader, fuzzWriter], campaign, all),
  ]);
  return all;
}

async function runInTurn(
  harnesses: readonly Harness[],
  { seed, scale, onProgress }: Campaign,
  all: Findings,
): Promise<void> {
  for (const { name, run } of harnesses) {
    const findings = await run({
      seed,
      scale,
      onProgress: (done, of) => onProgress(name, done / of),
    });
    for (const [what, cases] of findings.tried) all.count(what, cases);
    for (const kind of findings.reached) all.reached.add(kind);
    all.faults.push(...findings.faults);
    all.skipped.push(...findings.skipped);
  }
}

/**
 * Returns the counts of cases that are too low, and the kinds of cases that were not run. If something was skipped,
 * returns an empty array. At a scale below 1, some kinds may be missing.
 */
export function shortfalls({ tried, reached, skipped }: Findings, scale: number): string[] {
  if (skipped.length > 0) return [];
  const tooFew = Object.entries(TRIED_MIN)
    .filter(([what, min]) => (tried.get(what) ?? 0) < min * scale)
    .map(([what, min]) => `${what}: ${tried.get(what) ?? 0} of ${min * scale}`);
  const missed = scale < 1 ? [] : REACHED.filter((kind) => !reached.has(kind));
  return [...tooFew, ...missed];
}

/** Returns the table of the cases that were run and the faults that were found. */
export function tableOf({ tried, faults, skipped }: Findings, seed: number): string {
  const rows: [string, string][] = [
    ["seed", String(seed)],
    ...[...tried].map(([what, cases]): [string, string] => [what, cases.toLocaleString("en")]),
    ...FAULT_KINDS.map((kind): [string, string] => {
      const label = kind === "other" ? "other promises broken" : kind;
      return [label, String(faults.filter((fault) => fault.kind === kind).length)];
    }),
  ];
  const table = rows.map(([name, value]) => `${name.padEnd(30)}${value.padStart(12)}`);
  return [...table, ...skipped.map((text) => `skipped: ${text}`)].join("\n");
}
