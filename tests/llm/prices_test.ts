import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { estimateOf } from "../../src/llm/estimate.ts";
import { isPriced, priceFaults } from "../../src/llm/price_faults.ts";
import { type ModelPrices, nameInTable, type PriceTable } from "../../src/llm/price_table.ts";
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
    output_cost_per_reasoning_token_above_512_tokens: 5e-6,
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
    output_cost_per_reasoning_token_priority: 9e-6,
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
    input_cost_per_token_priority: 2e-6,
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
    output_cost_per_reasoning_token: 12e-6,
    tiered_pricing: [
      null,
      { range: "all" },
      { range: [0, 10], input_cost_per_token: 1e-6 },
      { range: [10, 20], input_cost_per_token: 2e-6, output_cost_per_token: 3e-6 },
      {
        range: [20, 30],
        input_cost_per_token: 2e-6,
        output_cost_per_token: 3e-6,
        output_cost_per_reasoning_token: 7e-6,
      },
    ] as unknown as object[],
  },
  "tier-ranges": {
    input_cost_per_token_flex: 0.5e-6,
    output_cost_per_token_flex: 2e-6,
    tiered_pricing: [{ range: [0, 10], input_cost_per_token: 1e-6, output_cost_per_token: 4e-6 }],
  },
  "embedding": { input_cost_per_token: 1e-7, output_cost_per_token: 0 },
  "image": { output_cost_per_image: 0.04 },
  "no-hour": {
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    cache_creation_input_token_cost: 1.25e-6,
  },
};

/** Calls and their costs. `micros` is the cost of a million such calls in USD, which is a short number. */
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
    "a region in upper case",
    "cached",
    { input_t: 1_000, output_t: 100, inference_geo: "US" },
    1.1 * 4_500,
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
    "reasoning in a tier above a threshold, by the price for output above it",
    "flex-above",
    { input_t: 300_000, output_t: 100, reasoning_t: 60, service_tier: "flex" },
    1_200_000 + 600 + 900,
  ],
  [
    "reasoning in a tier with a price for it",
    "tiers",
    { input_t: 1_000, output_t: 100, reasoning_t: 60, service_tier: "priority" },
    2_000 + 320 + 540,
  ],
  [
    "reasoning in a tier without a price for output",
    "parts",
    { input_t: 1_000, output_t: 100, reasoning_t: 60, service_tier: "priority" },
    2_000 + 80 + 180,
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
  [
    "reasoning above a threshold, with a price only there",
    "two-thresholds",
    { input_t: 513, output_t: 10, reasoning_t: 10 },
    769.5 + 50,
  ],
  [
    "a tier in a range that has only standard prices",
    "tier-ranges",
    { input_t: 10, output_t: 10, service_tier: "flex" },
    10 + 40,
  ],
  [
    "reasoning in a range with a price for it",
    "cached-ranges",
    { input_t: 30, output_t: 10, reasoning_t: 4 },
    60 + 18 + 28,
  ],
  [
    "reasoning in a range with a price for output alone",
    "cached-ranges",
    { input_t: 20, output_t: 10, reasoning_t: 4 },
    40 + 18 + 12,
  ],
  [
    "reasoning in a range without a price for output",
    "cached-ranges",
    { input_t: 5, output_t: 10, reasoning_t: 4 },
    5 + 54 + 48,
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

Deno.test("costOf() rounds its result, so that it shows no errors of floating-point sums", () => {
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
    "a/b/c/d/e/f/g/h",
    "a/b/c/d/e/f/g/h/nine",
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
  ["proxy/a/b/c/d/e/f/g/h", "a/b/c/d/e/f/g/h"],
  ["a/b/c/d/e/f/g/h/nine-latest", "a/b/c/d/e/f/g/h/nine"],
  ["proxy/a/b/c/d/e/f/g/h/nine", undefined],
  // A name never finds the prices of a model with a similar name, or other prices of the same model, such as those of
  // its free variant.
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

// If costOf() looked up each part of the name after a slash, this test would take minutes and gigabytes.
Deno.test("costOf() looks up a name with 100,000 slashes", () => {
  assertEquals(nameInTable(NAMES, `${"a/".repeat(100_000)}gpt-4o`), "gpt-4o");
});

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
    // A cache write costs at most twice as much as input.
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
      'the prices of "ranges" lack a price that the call needs',
    ],
  );
});

