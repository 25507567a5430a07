import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { z } from "zod";
import {
  type ArchiveFacts,
  parseManifestLine,
  type PruneFacts,
} from "../../src/segments/manifest_line.ts";
import { sampledTest } from "../extent.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";

const encoder = new TextEncoder();

const FACTS: ArchiveFacts = {
  archive: "audit_20260213_143022.jsonl.gz",
  lines: 3,
  malformed: 1,
  oversized: 0,
  untimed: 0,
  raw_bytes: 250,
  gzip_bytes: 120,
  first_ts: "2026-02-13T14:30:22.123Z",
  last_ts: "2026-02-13T14:30:21.000Z",
  min_ts: "2026-02-13T14:30:21.000Z",
  max_ts: "2026-02-13T14:30:22.123Z",
  events: { nav: { count: 2, cost: 0.25 }, "": { count: 0, cost: -1e-7 } },
  spans: {
    ended: [["nav", "0"]],
    unlisted: ["llm"],
    begun: ['{"event":"nav_begin","span":"1","__proto__":"\\ud800"}'],
    cut: false,
    seen: [["s", "2026-02-13T14:30:21.000Z"]],
  },
  last_seq: 7,
  last_hash: "fedcba9876543210".repeat(4),
  sha256: "0123456789abcdef".repeat(4),
  gzip_sha256: "00ff".repeat(16),
  rebuilt: false,
};

const PRUNED: PruneFacts = {
  pruned: FACTS.archive,
  gzip_sha256: FACTS.gzip_sha256,
  reason: "age",
  pruned_ts: "2026-02-14T00:00:00.000Z",
};

/** Returns the data of an archive for its manifest line. Different numbers result in different data. */
function facts(index: number): ArchiveFacts {
  return { ...FACTS, archive: `audit_20260213_14302${index}.jsonl.gz`, lines: 10 + index };
}

function taken(bytes: Uint8Array): ManifestLines {
  const lines = new ManifestLines();
  lines.take(bytes);
  return lines;
}

/** Returns a manifest of `count` lines, the offset of each line, and the offset of the end. */
function manifest(count: number): { bytes: Uint8Array; starts: number[] } {
  const lines = new ManifestLines();
  let text = "";
  const starts = [0];
  for (let index = 0; index < count; index++) {
    const bytes = lines.next(facts(index));
    lines.take(bytes);
    text += new TextDecoder().decode(bytes);
    starts.push(text.length);
  }
  return { bytes: encoder.encode(text), starts };
}

Deno.test("ManifestLines.next() numbers the lines and chains each to the previous line", () => {
  const { bytes } = manifest(3);
  const texts = new TextDecoder().decode(bytes).split("\n");
  assertEquals(texts.pop(), "");
  const lines = texts.map((text) => JSON.parse(text));
  assertEquals(lines.map(({ v, seq }) => [v, seq]), [[1, 0], [1, 1], [1, 2]]);
  const digests = texts.map((text) => createHash("sha256").update(text).digest("hex"));
  assertEquals(lines.map(({ prev_sha256 }) => prev_sha256), [null, ...digests.slice(0, -1)]);
});

Deno.test("ManifestLines.take() parses the lines that next() returns", () => {
  const { bytes } = manifest(3);
  const lines = taken(bytes);
  assertEquals([lines.count, lines.byteLength], [3, bytes.byteLength]);
  for (const index of [0, 1, 2]) {
    const { v: _v, seq, prev_sha256: _prev, ...told } = lines.byArchive.get(
      facts(index).archive,
    )!;
    assertEquals(told, facts(index));
    assertEquals(seq, index);
  }
});

Deno.test("ManifestLines.take() adds the same lines in one call as in two calls", () => {
  const { bytes, starts } = manifest(3);
  for (const start of starts) {
    const lines = taken(bytes.subarray(0, start));
    lines.take(bytes.subarray(start));
    assertEquals([lines.count, lines.byteLength], [3, bytes.byteLength]);
  }
});

Deno.test("ManifestLines.next() continues the chain of the existing lines", () => {
  const { bytes, starts } = manifest(3);
  for (const count of [0, 1, 2]) {
    const lines = taken(bytes.subarray(0, starts[count]));
    assertEquals(lines.next(facts(count)), bytes.slice(starts[count], starts[count + 1]));
  }
});

