/**
 * The sums that `scout import --dry-run` shows: the new calls by model, and each part of the stated usage that does not
 * count.
 *
 * @module
 */
import { PreciseSum } from "../../cost/precise_sum.ts";
import { amountIn } from "../../cost/spend.ts";
import type { LeftOutReason, UsageListener } from "../../import/stated_call.ts";
import type { TokenUsage } from "../../llm/usage.ts";
import { counted, shownNumber, shownText, shownUsd } from "../../shown.ts";
import { textTable } from "../text_table.ts";

/** The row of events without a model. */
const NO_MODEL = "(none)";

/** Number of records or calls, and their tokens. */
interface Tokens {
  records: number;
  input: number;
  output: number;
}

/** The sums of the events of one model. */
interface ModelSums extends Tokens {
  readonly usd: PreciseSum;
  /** Number of records with tokens but without a cost. */
  unpriced: number;
}

/** A part of the stated usage that does not count, and the reason. */
export interface LeftOutPart extends Readonly<Tokens> {
  readonly reason: LeftOutReason | "calls that were imported before";
}

/** Sums up the events that an import would append, and the token usage that it leaves out. */
export class ImportSums implements UsageListener {
  readonly #stated: Tokens = { records: 0, input: 0, output: 0 };
  readonly #leftOut = new Map<LeftOutPart["reason"], Tokens>();
  readonly #models = new Map<string, ModelSums>();
  readonly #types = new Map<string, number>();

  /** Adds the usage that a record of a transcript states, whether it counts or not. */
  stated(usage: TokenUsage): void {
    addTo(this.#stated, usage, 1);
  }

  /** Adds a usage that the files state but that is not imported, with the reason. */
  leftOut(reason: LeftOutPart["reason"], usage: TokenUsage, records: number): void {
    const tokens = this.#leftOut.get(reason) ?? { records: 0, input: 0, output: 0 };
    addTo(tokens, usage, records);
    this.#leftOut.set(reason, tokens);
  }

  /** Adds an event that would be appended. */
  addEvent(type: string, { model, cost, input_t, output_t, adjusts }: EventAmounts): void {
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1);
    const [usd, input, output] = [amountIn(cost), amountIn(input_t), amountIn(output_t)];
    if (usd === null && input === null && output === null) return;
    const name = typeof model === "string" ? model : NO_MODEL;
    const sums = this.#models.get(name) ??
      { records: 0, input: 0, output: 0, usd: new PreciseSum(), unpriced: 0 };
    this.#models.set(name, sums);
    if (adjusts === undefined) sums.records++;
    sums.input += input ?? 0;
    sums.output += output ?? 0;
    if (usd === null) sums.unpriced++;
    else sums.usd.add(usd);
  }

  /** Names of the models whose calls have tokens but no cost. */
  get unpricedModels(): readonly string[] {
    return [...this.#models].filter(([, { unpriced }]) => unpriced > 0).map(([name]) => name);
  }

  /** Returns the sums by event type and by model, and the parts that are left out, as JSON. */
  toJSON() {
    return {
      types: Object.fromEntries(this.#types),
      models: this.#rows().map(([model, { records, input, output, usd }]) => ({
        model,
        calls: records,
        input_t: input,
        output_t: output,
        usd: usd.value,
      })),
      stated: this.#stated.records === 0 ? null : jsonOf(this.#stated),
      leftOut: [...this.#leftOut].map(([reason, tokens]) => ({ reason, ...jsonOf(tokens) })),
    };
  }

  /** Returns the sums as lines of text. Empty if no event has tokens or a cost. */
  lines(): string[] {
    const lines: string[] = [];
    if (this.#types.size > 0) {
      const types = [...this.#types].map(([type, count]) =>
        `${shownNumber(count)} ${shownText(type)}`
      );
      lines.push("", `New events: ${types.join(", ")}`);
    }
    if (this.#models.size > 0) lines.push("", ...this.#modelTable());
    if (this.#leftOut.size > 0) lines.push("", ...this.#leftOutTable());
    return lines;
  }

  #rows(): [string, ModelSums][] {
    return [...this.#models].sort(([, a], [, b]) =>
      b.usd.value - a.usd.value || b.input + b.output - a.input - a.output
    );
  }

  #modelTable(): string[] {
    const total: ModelSums = {
      records: 0,
      input: 0,
      output: 0,
      usd: new PreciseSum(),
      unpriced: 0,
    };
    const rows = this.#rows();
    for (const [, sums] of rows) {
      total.records += sums.records;
      total.input += sums.input;
      total.output += sums.output;
      total.usd.addSum(sums.usd);
      total.unpriced += sums.unpriced;
    }
    const shown = rows.length > 1 ? [...rows, ["total", total] as const] : rows;
    return textTable([
      ["new, by model", "calls", "input tokens", "output tokens", "USD"],
      ...shown.map(([model, { records, input, output, usd, unpriced }]) => [
        shownText(model),
        ...shownTokens({ records, input, output }),
        unpriced >= records && usd.value === 0 ? "-" : shownUsd(usd.value),
      ]),
    ]);
  }

  /** Shows how the sum of all stated usages becomes the sum of the new calls, so that each difference is explained. */
  #leftOutTable(): string[] {
    const rest = { ...this.#stated };
    const rows = [...this.#leftOut].map(([reason, tokens]) => {
      rest.records -= tokens.records;
      rest.input -= tokens.input;
      rest.output -= tokens.output;
      return [`- ${reason}`, ...shownTokens(tokens)];
    });
    return textTable([
      ["usage", "records", "input tokens", "output tokens"],
      ["stated in the files", ...shownTokens(this.#stated)],
      ...rows,
      ["= new", ...shownTokens(rest)],
    ]);
  }
}

/** The fields of an event that the sums read. */
interface EventAmounts {
  readonly model?: unknown;
  readonly cost?: unknown;
  readonly input_t?: unknown;
  readonly output_t?: unknown;
  readonly adjusts?: unknown;
}

function addTo(tokens: Tokens, { input_t = 0, output_t = 0 }: TokenUsage, records: number): void {
  tokens.records += records;
  tokens.input += input_t;
  tokens.output += output_t;
}

function jsonOf({ records, input, output }: Tokens) {
  return { records, input_t: input, output_t: output };
}

function shownTokens({ records, input, output }: Tokens): string[] {
  return [records, input, output].map(shownNumber);
}

/** Returns a message that names the models whose calls have no cost; null if there are no such models. */
export function unpricedMessage(models: readonly string[]): string | null {
  if (models.length === 0) return null;
  const shown = models.slice(0, 5).join(", ");
  const more = models.length > 5 ? ` and ${counted(models.length - 5, "other model")}` : "";
  return `imported without a cost: the calls of ${shown}${more}, because --prices has no prices of these models`;
}
