/**
 * The sums that `scout import --dry-run` shows: the new calls by model, and each part of the stated usage that does not
 * count.
 *
 * @module
 */
import { PreciseSum } from "../../cost/precise_sum.ts";
import { amountIn } from "../../cost/spend.ts";
import type { AddedAmounts } from "../../import/known_calls.ts";
import type { LeftOutReason, UsageListener } from "../../import/stated_call.ts";
import type { TokenUsage } from "../../llm/usage.ts";
import { isAdjustment } from "../../rollup/spend_tally.ts";
import { counted, shownNumber, shownText, shownUsd } from "../../shown.ts";
import { textTable } from "../text_table.ts";

/** Maximum number of models without a price that a message names. */
const MODELS_SHOWN = 5;
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
  /** Number of model calls whose usage no file states. */
  #withoutUsage = 0;

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

  /** Adds the amounts that would be appended for a call of a transcript. */
  addCall({ event, model, usage, cost, isNew }: AddedAmounts): void {
    const amounts = { ...usage, model, cost: cost?.cost };
    this.addEvent(event, isNew ? amounts : { ...amounts, adjusts: "", import_id: "" });
    if (isNew && event === "llm_call" && usage === undefined) this.#withoutUsage++;
  }

  /** Adds an event that would be appended. */
  addEvent(
    type: string,
    { model, cost, input_t, output_t, adjusts, import_id }: EventAmounts,
  ): void {
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1);
    const [usd, input, output] = [amountIn(cost), amountIn(input_t), amountIn(output_t)];
    if (usd === null && input === null && output === null) return;
    const name = typeof model === "string" ? model : NO_MODEL;
    const sums = this.#models.get(name) ??
      { records: 0, input: 0, output: 0, usd: new PreciseSum(), unpriced: 0 };
    this.#models.set(name, sums);
    const isGrowth = isAdjustment({ adjusts, import_id });
    if (!isGrowth) sums.records++;
    sums.input += input ?? 0;
    sums.output += output ?? 0;
    if (usd !== null) sums.usd.add(usd);
    else if (!isGrowth) sums.unpriced++;
  }

  /**
   * Returns a message about the calls that have tokens but no cost; null if every call has a cost.
   *
   * @param hasPrices Whether the user has passed a table of prices.
   */
  unpricedMessage(hasPrices: boolean): string | null {
    const unpriced = [...this.#models].filter(([, { unpriced }]) => unpriced > 0);
    if (unpriced.length === 0) return null;
    const calls = counted(unpriced.reduce((sum, [, { unpriced }]) => sum + unpriced, 0), "call");
    if (!hasPrices) {
      return `${calls} without a cost, because the files state none; --prices FILE adds the costs, also later`;
    }
    const names = unpriced.slice(0, MODELS_SHOWN).map(([name]) => name).join(", ");
    const more = unpriced.length - MODELS_SHOWN;
    const others = more > 0 ? ` and ${counted(more, "other model")}` : "";
    return `${calls} without a cost, because --prices has no prices of ${names}${others}`;
  }

  /** Returns the sums by event type and by model, and the parts that are left out, as JSON. */
  toJSON() {
    return {
      types: Object.fromEntries(this.#types),
      models: this.#rows().map(([model, { records, input, output, usd, unpriced }]) => ({
        model,
        calls: records,
        input_t: input,
        output_t: output,
        usd: isUnpriced(records, unpriced, usd) ? null : usd.value,
      })),
      stated: this.#stated.records === 0 ? null : jsonOf(this.#stated),
      leftOut: [...this.#leftOut].map(([reason, tokens]) => ({ reason, ...jsonOf(tokens) })),
    };
  }

  /** Returns the sums as lines of text. Empty if no event has tokens or a cost. */
  lines(): string[] {
    const lines: string[] = [];
    if (this.#types.size > 0) {
      const types = [...this.#types].sort().map(([type, count]) =>
        `${shownNumber(count)} ${shownText(type)}`
      );
      const missing = this.#withoutUsage === 0
        ? ""
        : ` (${shownNumber(this.#withoutUsage)} without usage)`;
      lines.push("", `Events to import: ${types.join(", ")}${missing}`);
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
      ["to import, by model", "new calls", "input tokens", "output tokens", "USD"],
      ...shown.map(([model, { records, input, output, usd, unpriced }]) => [
        shownText(model),
        ...shownTokens({ records, input, output }),
        isUnpriced(records, unpriced, usd) ? "-" : shownUsd(usd.value),
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
      ["= to import", ...shownTokens(rest)],
    ]);
  }
}

/** Checks whether all costs of a model are unknown. */
function isUnpriced(records: number, unpriced: number, usd: PreciseSum): boolean {
  return unpriced >= records && usd.value === 0 && unpriced > 0;
}

/** The fields of an event that the sums read. */
interface EventAmounts {
  readonly model?: unknown;
  readonly cost?: unknown;
  readonly input_t?: unknown;
  readonly output_t?: unknown;
  readonly adjusts?: unknown;
  readonly import_id?: unknown;
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
