/**
 * `scout prices check`: checks a table of prices, and shows which prices a model has.
 *
 * @module
 */
import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { digestOf, isPriced, priceFaults } from "../llm/price_faults.ts";
import {
  amountIn,
  type ModelPrices,
  nameInTable,
  NEEDED_PRICES,
  type PriceTable,
} from "../llm/price_table.ts";
import { nearestName } from "../options/nearest_name.ts";
import { counted, shownNumber, shownText, shownUsd } from "../shown.ts";
import type { Run } from "./command.ts";
import { tell } from "./messages.ts";
import { readPrices } from "./prices_file.ts";
import type { Output } from "./terminal.ts";
import { unexpectedInput } from "./usage_error.ts";

interface PricesOptions {
  readonly file: string;
  readonly models: readonly string[];
}

const check = command(
  "check",
  map(
    object({
      file: argument(string({ metavar: "FILE" }), {
        description: message`The table of prices, JSON`,
      }),
      models: multiple(option("--model", string({ metavar: "NAME" }), {
        description: message`Show the prices that a model has; may be repeated`,
      })),
    }),
    (options): Run => (output) => runCheck(options, output),
  ),
  {
    brief: message`Checks a table of prices`,
    description:
      message`Checks a table in the schema of LiteLLM's model_prices_and_context_window.json, which has USD per token. Exits with 1 if the file or a price is invalid, or the calls of a model of --model would have no cost.`,
    footer: message`Example: scout prices check prices.json --model gpt-4o-2024-08-06`,
  },
);

/** The `scout prices` command. */
export const pricesCommand: Parser<"sync", Run, unknown> = command(
  "prices",
  or(check, { errors: { unexpectedInput } }),
  { brief: message`Checks a table of prices of models` },
);

/** Maximum number of faults in prices to list. Other faults are only counted. */
const FAULTS_SHOWN = 20;

async function runCheck({ file, models }: PricesOptions, output: Output): Promise<number> {
  const table = readPrices(file);
  const names = Object.keys(table);
  const priced = names.filter((name) => isPriced(table[name]));
  output.line(
    `${counted(names.length, "model")}, ${shownNumber(priced.length)} with a price of input tokens`,
  );
  output.line(`SHA-256 ${digestOf(table)}`);
  const found = models.map((model) => ({ model, name: nameInTable(table, model) }));
  for (const { model, name } of found) {
    if (name !== undefined) output.line(modelLine(model, name, table[name]!));
  }
  await output.flush();
  const faults = found.map(({ model, name }) => modelFault(table, model, name));
  return tellFaults(table, faults.filter((each) => each !== null), priced.length);
}

/** Returns the prices of a model as a line, in USD per million tokens, as providers publish them. */
function modelLine(model: string, name: string, prices: ModelPrices): string {
  const shown = Object.entries(prices)
    .filter(([, value]) => typeof value === "number")
    .flatMap(([price, value]) => {
      const label = SHOWN.find(([each]) => each === price)?.[1];
      return label === undefined ? [] : [`${label} ${shownUsd((value as number) * 1e6)}`];
    });
  const entry = model === name ? "" : ` (as ${shownText(name)})`;
  const per = shown.length === 0 ? "no prices" : `${shown.join(", ")} per million tokens`;
  return `${shownText(model)}${entry}: ${per}`;
}

/** The prices that `--model` shows, each with its label in the output. */
const SHOWN: readonly (readonly [price: string, label: string])[] = [
  ["input_cost_per_token", "input"],
  ["output_cost_per_token", "output"],
  ["cache_read_input_token_cost", "cache read"],
  ["cache_creation_input_token_cost", "cache write"],
  ["cache_creation_input_token_cost_above_1hr", "cache write for an hour"],
];

/** Returns the reason why calls of a model would not have a cost; `null` if they would have a cost. */
function modelFault(table: PriceTable, model: string, name: string | undefined): string | null {
  if (name === undefined) {
    const near = nearestName(model, Object.keys(table));
    const hint = near === undefined ? "" : `; did you mean ${near}?`;
    return `Cannot find the prices of a model: ${model}${hint}`;
  }
  const prices = table[name]!;
  const missing = NEEDED_PRICES.filter((price) => amountIn(prices, price) === undefined);
  return missing.length === 0 || prices.tiered_pricing !== undefined
    ? null
    : `Cannot price calls of a model: ${name} lacks ${missing.join(" and ")}`;
}

/** Writes the faults to standard error, and returns the exit code. */
function tellFaults(
  table: PriceTable,
  ofModels: readonly string[],
  pricedCount: number,
): number {
  const faults = priceFaults(table).map(({ model, message }) => `${model}: ${message}`);
  if (faults.length > 0) {
    const more = faults.length - FAULTS_SHOWN;
    tell(`Cannot use ${counted(faults.length, "price")}`, [
      ...faults.slice(0, FAULTS_SHOWN),
      ...(more > 0 ? [`and ${shownNumber(more)} more`] : []),
    ]);
  }
  if (pricedCount === 0) {
    tell("Cannot use the table of prices: no model has input_cost_per_token (USD per token)");
  }
  for (const fault of ofModels) tell(fault);
  return faults.length + ofModels.length > 0 || pricedCount === 0 ? 1 : 0;
}
