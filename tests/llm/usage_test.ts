import { assertEquals } from "@std/assert";
import { usageOf } from "../../src/llm/usage.ts";

// Bodies in the form of the providers' API references in November 2026, each with the usage that usageOf() must return.
const CASES: readonly [name: string, body: unknown, usage: ReturnType<typeof usageOf>][] = [
  [
    "OpenAI chat completions, whose totals include cached and reasoning tokens",
    {
      object: "chat.completion",
      service_tier: "default",
      usage: {
        prompt_tokens: 2006,
        completion_tokens: 300,
        total_tokens: 2306,
        prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 128, audio_tokens: 0 },
      },
    },
    { input_t: 2006, output_t: 300, cache_read_t: 1920, reasoning_t: 128 },
  ],
  [
    "OpenAI embeddings, which have no output",
    { object: "list", usage: { prompt_tokens: 8, total_tokens: 8 } },
    { input_t: 8, output_t: 0 },
  ],
  [
    "OpenAI audio",
    {
      usage: {
        prompt_tokens: 100,
        completion_tokens: 90,
        prompt_tokens_details: { audio_tokens: 60 },
        completion_tokens_details: { audio_tokens: 70 },
      },
    },
    { input_t: 100, output_t: 90, audio_input_t: 60, audio_output_t: 70 },
  ],
  [
    "OpenAI responses in the service tier flex",
    {
      object: "response",
      service_tier: "flex",
      usage: {
        input_tokens: 328,
        input_tokens_details: { cached_tokens: 100, cache_write_tokens: 200 },
        output_tokens: 52,
        output_tokens_details: { reasoning_tokens: 12 },
        total_tokens: 380,
      },
    },
    {
      input_t: 328,
      output_t: 52,
      cache_read_t: 100,
      cache_write_t: 200,
      reasoning_t: 12,
      service_tier: "flex",
    },
  ],
  [
    "the last event of a stream of OpenAI responses",
    {
      type: "response.completed",
      response: { usage: { input_tokens: 10, output_tokens: 5, input_tokens_details: {} } },
    },
    { input_t: 10, output_t: 5 },
  ],
  [
    "Anthropic, whose input_tokens do not include cached tokens",
    {
      type: "message",
      usage: {
        input_tokens: 21,
        cache_creation_input_tokens: 188_086,
        cache_read_input_tokens: 1_000,
        cache_creation: { ephemeral_5m_input_tokens: 88_086, ephemeral_1h_input_tokens: 100_000 },
        output_tokens: 393,
        service_tier: "standard",
      },
    },
    {
      input_t: 189_107,
      output_t: 393,
      cache_read_t: 1_000,
      cache_write_t: 188_086,
      cache_write_1h_t: 100_000,
    },
  ],
  [
    "Anthropic's fast mode",
    { usage: { input_tokens: 1, output_tokens: 2, speed: "fast", service_tier: "standard" } },
    { input_t: 1, output_t: 2, service_tier: "fast" },
  ],
  [
    "Anthropic in the service tier priority with the speed standard",
    { usage: { input_tokens: 1, output_tokens: 2, speed: "standard", service_tier: "priority" } },
    { input_t: 1, output_t: 2, service_tier: "priority" },
  ],
  [
    "Gemini in a service tier",
    { usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, serviceTier: "priority" } },
    { input_t: 1, output_t: 2, service_tier: "priority" },
  ],
  [
    "Gemini, whose counts of prompt and candidates do not include thinking and tool use",
    {
      usageMetadata: {
        promptTokenCount: 1_000,
        cachedContentTokenCount: 400,
        candidatesTokenCount: 50,
        thoughtsTokenCount: 200,
        toolUsePromptTokenCount: 30,
        totalTokenCount: 1_280,
        promptTokensDetails: [{ modality: "TEXT", tokenCount: 900 }, {
          modality: "AUDIO",
          tokenCount: 100,
        }],
        candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 40 }],
        trafficType: "ON_DEMAND",
      },
    },
    {
      input_t: 1_030,
      output_t: 250,
      cache_read_t: 400,
      reasoning_t: 200,
      audio_input_t: 100,
      image_output_t: 40,
    },
  ],
  [
    "Gemini without candidates, in the tier priority of Vertex AI",
    {
      usageMetadata: {
        promptTokenCount: 7,
        totalTokenCount: 7,
        trafficType: "ON_DEMAND_PRIORITY",
      },
    },
    { input_t: 7, output_t: 0, service_tier: "priority" },
  ],
  [
    "OpenRouter, which states the cost",
    {
      usage: {
        prompt_tokens: 194,
        completion_tokens: 2,
        total_tokens: 196,
        prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 50 },
        cost: 0.0095,
        cost_details: { upstream_inference_cost: null },
      },
    },
    { input_t: 194, output_t: 2, cache_read_t: 100, cache_write_t: 50, cost: 0.0095 },
  ],
  [
    "OpenRouter with a user's provider key, to which the provider bills the rest of the cost",
    {
      usage: {
        prompt_tokens: 10,
        completion_tokens: 2,
        cost: 0.25,
        is_byok: true,
        cost_details: { upstream_inference_cost: 5 },
      },
    },
    { input_t: 10, output_t: 2, cost: 5.25 },
  ],
  [
    "OpenRouter with a user's provider key and an unknown bill of the provider",
    { usage: { prompt_tokens: 10, completion_tokens: 2, cost: 0, is_byok: true } },
    { input_t: 10, output_t: 2 },
  ],
  [
    "Perplexity, whose cost is an object",
    { usage: { prompt_tokens: 10, completion_tokens: 2, cost: { total_cost: 0.006 } } },
    { input_t: 10, output_t: 2, cost: 0.006 },
  ],
  [
    "xAI, which counts reasoning only in total_tokens",
    {
      usage: {
        prompt_tokens: 32,
        completion_tokens: 9,
        total_tokens: 135,
        completion_tokens_details: { reasoning_tokens: 94 },
      },
    },
    { input_t: 32, output_t: 103, reasoning_t: 94 },
  ],
  [
    "a server that leaves cached tokens out of prompt_tokens",
    {
      usage: {
        prompt_tokens: 20,
        completion_tokens: 5,
        total_tokens: 1_025,
        prompt_tokens_details: { cached_tokens: 1_000 },
      },
    },
    { input_t: 1_020, output_t: 5, cache_read_t: 1_000 },
  ],
  [
    "a server that counts cached tokens twice in total_tokens",
    {
      usage: {
        prompt_tokens: 1_020,
        completion_tokens: 5,
        total_tokens: 2_025,
        prompt_tokens_details: { cached_tokens: 1_000 },
      },
    },
    { input_t: 1_020, output_t: 5, cache_read_t: 1_000 },
  ],
  [
    "a server that leaves reasoning out of completion_tokens and has no total_tokens",
    {
      usage: {
        prompt_tokens: 32,
        completion_tokens: 9,
        completion_tokens_details: { reasoning_tokens: 94 },
      },
    },
    { input_t: 32, output_t: 103, reasoning_t: 94 },
  ],
  [
    "OpenAI responses of a server that leaves reasoning out of output_tokens",
    {
      usage: {
        input_tokens: 32,
        output_tokens: 109,
        total_tokens: 235,
        output_tokens_details: { reasoning_tokens: 94 },
      },
    },
    { input_t: 32, output_t: 203, reasoning_t: 94 },
  ],
  [
    "OpenAI responses of a server with more reasoning than output_tokens",
    {
      usage: {
        input_tokens: 32,
        output_tokens: 9,
        output_tokens_details: { reasoning_tokens: 94 },
      },
    },
    { input_t: 32, output_t: 103, reasoning_t: 94 },
  ],
  [
    "OpenAI responses of a server that counts cached tokens twice in total_tokens",
    {
      usage: {
        input_tokens: 1_020,
        output_tokens: 5,
        total_tokens: 2_025,
        input_tokens_details: { cached_tokens: 1_000 },
      },
    },
    { input_t: 1_020, output_t: 5, cache_read_t: 1_000 },
  ],
  [
    "DeepSeek",
    {
      usage: {
        prompt_tokens: 100,
        completion_tokens: 5,
        prompt_cache_hit_tokens: 64,
        prompt_cache_miss_tokens: 36,
      },
    },
    { input_t: 100, output_t: 5, cache_read_t: 64 },
  ],
  [
    "AI SDK 6 and 7",
    {
      inputTokens: 100,
      inputTokenDetails: { noCacheTokens: 30, cacheReadTokens: 50, cacheWriteTokens: 20 },
      outputTokens: 40,
      outputTokenDetails: { textTokens: 10, reasoningTokens: 30 },
      totalTokens: 140,
    },
    { input_t: 100, output_t: 40, cache_read_t: 50, cache_write_t: 20, reasoning_t: 30 },
  ],
  [
    "Anthropic with compactions of the context, whose tokens the totals do not include",
    {
      usage: {
        input_tokens: 23_000,
        output_tokens: 1_000,
        cache_read_input_tokens: 100,
        iterations: [
          { type: "compaction", input_tokens: 180_000, output_tokens: 3_500 },
          { type: "message", input_tokens: 23_000, output_tokens: 1_000 },
        ],
      },
    },
    { input_t: 203_100, output_t: 4_500, cache_read_t: 100 },
  ],
  [
    "Anthropic with compactions of the context and without a cache",
    {
      usage: {
        input_tokens: 23_000,
        output_tokens: 1_000,
        iterations: [{ type: "compaction", input_tokens: 180_000, output_tokens: 3_500 }],
      },
    },
    { input_t: 203_000, output_t: 4_500 },
  ],
  [
    "Anthropic, if only cache_creation states the cache writes",
    {
      usage: {
        input_tokens: 20,
        output_tokens: 5,
        cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 50 },
      },
    },
    { input_t: 170, output_t: 5, cache_write_t: 150, cache_write_1h_t: 50 },
  ],
  [
    "Anthropic in a region",
    { usage: { input_tokens: 1, output_tokens: 2, inference_geo: "us" } },
    { input_t: 1, output_t: 2, inference_geo: "us" },
  ],
  [
    "Gemini, if only the total includes the output",
    { usageMetadata: { promptTokenCount: 10, totalTokenCount: 500 } },
    { input_t: 10, output_t: 490 },
  ],
  ["the AI SDK's usage of embeddings", { usage: { tokens: 12 } }, { input_t: 12, output_t: 0 }],
];

