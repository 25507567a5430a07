import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isPriced, priceFaults } from "../../src/llm/price_faults.ts";
import { nameInTable, type PriceTable } from "../../src/llm/price_table.ts";
import { costOf, priceLack } from "../../src/llm/prices.ts";
import type { TokenUsage } from "../../src/llm/usage.ts";

/** Prices with every kind of variant. The figures are invented. */
const PRICES: PriceTable = {
  "cached": {
    input_cost_per_token: 3e-6,
    output_cost_per_token: 15e-6,
    cache_read_input_token_cost: 0.3e-6,
    cache_creation_input_token_cost: 3.75e-6,
    cache_creation_input_token_cost_above_1hr: 6e-6,
    input_cost_per_token_above_200k_tokens: 6e-6,
    output_cost_per_token_above_200k_tokens: 22.5e-6,
    cache_read_input_token_cost_above_200k_tokens: 0.6e-6,
    cache_creation_input_token_cost_above_200k_tokens: 7.5e-6,
    cache_creation_input_token_cost_above_1hr_above_200k_tokens: 12e-6,
    provider_specific_entry: { fast: 6, us: 1.1 },
  },
  "plain": { input_cost_per_token: 1e-6, output_cost_per_token: 4e-6 },
  "two-thresholds": {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    input_cost_per_token_above_128k_tokens: 2e-6,
    input_cost_per_token_above_512_tokens: 1.5e-6,
  },
  "grok": {
    litellm_provider: "xai",
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    input_cost_per_token_above_128k_tokens: 2e-6,
  },
  "tiers": {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 4e-6,
    cache_read_input_token_cost: 0.5e-6,
    input_cost_per_token_priority: 2e-6,
    output_cost_per_token_priority: 8e-6,
    input_cost_per_token_flex: 0.5e-6,
    output_cost_per_token_flex: 2e-6,
    input_cost_per_token_above_200k_tokens: 3e-6,
    input_cost_per_token_above_200k_tokens_priority: 5e-6,
  },
  "ranges": {
    tiered_pricing: [
      { range: [32_000, 128_000], input_cost_per_token: 2e-6, output_cost_per_token: 6e-6 },
      { range: [0, 32_000], input_cost_per_token: 1e-6, output_cost_per_token: 5e-6 },
    ],
  },
  "parts": {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    output_cost_per_reasoning_token: 3e-6,
    input_cost_per_audio_token: 10e-6,
    output_cost_per_audio_token: 20e-6,
    output_cost_per_image_token: 30e-6,
  },
  "flex-above": {
    input_cost_per_token: 2e-6,
    output_cost_per_token: 10e-6,
    input_cost_per_token_flex: 1e-6,
    output_cost_per_token_flex: 5e-6,
    output_cost_per_reasoning_token: 3e-6,
    input_cost_per_token_above_272k_tokens: 4e-6,
    output_cost_per_token_above_272k_tokens: 15e-6,
  },
  "null-threshold": {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 1e-6,
    input_cost_per_token_above_128k_tokens: 2e-6,
    input_cost_per_token_above_200k_tokens: null,
  } as unknown as PriceTable[string],
  "cached-ranges": {
    cache_read_input_token_cost: 0.1e-6,
    output_cost_per_token: 9e-6,
    tiered_pricing: [
      null,
      { range: "all" },
      { range: [0, 10], input_cost_per_token: 1e-6 },
      { range: [10, 20], input_cost_per_token: 2e-6, output_cost_per_token: 3e-6 },
    ] as unknown as object[],
  },
  "embedding": { input_cost_per_token: 1e-7, output_cost_per_token: 0 },
  "image": { output_cost_per_image: 0.04 },
  "no-hour": {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    cache_creation_input_token_cost: 1.25e-6,
  },
};

