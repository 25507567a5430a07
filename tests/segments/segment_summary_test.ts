import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { releaseChunk } from "../../src/platform/chunks.ts";
import { SegmentScan, type SegmentSummary } from "../../src/segments/segment_summary.ts";
import { blockOfLines } from "../line/hostile_lines.ts";
import { SeededRandom } from "../seeded_random.ts";

const MAX_LINE_BYTES = 120;
const encoder = new TextEncoder();

/**
 * Returns the summary of the content. It is added in chunks of `chunkLengths` bytes, and the remaining bytes as one
 * chunk.
 */
function summaryOf(content: string | Uint8Array, chunkLengths: readonly number[] = []) {
  const scan = new SegmentScan(MAX_LINE_BYTES);
  let rest = typeof content === "string" ? encoder.encode(content) : content;
  for (const length of chunkLengths) {
    scan.add(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  scan.add(rest);
  return scan.finish();
}

/** Returns the expected summary of a text, computed by parsing each line and adding up the costs with `+`. */
function plainSummaryOf(text: string): SegmentSummary {
  const lines = text.split("\n").slice(0, text.endsWith("\n") || text === "" ? -1 : undefined);
  const figures = new Map<string, { count: number; cost: number }>();
  const times: number[] = [];
  let malformed = 0;
  let untimed = 0;
  for (const line of lines.filter((line) => line.trim() !== "" || isTooLong(line))) {
    const value = isTooLong(line) ? undefined : objectOf(line);
    if (value === undefined) malformed++;
    else if (typeof value.ts !== "string" || Number.isNaN(Date.parse(value.ts))) untimed++;
    else {
      times.push(Date.parse(value.ts));
      const type = typeof value.event === "string" ? value.event : "";
      const { count, cost } = figures.get(type) ?? { count: 0, cost: 0 };
      const own = typeof value.cost === "number" && Number.isFinite(value.cost) ? value.cost : 0;
      figures.set(type, { count: count + 1, cost: cost + own });
    }
  }
  const iso = (ms: number | undefined) =>
    ms === undefined || !Number.isFinite(ms) ? null : new Date(ms).toISOString();
  return {
    lines: lines.length,
    malformed,
    oversized: lines.filter(isTooLong).length,
    untimed,
    raw_bytes: encoder.encode(text).byteLength,
    first_ts: iso(times[0]),
    last_ts: iso(times.at(-1)),
    min_ts: iso(Math.min(...times)),
    max_ts: iso(Math.max(...times)),
    events: Object.fromEntries(figures),
    spans: { ended: [], unlisted: [], begun: [], cut: false, seen: [] },
    last_seq: null,
    last_hash: null,
    sha256: createHash("sha256").update(text).digest("hex"),
  };
}

function isTooLong(line: string): boolean {
  return encoder.encode(line).byteLength + 1 > MAX_LINE_BYTES;
}

function objectOf(line: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(line.replaceAll(/-?\b(NaN|Infinity)\b/g, "null"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    // The line is not JSON, so it has no event.
    return undefined;
  }
}

// The sums of these costs are exact, so the order of addition does not matter.
const COSTS = ["0.25", "3", "-1.5", "0", '"2"', "null", "NaN", "-Infinity", "1e999"] as const;
const TYPES = ['"nav"', '"é😀"', '""', "42", "null", '"__proto__"', '"constructor"'] as const;
const TIMES = ['"2026-02-13T14:30:22.123Z"', '"1969-01-01T00:00:00+02:00"', '"soon"', "7"] as const;

function oneOf<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

function randomLine(random: SeededRandom): string {
  const fields = [
    `"ts":"${new Date(random.below(2 ** 31) * 1000).toISOString()}"`,
    `"ts":${oneOf(random, TIMES)}`,
    `"event":${oneOf(random, TYPES)}`,
    `"event":${oneOf(random, TYPES)}`,
    `"cost":${oneOf(random, COSTS)}`,
    `"cost":${oneOf(random, COSTS)}`,
    `"note":"${"é".repeat(random.below(60))}"`,
  ].filter(() => random.below(2) > 0);
  // If a field is duplicate, every parser uses the last one.
  const line = `{${fields.join(",")}}`;
  return oneOf(random, [line, line, line, line, "", " \t", "42", "[]", line.slice(1)]);
}

Deno.test("SegmentScan returns the same summary as parsing the whole text does (seeds 1 to 300)", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const lines = Array.from({ length: random.below(12) }, () => randomLine(random));
    const text = lines.join("\n") + oneOf(random, ["\n", ""]);
    assertEquals(summaryOf(text), plainSummaryOf(text), `seed ${seed}: ${text}`);
  }
});

Deno.test("SegmentScan returns the same summary for any division into chunks", () => {
  const random = new SeededRandom(1);
  const bytes = encoder.encode(Array.from({ length: 12 }, () => randomLine(random)).join("\n"));
  const whole = summaryOf(bytes);
  assert(whole.lines > 1 && whole.malformed > 0);
  for (let cut = 0; cut <= bytes.byteLength; cut++) assertEquals(summaryOf(bytes, [cut]), whole);
  assertEquals(summaryOf(bytes, Array.from(bytes, () => 1)), whole);
});

/**
 * Adds the chunks to a scan and returns its summary and rollup. Releases each chunk after it was added, as archiving
 * does.
 */
function contentOf(chunks: Iterable<Uint8Array>) {
  const scan = new SegmentScan(MAX_LINE_BYTES, ["agent"]);
  for (const chunk of chunks) {
    const copy = chunk.slice();
    scan.add(copy);
    releaseChunk(copy);
  }
  return { ...scan.finish(), rollup: scan.rollup };
}

function* linesOf(content: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < content.byteLength;) {
    const end = content.indexOf(0x0a, start) + 1 || content.byteLength;
    yield content.subarray(start, end);
    start = end;
  }
}

