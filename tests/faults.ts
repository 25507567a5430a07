/**
 * Tries to make the log break its promises: `deno task faults`, or `deno task faults --full` for ten
 * times as much. The seed that it prints tries the same cases again with `--seed`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runCampaign, shortfalls, tableOf } from "./faults/campaign.ts";
import { argumentsOrExit, seedOf } from "./arguments.ts";

const FULL_SCALE = 10;
const BAR_LENGTH = 24;
const SHOWN_MAX = 20;

function readArguments(args: string[]): { seed: number; scale: number } {
  const options = { full: { type: "boolean" }, seed: { type: "string" } } as const;
  const { values } = parseArgs({ args, options });
  return { seed: seedOf(values.seed), scale: values.full === true ? FULL_SCALE : 1 };
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

if (import.meta.main) {
  const { seed, scale } = argumentsOrExit(readArguments);
  console.log(`seed ${seed}`);
  const findings = await runCampaign({ seed, scale, onProgress: progressBar() });
  console.log(`${Deno.stdout.isTerminal() ? "\r\x1b[K" : ""}${tableOf(findings, seed)}`);
  for (const { kind, text } of findings.faults.slice(0, SHOWN_MAX)) {
    console.error(`\n${kind}: ${text}`);
  }
  const short = shortfalls(findings, scale);
  for (const text of short) console.error(`\ntried too little: ${text}`);
  if (findings.faults.length + short.length > 0) Deno.exit(1);
}