/** USD per million calls, so that the expected figures are short. */
const VECTORS: readonly [name: string, model: string, usage: TokenUsage, micros: number][] = [
  ["no cache", "cached", { input_t: 1_000, output_t: 100 }, 3_000 + 1_500],
  [
    "a cache read, which is not billed as input too",
    "cached",
    { input_t: 1_000, output_t: 100, cache_read_t: 900 },
    300 + 270 + 1_500,
  ],
  [
    "a cache write for five minutes",
    "cached",
    { input_t: 1_000, output_t: 100, cache_write_t: 900 },
    300 + 3_375 + 1_500,
  ],
  [
    "cache writes for five minutes and for an hour",
    "cached",
    { input_t: 1_000, output_t: 100, cache_write_t: 900, cache_write_1h_t: 500 },
    300 + 1_500 + 3_000 + 1_500,
  ],
  [
    "a read and writes, at the threshold with the cached tokens",
    "cached",
    { input_t: 200_000, output_t: 10, cache_read_t: 150_000, cache_write_t: 40_000 },
    30_000 + 45_000 + 150_000 + 150,
  ],
  [
    "a read and writes, above the threshold because of the cached tokens",
    "cached",
    {
      input_t: 200_001,
      output_t: 10,
      cache_read_t: 150_000,
      cache_write_t: 50_000,
      cache_write_1h_t: 20_000,
    },
    6 + 90_000 + 225_000 + 240_000 + 225,
  ],
  [
    "input above the threshold without a cache",
    "cached",
    { input_t: 200_001, output_t: 0 },
    1_200_006,
  ],
  ["the fast mode", "cached", { input_t: 1_000, output_t: 100, service_tier: "fast" }, 6 * 4_500],
  [
    "cached tokens, of a model without prices for them",
    "plain",
    { input_t: 1_000, output_t: 100, cache_read_t: 500, cache_write_t: 400 },
    1_000 + 400,
  ],
  [
    "input above the lower of two thresholds",
    "two-thresholds",
    { input_t: 513, output_t: 0 },
    769.5,
  ],
  ["input above both thresholds", "two-thresholds", { input_t: 128_001, output_t: 0 }, 256_002],
  ["input at a threshold that belongs to the lower price", "two-thresholds", {
    input_t: 512,
    output_t: 0,
  }, 512],
  ["input at a threshold that belongs to the higher price", "grok", {
    input_t: 128_000,
    output_t: 0,
  }, 256_000],
  ["priority", "tiers", { input_t: 1_000, output_t: 100, service_tier: "priority" }, 2_800],
  ["flex", "tiers", { input_t: 1_000, output_t: 100, service_tier: "flex" }, 700],
  [
    "priority above the threshold",
    "tiers",
    { input_t: 200_001, output_t: 100, service_tier: "priority" },
    1_000_005 + 800,
  ],
  [
    "a region with a factor, beside the fast mode",
    "cached",
    { input_t: 1_000, output_t: 100, service_tier: "fast", inference_geo: "us" },
    6 * 1.1 * 4_500,
  ],
  [
    "a region without a factor",
    "plain",
    { input_t: 1_000, output_t: 0, inference_geo: "eu" },
    1_000,
  ],
  [
    "a tier above a threshold, where only the standard price is known",
    "flex-above",
    { input_t: 300_000, output_t: 100, service_tier: "flex" },
    1_200_000 + 1_500,
  ],
  [
    "reasoning in a tier, by the price of the tier for output",
    "flex-above",
    { input_t: 1_000, output_t: 100, reasoning_t: 60, service_tier: "flex" },
    1_000 + 200 + 300,
  ],
  [
    "reasoning with a price of its own",
    "flex-above",
    { input_t: 1_000, output_t: 100, reasoning_t: 60 },
    2_000 + 400 + 180,
  ],
  ["a threshold without a price", "null-threshold", { input_t: 300_000, output_t: 0 }, 600_000],
  [
    "cached tokens in a range without a price for them",
    "cached-ranges",
    { input_t: 20, output_t: 10, cache_read_t: 15 },
    40 + 30,
  ],
  [
    "output in a range without a price for it",
    "cached-ranges",
    { input_t: 5, output_t: 10 },
    5 + 90,
  ],
  ["input in the first range", "ranges", { input_t: 32_000, output_t: 10 }, 32_050],
  ["input in the second range", "ranges", { input_t: 32_001, output_t: 10 }, 64_062],
  ["input above all ranges", "ranges", { input_t: 200_000, output_t: 10 }, 400_060],
  [
    "reasoning, audio and images",
    "parts",
    {
      input_t: 100,
      output_t: 100,
      reasoning_t: 10,
      audio_input_t: 20,
      audio_output_t: 30,
      image_output_t: 40,
    },
    80 + 200 + 40 + 30 + 600 + 1_200,
  ],
  ["embeddings", "embedding", { input_t: 1_000, output_t: 0 }, 100],
  ["nothing at all, which is known to be free", "plain", { input_t: 0, output_t: 0 }, 0],
];