Deno.test("SegmentScan returns the same summary and rollup for lines in one chunk as for a chunk per line", () => {
  const blocks = fc.array(blockOfLines, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(blocks, fc.nat(500), (blocks, cut) => {
      const content = Uint8Array.from(blocks.flatMap((block) => [...block]));
      const expected = contentOf(linesOf(content));
      assertEquals(contentOf([content]), expected);
      assertEquals(contentOf([content.subarray(0, cut), content.subarray(cut)]), expected);
    }),
    { numRuns: 3_000, seed: 1 },
  );
});

Deno.test("SegmentScan finds the last chained line among lines that are not chained", () => {
  const chained = (seq: number, hash: string) =>
    `{"n":1,"seq":${seq},"hash":"${hash.repeat(64)}"}\n`;
  const scan = new SegmentScan(1_000);
  const chunks = [
    `{}\n${chained(6, "c")}${chained(7, "a")}{}\n`,
    `{}\n{}\n${chained(8, "b")}{"request_hash":"c"}\n{}\n`,
    "{}\n{}\n",
  ];
  for (const chunk of chunks) scan.add(encoder.encode(chunk));
  const { last_seq, last_hash } = scan.finish();
  assertEquals([last_seq, last_hash], [8, "b".repeat(64)]);
});

Deno.test("SegmentScan returns zeros, no times and no types for an empty segment", () => {
  assertEquals(summaryOf(""), plainSummaryOf(""));
  assertEquals([summaryOf("").lines, summaryOf("\n").lines, summaryOf("\n\n{").lines], [0, 1, 3]);
});

Deno.test("SegmentScan hashes all bytes, even if they are not UTF-8", () => {
  const bytes = Uint8Array.from({ length: 1_000 }, (_, index) => index * 7 % 256);
  const { sha256, raw_bytes } = summaryOf(bytes, [1, 10, 100]);
  assertEquals(sha256, createHash("sha256").update(bytes).digest("hex"));
  assertEquals(raw_bytes, 1_000);
});

Deno.test("SegmentScan counts a line as malformed if it exceeds maxLineBytes or is not UTF-8", () => {
  const fitting = `{"note":"${"x".repeat(MAX_LINE_BYTES - 12)}"}\n`;
  assertEquals(fitting.length, MAX_LINE_BYTES);
  assertEquals(summaryOf(fitting).malformed, 0);
  assertEquals(summaryOf(` ${fitting}`).malformed, 1);
  assertEquals(summaryOf(`${" ".repeat(MAX_LINE_BYTES)}\n`).malformed, 1);
  assertEquals(summaryOf(Uint8Array.of(0x7b, 0xff, 0x7d, 0x0a)).malformed, 1);
});

function lineOf(event: string, cost: number): string {
  return `${JSON.stringify({ ts: "2026-02-13T14:30:22Z", event, cost })}\n`;
}

Deno.test("SegmentScan lists up to 1,000 types, and none if there are more", () => {
  const text = Array.from({ length: 1_000 }, (_, index) => lineOf(`e${index}`, index)).join("");
  const { events } = summaryOf(text + text);
  assertEquals(Object.keys(events ?? {}).length, 1_000);
  assertEquals(events?.["e999"], { count: 2, cost: 1_998 });
  const tooMany = summaryOf(text + lineOf("one more", 1) + text);
  assertEquals([tooMany.events, tooMany.lines, tooMany.malformed], [null, 2_001, 0]);
});

Deno.test("SegmentScan lists types with any name, such as __proto__", () => {
  const types = ["__proto__", "constructor", "", "a b", "é😀", "\u0000"];
  const { events } = summaryOf(types.map((type) => lineOf(type, 1)).join(""));
  assertEquals(Object.entries(events ?? {}), types.map((type) => [type, { count: 1, cost: 1 }]));
});

Deno.test("SegmentScan lists no types if the costs of a type add up to Infinity", () => {
  const big = lineOf("nav", 1e308);
  assertEquals(summaryOf(big).events, { nav: { count: 1, cost: 1e308 } });
  assertEquals(summaryOf(big + big).events, null);
});

Deno.test("SegmentScan adds many small costs without accumulating rounding errors", () => {
  const { events } = summaryOf(lineOf("nav", 0.1).repeat(10_000));
  assertEquals(events, { nav: { count: 10_000, cost: 1_000 } });
  const mixed = summaryOf(lineOf("nav", 1e16) + lineOf("nav", 1) + lineOf("nav", -1e16)).events;
  assertEquals(mixed, { nav: { count: 3, cost: 1 } });
});
