/**
 * Makes the event of an imported call. Pure.
 *
 * @module
 */
import { type PriceTable, qualifiedName } from "../llm/price_table.ts";
import { costOf } from "../llm/prices.ts";
import type { TokenUsage } from "../llm/usage.ts";
import type { CallToAppend } from "./known_calls.ts";

/** An event to append, at its own time. */
export interface CallEvent {
  readonly epochMs: number;
  readonly event: string;
  /** The fields of the event, with `import_id`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Returns the event of a call. If the log has the call already, the event has only the amounts by which the call has
 * grown, and the field `adjusts` with the ID of the call. Such an event does not count as a call.
 */
export function callEvent(
  { call: { id, event, fields }, epochMs, usage, total, isGrowth }: CallToAppend,
  prices: PriceTable | undefined,
): CallEvent {
  const { session_id, model, provider, ...others } = fields;
  const names = { session_id, model, provider };
  const amounts = amountFields(usage, prices, { model, provider });
  if (isGrowth) {
    // The total after the growth makes the ID of each adjustment unique.
    const import_id = `${id}+${total.output_t ?? 0}.${total.input_t ?? 0}`;
    return { epochMs, event, fields: { ...names, ...amounts, adjusts: id, import_id } };
  }
  const isMissing = event === "llm_call" && usage === undefined;
  return {
    epochMs,
    event,
    fields: {
      ...names,
      ...amounts,
      usage: isMissing ? "missing" : undefined,
      ...others,
      import_id: id,
    },
  };
}

/** Returns the fields with the tokens and the cost of a usage. */
function amountFields(
  usage: TokenUsage | undefined,
  prices: PriceTable | undefined,
  { model, provider }: { model: string | undefined; provider: string | undefined },
): object {
  if (usage === undefined) return {};
  const { cost: _, ...counts } = usage;
  const found = costOf(usage, prices, qualifiedName(provider, model));
  return {
    ...counts,
    ...(found === undefined ? {} : { cost: found.cost, cost_source: found.source }),
  };
}