Deno.test("ManifestLines.take() reads the complete lines of a manifest truncated at any byte", () => {
  const { bytes, starts } = manifest(3);
  for (let length = 0; length <= bytes.byteLength; length++) {
    const lines = taken(bytes.subarray(0, length));
    const whole = starts.filter((start) => start <= length).length - 1;
    assertEquals([lines.count, lines.byteLength], [whole, starts[whole]], `truncated to ${length}`);
  }
});

await sampledTest(
  "ManifestLines.take() distrusts only a line with a flipped bit and its neighbors",
  1 / 4,
  (extent) => {
    const { bytes, starts } = manifest(4);
    let unseen = 0;
    for (let index = 0; index < bytes.byteLength; index++) {
      const line = starts.findLastIndex((start) => start <= index);
      for (let bit = 0; bit < 8; bit++) {
        if (!extent.isDrawn()) continue;
        const flipped = bytes.slice();
        flipped[index]! ^= 1 << bit;
        const lines = taken(flipped);
        const where = `bit ${bit} of byte ${index}`;
        const trusted = [0, 1, 2, 3].filter((line) => {
          const archive = lines.byArchive.get(facts(line).archive);
          return archive?.lines === facts(line).lines;
        });
        // A flipped line break joins two lines.
        const last = bytes[index] === 0x0a ? line + 1 : line;
        // The changed line may contain the name of another archive. The line of the other archive is then not trusted.
        const text = new TextDecoder().decode(flipped);
        const others = [0, 1, 2, 3].filter((each) => each < line - 1 || each > last + 1)
          .filter((each) => text.split(facts(each).archive).length === 2);
        assertEquals(others.filter((each) => !trusted.includes(each)), [], where);
        if (line < 3) {
          assertEquals([line, last + 1].filter((each) => trusted.includes(each)), [], where);
        }
        // A changed line may still be valid, for example with another count. Then only the digest in the next line
        // reveals the change.
        if (lines.faults.length > 0 || lines.byteLength < bytes.byteLength) continue;
        assertEquals(line, 3, where);
        unseen++;
      }
    }
    assert(unseen > 0, "every flipped bit was detected, although no digest covers the last line");
  },
);

Deno.test("ManifestLines.take() reports faults for removed, inserted, duplicate and swapped lines", () => {
  const { bytes, starts } = manifest(3);
  const [a, b, c] = [0, 1, 2].map((index) => bytes.slice(starts[index], starts[index + 1])) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const faultyLines = [
    [b, c],
    [a, c],
    [a, a, b, c],
    [a, c, b],
    [b, a, c],
    [a, encoder.encode("\n"), b],
  ].map((parts) => taken(joined(...parts)).faults.map(({ line }) => line));
  assertEquals(faultyLines, [[1], [2], [2], [2, 3], [1, 2, 3], [2, 3]]);
});

Deno.test("ManifestLines.take() rejects a line with an invalid or missing field", () => {
  const text = new TextDecoder().decode(new ManifestLines().next(FACTS));
  assertEquals(taken(encoder.encode(text)).byArchive.size, 1);
  const wrong: [field: string, value: unknown][] = [
    ["v", 2],
    ["seq", 1],
    ["archive", ""],
    ["lines", -1],
    ["malformed", 0.5],
    ["oversized", -1],
    ["untimed", "0"],
    ["raw_bytes", null],
    ["gzip_bytes", 2 ** 60],
    ["first_ts", "soon"],
    ["max_ts", 0],
    ["events", { nav: { count: -1, cost: 0 } }],
    ["events", { nav: { count: 1, cost: null } }],
    ["events", []],
    ["spans", []],
    ["spans", { ended: [], unlisted: [], begun: [], cut: false }],
    ["spans", { ended: [["nav"]], unlisted: [], begun: [], cut: false, seen: null }],
    ["spans", { ended: [], unlisted: [], begun: [{}], cut: false, seen: null }],
    ["spans", { ended: [], unlisted: [], begun: [], cut: false, seen: [["s", null]] }],
    ["spans", { ended: [], unlisted: [7], begun: [], cut: false, seen: [] }],
    ["spans", { ended: [], unlisted: [], begun: [], cut: null, seen: [] }],
    ["spans", { unlisted: [], ended: [], begun: [], cut: false, seen: [] }],
    ["spans", { ended: [], unlisted: [], begun: ["", "", "", ""], cut: false, seen: [] }],
    ["sha256", "abc"],
    ["rebuilt", 1],
    ["prev_sha256", "0".repeat(64)],
  ];
  for (const [field, value] of wrong) {
    const line = { ...JSON.parse(text), [field]: value };
    assertEquals(taken(encoder.encode(`${JSON.stringify(line)}\n`)).byArchive.size, 0, field);
    // A missing field is invalid too, except `spans`, which earlier versions did not write.
    if (field === "spans") continue;
    delete line[field];
    assertEquals(taken(encoder.encode(`${JSON.stringify(line)}\n`)).byArchive.size, 0, field);
  }
  for (const none of ["42", "null", "[]", "", "{", "\u0000"]) {
    assertEquals(taken(encoder.encode(`${none}\n`)).byArchive.size, 0, none);
  }
  const notUtf8 = encoder.encode(text);
  notUtf8[text.indexOf("audit_")] = 0xff;
  assertEquals(taken(notUtf8).byArchive.size, 0);
});

