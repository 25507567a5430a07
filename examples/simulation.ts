#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * Simulates an hour of agents at work within a moment. Several agents navigate, write briefs and make gate decisions
 * (compress or escalate) at the same time. Before each call, an agent holds the maximum cost of the call on an hourly
 * budget. If a call of the large model does not fit on the budget, the agent calls the small model instead. If that
 * call does not fit either, the agent stops. The same seed always produces the same simulation.
 *
 *     examples/simulation.ts [--seed N] [--budget USD]
 *
 * @module
 */
import { emptyDir } from "@std/fs";
import { parseArgs } from "node:util";
import {
  AuditLog,
  type AuditLogger,
  type Budget,
  BudgetError,
  type BudgetHold,
} from "@vivarium/scout";
import { numberOption, runCommand } from "./command_line.ts";
import { costUsd, type Model, PRICES } from "./prices.ts";
import { printTable, usd } from "./table.ts";

const AGENTS = ["scout", "mapper", "writer", "critic"];
/** The types of the events that the agents log. The log also has events of the budget. */
const TYPES = ["nav", "validation_fail", "brief", "tldr", "gate_compress", "gate_escalate"];
const STEPS_PER_AGENT = 120;
const START_MS = Date.UTC(2026, 1, 13, 14);

/** Options of {@linkcode simulate}. */
export interface SimulationOptions {
  /** Directory of the log. Its contents are deleted first. */
  dir: string;
  /** Seed of all random numbers. */
  seed: number;
  /** Amount that the agents may spend in an hour, in USD. */
  budgetUsdPerHour: number;
}