/** Returns the estimate of a request with at most 100 output tokens, in USD. */
function estimatedUsd(entry: ModelPrices, members: object): number | undefined {
  const body = { max_tokens: 100, ...members };
  const text = JSON.stringify(body);
  const request = { api: "openai.chat", provider: "openai", model: "m", body, text } as const;
  return estimateOf(request, { m: entry }).estimate.usd;
}

Deno.test("estimateOf() prices the output at the highest price that the request may get", () => {
  const entry = {
    input_cost_per_token: 0,
    output_cost_per_token: 2e-6,
    output_cost_per_reasoning_token: 3e-6,
    output_cost_per_audio_token: 20e-6,
    output_cost_per_image_token: 30e-6,
  };
  const cases: readonly [members: object, usd: number][] = [
    [{}, 0.0003],
    [{ modalities: ["text", "audio"] }, 0.002],
    [{ modalities: ["image", "text"] }, 0.003],
    [{ generationConfig: { responseModalities: ["AUDIO"] } }, 0.002],
  ];
  for (const [members, usd] of cases) assertEquals(estimatedUsd(entry, members), usd);
  assertEquals(estimatedUsd({ ...entry, output_cost_per_reasoning_token: 1e-6 }, {}), 0.0002);
});

Deno.test("estimateOf() prices the input as audio, an image or a cache write if the request has one", () => {
  const entry = {
    input_cost_per_token: 2e-6,
    output_cost_per_token: 0,
    input_cost_per_audio_token: 20e-6,
    input_cost_per_image_token: 30e-6,
    cache_creation_input_token_cost: 4e-6,
  };
  const cases: readonly [part: object, price: number][] = [
    [{ type: "text", text: '"input_audio" "image/png"' }, 2e-6],
    [{ type: "text", cache_control: { type: "ephemeral" } }, 4e-6],
    [{ type: "input_audio", input_audio: {} }, 20e-6],
    [{ inlineData: { mimeType: "audio/wav" } }, 20e-6],
    [{ type: "image_url", image_url: {} }, 30e-6],
    [{ type: "image", source: {}, cache_control: { type: "ephemeral" } }, 30e-6],
    [{ inline_data: { mime_type: "image/png" } }, 30e-6],
  ];
  for (const [part, price] of cases) {
    const members = { messages: [part] };
    const { length } = JSON.stringify({ max_tokens: 100, ...members });
    const usd = Number((Math.ceil(length / 4) * price).toPrecision(12));
    assertEquals(estimatedUsd(entry, members), usd, JSON.stringify(part));
  }
  // DeepSeek does not charge for cache writes, so its price of a cache write is 0.
  const free = { ...entry, input_cost_per_token: 1, cache_creation_input_token_cost: 0 };
  assert(estimatedUsd(free, { messages: [{ cache_control: {} }] })! > 1);
});

Deno.test("estimateOf() uses the price of the region, and the higher of the prices of the service tier and the standard tier", () => {
  const entry = {
    input_cost_per_token: 0,
    output_cost_per_token: 2e-6,
    input_cost_per_token_flex: 0,
    output_cost_per_token_flex: 1e-6,
    input_cost_per_token_ultrafast: 0,
    output_cost_per_token_ultrafast: 9e-6,
    provider_specific_entry: { fast: 6, us: 1.1 },
  };
  const cases: readonly [members: object, usd: number | undefined][] = [
    [{ service_tier: "auto" }, 0.0002],
    [{ service_tier: "flex" }, 0.0002],
    [{ service_tier: "batch" }, 0.0002],
    [{ service_tier: "ultrafast" }, 0.0009],
    [{ serviceTier: "ULTRAFAST" }, 0.0009],
    [{ service_tier: "standard_only", speed: "fast" }, 0.0012],
    [{ service_tier: "priority" }, undefined],
    [{ inference_geo: "us" }, 0.00022],
  ];
  for (const [members, usd] of cases) assertEquals(estimatedUsd(entry, members), usd);
});

Deno.test("estimateOf() is unknown if a price that the call may need is missing", () => {
  const entry = { input_cost_per_token: 1e-6, output_cost_per_reasoning_token: 2e-6 };
  assertEquals(estimatedUsd(entry, {}), undefined);
});