Deno.test("ManifestLines.take() accepts a line without the field spans, as earlier versions wrote it, and a line with spans: null, which means that the archive has too many spans", () => {
  for (const spans of [undefined, null]) {
    const facts = { ...FACTS, spans };
    const bytes = new ManifestLines().next(facts);
    assertEquals(new TextDecoder().decode(bytes).includes('"spans"'), spans === null);
    assertEquals(taken(bytes).byArchive.get(FACTS.archive)?.spans, spans);
  }
});

Deno.test("ManifestLines keeps the spans of a pruned archive unless they are null", () => {
  const lines = new ManifestLines();
  for (const each of [FACTS, PRUNED]) lines.take(lines.next(each));
  assertEquals([...lines.prunedSpans], [[FACTS.archive, { spans: FACTS.spans, gzip_bytes: 120 }]]);
  const other = new ManifestLines();
  for (const each of [{ ...FACTS, spans: null }, PRUNED]) other.take(other.next(each));
  assertEquals(other.prunedSpans.size, 0);
});

for (
  const [what, wrong] of [
    ["more events than lines", { events: { nav: { count: 3, cost: 0 } } }],
    ["more events than a file can hold", { events: { nav: { count: 2 ** 53 - 1, cost: 0 } } }],
    ["more lines than bytes", { lines: 251 }],
    ["more bytes than its gzip file can expand to", { raw_bytes: 120 * 1_032 + 1 }],
  ] as const
) {
  Deno.test(`ManifestLines.take() rejects a line with ${what}`, () => {
    const line = new ManifestLines().next({ ...FACTS, ...wrong });
    assertEquals(taken(line).byArchive.size, 0);
  });
}

Deno.test("ManifestLines.byArchive contains the last line of each archive", () => {
  const lines = new ManifestLines();
  for (const gzip_bytes of [1, 2, 3]) lines.take(lines.next({ ...FACTS, gzip_bytes }));
  assertEquals([lines.count, lines.byArchive.size], [3, 1]);
  const { seq, gzip_bytes } = lines.byArchive.get(FACTS.archive)!;
  assertEquals([seq, gzip_bytes], [2, 3]);
});

Deno.test("ManifestLines.take() keeps the figures of a type called __proto__", () => {
  const events = JSON.parse('{"__proto__":{"count":1,"cost":1}}');
  const lines = new ManifestLines();
  lines.take(lines.next({ ...facts(1), events }));
  const [line] = lines.byArchive.values();
  assertEquals(Object.entries(line!.events!), [["__proto__", { count: 1, cost: 1 }]]);
});