/** Runs the simulation, then prints how many events it logged and what they cost. */
export async function simulate(options: SimulationOptions): Promise<void> {
  await emptyDir(options.dir);
  let nowMs = START_MS;
  const clock = {
    now: () => nowMs,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
  await using log = await AuditLog.open({
    path: `${options.dir}/audit.jsonl`,
    sessionId: `simulation-seed-${options.seed}`,
    now: clock.now,
  });
  const limit = { usd: options.budgetUsdPerHour };
  const agents = await Promise.all(AGENTS.map(async (agent) => {
    const logger = log.child({ agent });
    return { logger, budget: await logger.budget({ name: "hour", limit, hours: 1 }) };
  }));
  const world = { random: mulberry32(options.seed), clock };
  let active: readonly Agent[] = agents;
  for (let step = 0; step < STEPS_PER_AGENT && active.length > 0; step++) {
    const calls = await Promise.all(active.map((agent) => startCall(agent, world)));
    active = active.filter((_, n) => calls[n] !== null);
    // The simulated clock stands still until all agents have reserved their costs, so that the time of a reservation
    // does not depend on the speed of the disk.
    await Promise.all(calls.map((finishCall) => finishCall?.()));
  }
  const { spent, left } = await agents[0]!.budget.state();
  const stopReason = active.length > 0
    ? undefined
    : `${usd(spent)} of ${usd(limit.usd)} spent, and no call fits ${usd(left)}`;
  await printReport(log, { minutes: (nowMs - START_MS) / 60_000, stopReason });
}

/** An agent, and the budget that all agents share. */
interface Agent {
  logger: AuditLogger;
  budget: Budget;
}

interface World {
  random: () => number;
  clock: { pass: (ms: number) => void };
}

/** Maximum number of output tokens of a call. */
const MAX_OUTPUT_TOKENS = 420;

/**
 * Reserves (holds) the maximum cost of the next call of an agent. Resolves with a function that makes the call and logs
 * it, or with null if the budget has no room for the call. Draws all random numbers before the first await, so that the
 * seed determines them.
 */
async function startCall(
  { logger, budget }: Agent,
  { random, clock }: World,
): Promise<(() => Promise<void>) | null> {
  const chance = random();
  const wanted: Model = random() < 0.2 ? "large" : "small";
  const input_t = 200 + Math.floor(random() * 4_000);
  const output_t = 20 + Math.floor(random() * (MAX_OUTPUT_TOKENS - 20));
  const duration_ms = 100 + Math.floor(random() * 14_000);
  const file = `src/module_${Math.floor(random() * 40)}.ts`;
  const fails = random() < 0.12;
  const confidence = Math.floor(random() * 101);
  const gate = confidence < 45 ? "gate_escalate" : "gate_compress";
  const held = await holdFor(budget, wanted, input_t);
  if (held === null) return null;
  const { hold, model } = held;
  const cost = costUsd(PRICES[model], input_t, output_t);
  const call = { model, input_t, output_t, duration_ms, cost };
  return async () => {
    clock.pass(duration_ms);
    if (chance < 0.6) {
      await hold.settle("nav", { ...call, files: [file] });
      if (fails) await logger.log("validation_fail", { reason: `${file} does not exist` });
    } else if (chance < 0.75) await hold.settle("brief", call);
    else if (chance < 0.85) await hold.settle("tldr", call);
    else await hold.settle(gate, { ...call, confidence });
  };
}

/**
 * Holds the maximum cost of a call of the wanted model. If that cost does not fit on the budget, tries the small model.
 * Resolves with null if neither fits.
 */
async function holdFor(
  budget: Budget,
  wanted: Model,
  inputTokens: number,
): Promise<{ hold: BudgetHold; model: Model } | null> {
  for (const model of new Set<Model>([wanted, "small"])) {
    try {
      const maximum = costUsd(PRICES[model], inputTokens, MAX_OUTPUT_TOKENS);
      return { hold: await budget.hold({ usd: maximum, fields: { model } }), model };
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
    }
  }
  return null;
}

async function printReport(
  log: AuditLog,
  end: { minutes: number; stopReason: string | undefined },
): Promise<void> {
  const counts = new Map<string, number>();
  const costs = { model: new Map<string, number>(), agent: new Map<string, number>() };
  for await (const { event = "?", model, agent, cost } of log.query({ eventType: TYPES })) {
    add(counts, event, 1);
    if (typeof model === "string") add(costs.model, model, cost ?? 0);
    if (typeof agent === "string") add(costs.agent, agent, cost ?? 0);
  }
  const accuracy = await log.accuracyMetrics(START_MS);
  const gate = await log.gateMetrics();
  const total = await log.hourlySpend(24);

  console.log(`${AGENTS.length} agents at work for ${end.minutes.toFixed(1)} simulated minutes`);
  console.log(`stopped: ${end.stopReason ?? "all steps taken, budget left"}`);
  printTable("What happened", sorted(counts).map(([name, count]) => [name, `${count}`]));
  printTable(
    "What it cost, by model",
    sorted(costs.model).map(([name, cost]) => [name, usd(cost)]),
  );
  printTable(
    "What it cost, by agent",
    sorted(costs.agent).map(([name, cost]) => [name, usd(cost)]),
  );
  printTable("Summary", [
    ["spend", usd(total)],
    ["accuracy", `${accuracy.accuracyPct} % of ${accuracy.totalNav} navs`],
    ["gate", `${gate.passRatePct} % of ${gate.total} passed`],
  ]);
  printTable(
    "The last five events",
    (await log.lastEvents(5, { eventType: TYPES })).map(({ ts = "", event = "", agent, cost }) => [
      `${ts}  ${event}`,
      `${agent}`,
      typeof cost === "number" ? usd(cost) : "",
    ]),
  );
  const scout = "deno run --allow-read src/cli/main.ts";
  console.log(`\nThe log: ${log.path}`);
  console.log(`Query it: ${scout} spend ${log.path} --since 2026-02-13 --by model`);
}

function add(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}

function sorted(sums: ReadonlyMap<string, number>): [string, number][] {
  return [...sums].sort((a, b) => b[1] - a[1]);
}

/** Returns a random number generator for [0, 1) with a seed: Tommy Ettinger's mulberry32, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function parseSimulationArgs(args: string[]): SimulationOptions {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: "1" },
      budget: { type: "string", default: "0.5" },
    },
  });
  return {
    dir: ".demo/simulation",
    seed: numberOption("seed", values.seed),
    budgetUsdPerHour: numberOption("budget", values.budget, 0),
  };
}

if (import.meta.main) Deno.exitCode = await runCommand(parseSimulationArgs, simulate);
