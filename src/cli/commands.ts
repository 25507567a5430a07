/**
 * Lists the commands of `scout`, and parses a command line with only the parser of the command that it names.
 *
 * Only that command is loaded, because loading all commands takes longer than running most of them.
 *
 * @module
 */
import { parse, type Parser } from "@optique/core/parser";
import type { Run } from "./command.ts";

/** The parser of a command. */
export type Command = Parser<"sync", Run, unknown>;

type Loaders = Readonly<Record<string, () => Promise<Command>>>;

// The commands in the order of the help. They are in two groups, because or() accepts at most 15 parsers.
const READING: Loaders = {
  status: async () => (await import("./status.ts")).statusCommand,
  tail: async () => (await import("./tail.ts")).tailCommand,
  query: async () => (await import("./query.ts")).queryCommand,
  spend: async () => (await import("./spend.ts")).spendCommand,
  stats: async () => (await import("./stats.ts")).statsCommand,
  metrics: async () => (await import("./metrics.ts")).metricsCommand,
  diff: async () => (await import("./diff.ts")).diffCommand,
  inflight: async () => (await import("./inflight.ts")).inflightCommand,
  budget: async () => (await import("./budget.ts")).budgetCommand,
  report: async () => (await import("./report.ts")).reportCommand,
  serve: async () => (await import("./serve.ts")).serveCommand,
};
const OTHERS: Loaders = {
  rotate: async () => (await import("./rotate.ts")).rotateCommand,
  import: async () => (await import("./import.ts")).importCommand,
  verify: async () => (await import("./verify.ts")).verifyCommand,
  head: async () => (await import("./head.ts")).headCommand,
  prune: async () => (await import("./prune.ts")).pruneCommand,
  ship: async () => (await import("./ship.ts")).shipCommand,
  fleet: async () => (await import("./fleet.ts")).fleetCommand,
  prices: async () => (await import("./prices.ts")).pricesCommand,
};
const LOADERS: Loaders = { ...READING, ...OTHERS };

/** The names of all commands, in the order of the help. */
export const COMMAND_NAMES: readonly string[] = Object.keys(LOADERS);

/** Options of every command that only the parser of all commands knows. */
const RUNNER_OPTIONS: readonly string[] = ["--help", "-h", "--version", "-V"];

/**
 * Parses a command line with the parser of the command that its first argument names. Resolves with undefined for a
 * request for help and for a usage error. The caller then uses the parser of all commands.
 */
export async function parseCommand(args: readonly string[]): Promise<Run | undefined> {
  const [name = ""] = args;
  if (!Object.hasOwn(LOADERS, name)) return undefined;
  if (args.some((arg) => RUNNER_OPTIONS.includes(arg))) return undefined;
  const parsed = parse(await LOADERS[name]!(), args);
  return parsed.success ? parsed.value : undefined;
}

/** Loads all commands, in two groups. */
export async function loadCommands(): Promise<{ reading: Command[]; others: Command[] }> {
  const [reading, others] = await Promise.all(
    [READING, OTHERS].map((loaders) => Promise.all(Object.values(loaders).map((load) => load()))),
  );
  return { reading: reading!, others: others! };
}