for (const [name, model, usage, micros] of VECTORS) {
  Deno.test(`costOf() prices ${name}`, () => {
    const cost = Number((micros / 1e6).toPrecision(12));
    assertEquals(costOf(usage, PRICES, model), { cost, source: "prices" });
  });
}

Deno.test("costOf() prefers the cost that the provider states, with and without a price", () => {
  const usage = { input_t: 1_000, output_t: 100, cost: 0.5 };
  for (const model of ["cached", "unknown", undefined]) {
    assertEquals(costOf(usage, PRICES, model), { cost: 0.5, source: "provider" });
  }
  assertEquals(costOf({ cost: 0 }, undefined, undefined), { cost: 0, source: "provider" });
});

Deno.test("costOf() returns undefined, and never 0, if a price is missing", () => {
  const usage = { input_t: 1_000, output_t: 100 };
  assertEquals(costOf(usage, PRICES, "unknown"), undefined);
  assertEquals(costOf(usage, PRICES, undefined), undefined);
  assertEquals(costOf(usage, undefined, "plain"), undefined);
  assertEquals(costOf(usage, PRICES, "image"), undefined);
  assertEquals(costOf(usage, PRICES, "toString"), undefined);
  assertEquals(costOf({}, PRICES, "plain"), undefined);
  assertEquals(costOf({ input_t: 5 }, PRICES, "plain"), undefined);
  assertEquals(costOf({ ...usage, service_tier: "priority" }, PRICES, "plain"), undefined);
  const hour = { ...usage, cache_write_t: 10, cache_write_1h_t: 10 };
  assertEquals(costOf(hour, PRICES, "no-hour"), undefined);
  const wrong = { input_cost_per_token: "3e-6", output_cost_per_token: NaN };
  assertEquals(costOf(usage, { wrong } as unknown as PriceTable, "wrong"), undefined);
});

Deno.test("costOf() rounds the errors of floating-point sums away", () => {
  const prices = { m: { input_cost_per_token: 1.1e-6, output_cost_per_token: 3.3e-6 } };
  assertEquals(costOf({ input_t: 3, output_t: 3 }, prices, "m")?.cost, 0.0000132);
});

/** A table with names as LiteLLM's has them. */
const NAMES: PriceTable = Object.fromEntries(
  [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4o-2024-05-13",
    "azure/gpt-4o",
    "openrouter/anthropic/claude-sonnet-4.5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5@20251001",
    "gemini/gemini-2.5-pro",
    "gemini-2.5-pro",
    "ft:gpt-4o-2024-08-06",
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "deepseek/deepseek-r1",
  ].map((name) => [name, {}]),
);

const LOOKUPS: readonly [model: string, name: string | undefined][] = [
  ["gpt-4o", "gpt-4o"],
  ["gpt-4o-2024-05-13", "gpt-4o-2024-05-13"],
  ["gpt-4o-2024-08-06", "gpt-4o"],
  ["openai/gpt-4o-2024-05-13", "gpt-4o-2024-05-13"],
  ["azure/gpt-4o-2024-08-06", "azure/gpt-4o"],
  ["azure/gpt-4o-2024-05-13", "gpt-4o-2024-05-13"],
  ["openrouter/anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"],
  ["anthropic/claude-sonnet-4-5-20250929", "claude-sonnet-4-5"],
  ["claude-sonnet-4-5-latest", "claude-sonnet-4-5"],
  ["claude-haiku-4-5@20251001", "claude-haiku-4-5@20251001"],
  ["gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"],
  ["models/gemini-2.5-pro", "gemini-2.5-pro"],
  ["vertex_ai/publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"],
  ["ft:gpt-4o-2024-08-06:acme:suffix:Bx3k", "ft:gpt-4o-2024-08-06"],
  ["anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-sonnet-4-20250514-v1:0"],
  // Another model, or another price of the same model, never counts as the model.
  ["gpt-4o-mini-2024-07-18", "gpt-4o-mini"],
  ["gpt-4o-audio-preview", undefined],
  ["gpt-4", undefined],
  ["deepseek/deepseek-r1:free", undefined],
  ["gpt-4o-0613", undefined],
  ["GPT-4o", undefined],
  ["", undefined],
];