Deno.test("parseManifestLine() accepts the same lines as a schema", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(...[
      null,
      true,
      "",
      "x",
      0,
      -0,
      -1,
      0.5,
      1e21,
      2 ** 53,
      [],
      {},
      "ab".repeat(32),
    ]),
    fc.constantFrom<unknown>(
      "2026-02-13T14:30:22.123Z",
      "2026-13-13T14:30:22.123Z",
      "2026-02-13T14:30:22Z",
      "+012026-02-13T14:30:22.123Z",
    ),
    fc.constantFrom<unknown>({ nav: { count: 1, cost: 1 } }, { nav: { count: -1, cost: 1 } }),
    fc.constantFrom<unknown>({ nav: { cost: 1, count: 1 } }, { nav: { count: 1, cost: 1, x: 1 } }, {
      nav: null,
    }),
    fc.constantFrom<unknown>(
      { ...FACTS.spans, cut: 1 },
      { ...FACTS.spans, more: 1 },
      { ...FACTS.spans, ended: [["nav", "0", "1"]] },
      { ...FACTS.spans, begun: [0] },
      { ...FACTS.spans, seen: null },
      { ended: [], unlisted: [], begun: [], seen: [], cut: true },
    ),
    fc.constantFrom<unknown>({ nav: { count: 1, cost: "1" } }, { nav: [1, 1] }, [{
      count: 1,
      cost: 1,
    }]),
    fc.jsonValue(),
  );
  const wholeLines = [FACTS, { ...FACTS, rollup_sha256: FACTS.sha256 }, PRUNED].map((each) =>
    JSON.parse(new TextDecoder().decode(new ManifestLines().next(each)))
  );
  const names = [...new Set(wholeLines.flatMap((line) => Object.keys(line)))];
  const change = fc.tuple(
    fc.constantFrom(...names, "extra"),
    fc.option(value, { nil: undefined }),
  );
  const accepted = new Map<unknown, number>();
  fc.assert(
    fc.property(
      fc.constantFrom(...wholeLines),
      fc.array(change, { maxLength: 3 }),
      fc.boolean(),
      (whole, changes, isReordered) => {
        const line = { ...whole, ...Object.fromEntries(changes) };
        const members = Object.entries(line);
        const text = JSON.stringify(
          Object.fromEntries(isReordered ? members.toReversed() : members),
        );
        const expected = parseBySchema(text);
        if (expected !== null) accepted.set(whole, (accepted.get(whole) ?? 0) + 1);
        assertEquals(parseManifestLine(encoder.encode(text)), expected, text);
      },
    ),
    { numRuns: 5_000 },
  );
  for (const whole of wholeLines) {
    const count = accepted.get(whole) ?? 0;
    assert(count > 100, `only ${count} lines like ${JSON.stringify(whole)} were accepted`);
  }
});

Deno.test("parseManifestLine() rejects an unknown member whose name looks like two known names", () => {
  const { spans: _spans, ...facts } = FACTS;
  const text = new TextDecoder().decode(new ManifestLines().next(facts as ArchiveFacts)).trimEnd();
  assert(parseManifestLine(encoder.encode(text)) !== null);
  const forged = text.replace('"last_seq"', '"spans,rollup_sha256":1,"last_seq"');
  assertEquals(parseManifestLine(encoder.encode(forged)), null);
});

/** Returns the value of a manifest line, checked with schemas in place of the code under test; null if it is invalid. */
function parseBySchema(text: string): unknown {
  const value = JSON.parse(text);
  const line = archiveSchema.safeParse(value).data ?? pruneSchema.safeParse(value).data;
  return line !== undefined && JSON.stringify(line) === text ? line : null;
}

const count = z.int().nonnegative();
const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)));
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const pairs = z.array(z.tuple([z.string(), z.string()]));
const figures = z.object({ count, cost: z.number() });

const archiveSchema = z.object({
  v: z.literal(1),
  seq: count,
  archive: z.string().min(1),
  lines: count,
  malformed: count,
  oversized: count,
  untimed: count,
  raw_bytes: count,
  gzip_bytes: count,
  first_ts: time.nullable(),
  last_ts: time.nullable(),
  min_ts: time.nullable(),
  max_ts: time.nullable(),
  // A custom check, because z.record() drops an event type called "__proto__".
  events: z.custom<ArchiveFacts["events"]>((value) =>
    value === null || typeof value === "object" && !Array.isArray(value) &&
      Object.values(value).every((each) => figures.safeParse(each).success)
  ),
  spans: z.object({
    ended: pairs,
    unlisted: z.array(z.string()),
    begun: z.array(z.string()),
    cut: z.boolean(),
    seen: pairs.nullable(),
  }).nullable().optional(),
  rollup_sha256: digest.nullable().optional(),
  last_seq: count.nullable(),
  last_hash: digest.nullable(),
  sha256: digest,
  gzip_sha256: digest,
  rebuilt: z.boolean(),
  prev_sha256: digest.nullable(),
}).refine(({ lines, malformed, untimed, raw_bytes, gzip_bytes, events, spans }) => {
  const timed = Object.values(events ?? {}).reduce((sum, { count }) => sum + count, 0);
  const spanEvents = (spans?.ended.length ?? 0) + (spans?.begun.length ?? 0);
  return timed + malformed + untimed <= lines && spanEvents <= lines && lines <= raw_bytes &&
    raw_bytes <= 1_032 * gzip_bytes;
});

const pruneSchema = z.object({
  v: z.literal(1),
  seq: count,
  pruned: z.string().min(1),
  gzip_sha256: digest,
  reason: z.enum(["archives", "bytes", "age"]),
  pruned_ts: time,
  prev_sha256: digest.nullable(),
});
