#!/usr/bin/env -S deno run --allow-read --allow-write=.demo --allow-net=127.0.0.1
/**
 * The program that `deno task demo` runs: a simulation and calls of models over HTTP, or a replay of a trace.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { numberOption, runCommand } from "./command_line.ts";
import { callModels } from "./llm.ts";
import { PRICES } from "./prices.ts";
import { replayTrace } from "./replay_trace.ts";
import { simulate } from "./simulation.ts";

const USAGE = `Usage: deno task demo [--seed N] [--budget USD]
       deno task demo --trace FILE

Simulates an hour of agents at work, and calls of models over HTTP, which a server on this
machine answers. Or replays a CSV file with the columns TIMESTAMP, ContextTokens and
GeneratedTokens. Prints the events and their cost. The logs stay in .demo/.`;

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
    seed: numberOption("seed", values.seed),
    budgetUsdPerHour: numberOption("budget", values.budget, 0),
  };
}

async function run({ trace, help, seed, budgetUsdPerHour }: DemoArgs): Promise<void> {
  if (help) console.log(USAGE);
  else if (trace === undefined) {
    await simulate({ dir: ".demo/simulation", seed, budgetUsdPerHour });
    await callModels({ dir: ".demo/llm" });
  } else await replayTrace({ tracePath: trace, dir: ".demo/trace", prices: PRICES.large });
}

Deno.exitCode = await runCommand(parseDemoArgs, run);