for (const [name, body, usage] of CASES) {
  Deno.test(`usageOf() reads the usage of ${name}`, () => {
    assertEquals(usageOf(body), usage);
  });
}

Deno.test("usageOf() returns undefined if a total is missing or is not a number of tokens", () => {
  const bodies: unknown[] = [
    undefined,
    null,
    "usage",
    [],
    {},
    { usage: null },
    { usage: { input_tokens: 5 } },
    { usage: { output_tokens: 5, cache_read_input_tokens: 1 } },
    { usage: { prompt_tokens: null, completion_tokens: null } },
    { usage: { prompt_tokens: 10 } },
    { usage: { prompt_tokens: 10, completion_tokens: "500" } },
    { usageMetadata: { promptTokenCount: 10 } },
    {
      usage: {
        input_tokens: Number.MAX_SAFE_INTEGER,
        cache_read_input_tokens: 1,
        output_tokens: 1,
      },
    },
    { usage: { input_tokens: -1, output_tokens: 2 } },
    { usage: { input_tokens: 1.5, output_tokens: 2 } },
    { usage: { inputTokens: undefined, outputTokens: undefined } },
    { usage: { tokens: ["a", "b"] } },
  ];
  for (const body of bodies) assertEquals(usageOf(body), undefined, JSON.stringify(body));
});

Deno.test("usageOf() keeps a stated cost without tokens", () => {
  assertEquals(usageOf({ usage: { cost: 0.02 } }), { cost: 0.02 });
  assertEquals(usageOf({ usage: { cost: -1 } }), undefined);
});
