#!/usr/bin/env -S deno run --allow-read --allow-write=.demo
/**
 * What `deno task demo` runs.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { PRICES } from "./prices.ts";
import { replayTrace } from "./replay_trace.ts";
import { simulate } from "./simulation.ts";

const USAGE = `Usage: deno task demo [--seed N] [--budget USD]
       deno task demo --trace FILE

Plays an hour of agents at work, or replays a CSV of TIMESTAMP,ContextTokens,GeneratedTokens, and
prints what happened and what it cost. The logs are left in .demo/.`;

interface DemoArgs {
  trace: string | undefined;
  help: boolean;
  seed: number;
  budgetUsdPerHour: number;
}

function parseDemoArgs(args: string[]): DemoArgs {
  const { values } = parseArgs({
    args,
    options: {
      trace: { type: "string" },
      seed: { type: "string", default: "1" },
      budget: { type: "string", default: "0.5" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    trace: values.trace,
    help: values.help,
    seed: numberOf("seed", values.seed),
    budgetUsdPerHour: numberOf("budget", values.budget),
  };
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) {
    throw new TypeError(`Option --${name} must be a number: ${text}`);
  }
  return number;
}

async function main(args: string[]): Promise<number> {
  let options: DemoArgs;
  try {
    options = parseDemoArgs(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
  const { trace, help, seed, budgetUsdPerHour } = options;
  if (help) {
    console.log(USAGE);
    return 0;
  }
  try {
    if (trace === undefined) await simulate({ dir: ".demo/simulation", seed, budgetUsdPerHour });
    else await replayTrace({ tracePath: trace, dir: ".demo/trace", price: PRICES.large });
    return 0;
  } catch (error) {
    // What is wrong with the user's file is told in a line; anything else is ours and shows its stack.
    if (!(error instanceof SyntaxError || error instanceof Deno.errors.NotFound)) throw error;
    console.error(error.message);
    return 1;
  }
}

Deno.exitCode = await main(Deno.args);