Deno.test("priceFaults() names the model, the price and the value", () => {
  const faults = priceFaults({
    fine: { input_cost_per_token: 1e-6, max_output_tokens: "many", output_cost_per_image: "x" },
    none: null,
    list: [],
    text: { input_cost_per_token: "3e-7" },
    minus: { output_cost_per_token: -1 },
    millions: { input_cost_per_token_above_200k_tokens_priority: 2.5 },
    absent: { cache_read_input_token_cost: null },
    misspelt: {
      input_cost_per_tokn: 1e-6,
      input_cost_per_image: 1,
    },
    ranges: { tiered_pricing: [{ range: [0, 1], input_cost_per_token: -1 }] },
  } as unknown as PriceTable);
  assertEquals(faults, [
    { model: "none", message: "must be an object with prices, got null" },
    { model: "list", message: "must be an object with prices, got an array" },
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

/** Returns the messages of priceFaults() for a price table with one model. */
function messagesOf(entry: object): string[] {
  return priceFaults({ m: entry } as PriceTable).map(({ message }) => message);
}

Deno.test("priceFaults() checks the price of each service tier", () => {
  const names = [
    "input_cost_per_token_batches",
    "output_cost_per_token_fast",
    "cache_read_input_token_cost_flex",
    "input_cost_per_token_cache_hit",
    "cache_creation_input_token_cost_above_1hr_above_200k_tokens_priority",
  ];
  for (const name of names) {
    assertEquals(messagesOf({ [name]: 1e-6 }), []);
    assertEquals(messagesOf({ [name]: null }), []);
    assertEquals(messagesOf({ [name]: "1" }), [
      `${name} must be a number >= 0 (USD per token), got "1"`,
    ]);
  }
  assertEquals(messagesOf({ input_cost_per_token_source_url: "https://example.com" }), []);
});

Deno.test("priceFaults() names ranges that are invalid", () => {
  const range = "in tokens with 0 <= from < to";
  const cases: readonly [tiers: unknown, messages: string[]][] = [
    [null, []],
    [[], ["tiered_pricing must be an array of ranges, got an empty array"]],
    ["low", ['tiered_pricing must be an array of ranges, got "low"']],
    [[null], ["tiered_pricing[0] must be an object with a range, got null"]],
    [[{ range: [0, 9] }, { range: [9, null] }], [
      `tiered_pricing[1].range must be [from, to] ${range}, got an array`,
    ]],
    [[{ range: [9, 0] }], [`tiered_pricing[0].range must be [from, to] ${range}, got an array`]],
    [[{ range: [-1, 9] }], [`tiered_pricing[0].range must be [from, to] ${range}, got an array`]],
    [[{ range: [0, 1, 2] }], [
      `tiered_pricing[0].range must be [from, to] ${range}, got an array`,
    ]],
    [[{ range: "all" }], [`tiered_pricing[0].range must be [from, to] ${range}, got "all"`]],
    [[{ input_cost_per_token: 1e-6 }], [
      `tiered_pricing[0].range must be [from, to] ${range}, got undefined`,
    ]],
    // LiteLLM prices search models by the number of results.
    [[{ max_results_range: [0, 25], input_cost_per_query: 0.005 }], []],
  ];
  for (const [tiers, messages] of cases) {
    assertEquals(messagesOf({ tiered_pricing: tiers }), messages, JSON.stringify(tiers));
  }
});

Deno.test("priceFaults() names factors of provider_specific_entry that are not numbers", () => {
  const cases: readonly [factors: unknown, messages: string[]][] = [
    [null, []],
    [{ fast: 6, us: 1.1 }, []],
    // LiteLLM stores other settings, which are not factors, in the same object.
    [{ bedrock_invocation_schema: "anthropic", nested: {} }, []],
    [2, ["provider_specific_entry must be an object, got 2"]],
    [{ fast: "6" }, ['provider_specific_entry.fast must be a number >= 0, got "6"']],
    [{ us: -1 }, ["provider_specific_entry.us must be a number >= 0, got -1"]],
  ];
  for (const [factors, messages] of cases) {
    assertEquals(messagesOf({ provider_specific_entry: factors }), messages);
  }
});

// A suggestion of a similar name needs the number of edits between two names, which takes time that grows with the
// product of their lengths. With a long name, the check must not take minutes.
Deno.test("priceFaults() checks a name of a million characters", () => {
  assertEquals(messagesOf({ ["x".repeat(1_000_000)]: 1 }), []);
});

Deno.test("isPriced() checks whether a model has a price of input tokens", () => {
  assertEquals(["plain", "ranges", "image"].map((name) => isPriced(PRICES[name])), [
    true,
    true,
    false,
  ]);
});