for (const [model, name] of LOOKUPS) {
  Deno.test(`costOf() looks up ${model || "an empty name"} as ${name ?? "unknown"}`, () => {
    assertEquals(nameInTable(NAMES, model), name);
  });
}

Deno.test("costOf() never charges more for cache reads than for input", () => {
  const usages = fc.record({
    rest: fc.nat(400_000),
    read: fc.nat(400_000),
    write: fc.nat(100_000),
    hour: fc.nat(100_000),
    output: fc.nat(20_000),
    reasoning: fc.nat(20_000),
  });
  fc.assert(fc.property(usages, (drawn) => {
    const { rest, read, write, hour, output } = drawn;
    const totals = { input_t: rest + read + write, output_t: output };
    const writes = { cache_write_t: write, cache_write_1h_t: Math.min(hour, write) };
    const reasoning_t = Math.min(drawn.reasoning, output);
    const cost = (usage: TokenUsage) => costOf(usage, PRICES, "cached")!.cost;
    const none = cost({ ...totals, reasoning_t });
    const all = cost({ ...totals, ...writes, cache_read_t: read, reasoning_t });
    const written = cost({ ...totals, ...writes, reasoning_t });
    // The price of a write is at most twice the price of the input.
    assert(all <= written + 1e-9, `${all} > ${written}`);
    assert(
      written <=
        none + cost({ ...totals, output_t: 0 }) * write / Math.max(totals.input_t, 1) + 1e-9,
    );
    assert(all >= 0);
  }));
});

Deno.test("priceLack() names the reason why a cost is unknown", () => {
  const prices = { small: { input_cost_per_token: 1e-6 }, ranges: PRICES.ranges! };
  assertEquals(
    [
      priceLack(undefined, "small"),
      priceLack(prices, undefined),
      priceLack(prices, "openai/large-2026-02-13"),
      priceLack(prices, "openai/small-2026-02-13"),
      priceLack(prices, "ranges"),
    ],
    [
      "no prices were passed",
      "the model is not named",
      'model "large-2026-02-13" is not in prices, with or without its date',
      'the prices of "small" lack output_cost_per_token',
      'the prices of "ranges" lack one that the call needs',
    ],
  );
});

Deno.test("priceFaults() names the model, the price and the value", () => {
  const faults = priceFaults({
    fine: { input_cost_per_token: 1e-6, max_output_tokens: "many", output_cost_per_image: "x" },
    none: null,
    text: { input_cost_per_token: "3e-7" },
    minus: { output_cost_per_token: -1 },
    millions: { input_cost_per_token_above_200k_tokens_priority: 2.5 },
    absent: { cache_read_input_token_cost: null },
    misspelt: {
      input_cost_per_tokn: 1e-6,
      input_cost_per_image: 1,
      input_cost_per_token_batches: 1,
    },
    ranges: { tiered_pricing: [null, { range: [0, 1], input_cost_per_token: -1 }] },
  } as unknown as PriceTable);
  assertEquals(faults, [
    { model: "none", message: "must be an object with prices, got null" },
    {
      model: "text",
      message: 'input_cost_per_token must be a number >= 0 (USD per token), got "3e-7"',
    },
    {
      model: "minus",
      message: "output_cost_per_token must be a number >= 0 (USD per token), got -1",
    },
    {
      model: "millions",
      message:
        "input_cost_per_token_above_200k_tokens_priority must be in USD per token, got 2.5; a price per million tokens is 2.5 / 1e6",
    },
    {
      model: "misspelt",
      message: "input_cost_per_tokn is not a price; did you mean input_cost_per_token?",
    },
    {
      model: "ranges",
      message: "input_cost_per_token must be a number >= 0 (USD per token), got -1",
    },
  ]);
});

Deno.test("isPriced() checks whether a model has a price of input tokens", () => {
  assertEquals(["plain", "ranges", "image"].map((name) => isPriced(PRICES[name])), [
    true,
    true,
    false,
  ]);
});
