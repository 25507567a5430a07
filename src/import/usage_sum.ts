/**
 * Adds and compares token usages, count by count. Pure.
 *
 * @module
 */
import type { TokenUsage } from "../llm/usage.ts";

/** The members of a usage that are amounts. */
const AMOUNTS = [
  "input_t",
  "output_t",
  "cache_read_t",
  "cache_write_t",
  "cache_write_1h_t",
  "reasoning_t",
  "audio_input_t",
  "audio_output_t",
  "image_input_t",
  "image_output_t",
  "cost",
] as const;

function combined(
  a: TokenUsage,
  b: TokenUsage,
  combine: (a: number, b: number) => number,
): TokenUsage {
  const result: { -readonly [Name in keyof TokenUsage]: TokenUsage[Name] } = { ...b, ...a };
  for (const name of AMOUNTS) {
    if (a[name] === undefined && b[name] === undefined) continue;
    result[name] = combine(a[name] ?? 0, b[name] ?? 0);
  }
  return result;
}

/** Returns the larger of each amount of two usages of the same call. */
export function largest(a: TokenUsage, b: TokenUsage): TokenUsage {
  return combined(a, b, Math.max);
}

/** Returns each amount of `a` minus that of `b`; amounts may be negative. */
export function difference(a: TokenUsage, b: TokenUsage): TokenUsage {
  return combined(a, b, (a, b) => a - b);
}

/** Returns the sum of two usages. */
export function sum(a: TokenUsage, b: TokenUsage): TokenUsage {
  return combined(a, b, (a, b) => a + b);
}

/**
 * Returns the amounts by which a usage has grown since it was recorded; `undefined` if none has grown. Amounts that have
 * not grown are left out.
 */
export function growth(usage: TokenUsage, recorded: TokenUsage): TokenUsage | undefined {
  const grown = AMOUNTS
    .map((name) => [name, rounded((usage[name] ?? 0) - (recorded[name] ?? 0))] as const)
    .filter(([, amount]) => amount > 0);
  if (grown.length === 0) return undefined;
  const { service_tier, inference_geo } = usage;
  return {
    ...Object.fromEntries(grown),
    ...(service_tier === undefined ? {} : { service_tier }),
    ...(inference_geo === undefined ? {} : { inference_geo }),
  };
}

/** Returns the amounts that an event states. */
export function usageIn(event: Readonly<Record<string, unknown>>): TokenUsage {
  return Object.fromEntries(
    AMOUNTS.map((name) => [name, event[name]]).filter(([, value]) => typeof value === "number"),
  );
}

/** Rounds an amount, because the result of a calculation with costs has an error in its last digits. */
export function rounded(amount: number): number {
  return Number(amount.toPrecision(12));
}
