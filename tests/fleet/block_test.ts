import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { joined } from "../../src/platform/chunks.ts";
import { sha256 } from "../../src/line/digest.ts";
import { type Block, BLOCK_HEADERS, contentOf, factsOf } from "../../src/fleet/block.ts";
import { figuresIn, figuresOf, headersOfFigures } from "../../src/fleet/block_figures.ts";
import { type BlockMessage, messagesOf, type Sending } from "../../src/fleet/block_message.ts";
import { SeededRandom } from "../seeded_random.ts";

const encoder = new TextEncoder();
const SENDING: Sending = { shipper: "s", logEnd: 0, encoding: "gzip", dataBytesMax: 1_000 };

function blockOf(text: string, from = 100): Block {
  const bytes = encoder.encode(text);
  const isCut = !text.endsWith("\n");
  return { from, to: from + bytes.byteLength, bytes, isContinued: false, isCut };
}

function messages(block: Block, sending: Partial<Sending> = {}): Promise<BlockMessage[]> {
  const blocks = ReadableStream.from([block]);
  return Array.fromAsync(messagesOf(blocks, { ...SENDING, ...sending }));
}

function getterOf(headers: BlockMessage["headers"]): (name: string) => string {
  const values = new Map(headers);
  return (name) => values.get(name) ?? "";
}

/** Returns a random text that gzip does not make shorter. */
function noise(length: number): string {
  const random = new SeededRandom(length);
  return Array.from({ length }, () => String.fromCharCode(48 + random.below(75))).join("");
}

Deno.test("messagesOf() compresses blocks (parts of a log), leaves incompressible blocks as they are, and splits long blocks", async () => {
  const line = `{"event":"nav","reason":"${"x".repeat(300)}"}\n`;
  const [small, ...none] = await messages(blockOf(line.repeat(50)));
  assertEquals([new Map(small!.headers).get("Scout-Encoding"), none], ["gzip", []]);
  assert(small!.data.byteLength < 500);
  const [short] = await messages(blockOf("{}\n"));
  assertEquals(new Map(short!.headers).get("Scout-Encoding"), "identity");

  const lines = Array.from({ length: 30 }, (_, n) => `${noise(100 + n)}\n`);
  for (const encoding of ["gzip", "identity"] as const) {
    for (
      const text of [
        lines.join(""),
        noise(5_000),
        `${noise(5_000)}\n`,
        `${lines[0]}${noise(4_000)}\n`,
      ]
    ) {
      const block = blockOf(text);
      const halves = await messages(block, { encoding });
      assert(halves.length > 3 && halves.every(({ data }) => data.byteLength <= 1_000));
      let position = 100;
      let isWithin = false;
      const parts: Uint8Array[] = [];
      for (const { headers, data, block: { isCut } } of halves) {
        const facts = factsOf(getterOf(headers))!;
        const bytes = (await contentOf(data, facts))!;
        assertEquals([facts.from, facts.isCut, isCut], [position, isCut, bytes.at(-1) !== 10]);
        assertEquals(facts.isContinued, isWithin);
        position = facts.to;
        isWithin = isCut;
        parts.push(bytes);
      }
      assertEquals(joined(parts, block.bytes.byteLength), block.bytes);
    }
    // A long block of several lines is split between two lines, so no message ends within a line.
    const halves = await messages(blockOf(lines.join("")), { encoding });
    assertEquals(halves.some(({ block }) => block.isCut), false);
  }
});

Deno.test("figuresOf() computes the lines, types, times and costs of a block (a part of a log) as a query does, and figuresIn() reads them from the headers of a message", () => {
  const text = [
    '{"ts":"2026-02-13T14:00:00.250Z","event":"nav","cost":0.1}',
    '{"ts":"2026-02-13T13:59:00.000Z","event":"nav","cost":0.2,"nested":{"cost":5}}',
    '{"ts":"2026-02-13T14:00:00.000Z","event":"Größe \\n\\u0000","cost":null}',
    '{"event":"nav","cost":7}',
    '{"ts":"2026-02-13T14:00:00.000Z","cost":-0.05}',
    "{torn",
    '{"ts":"2026-02-13T14:00:00.000Z","event":"__proto__","cost":NaN}',
    "",
  ].join("\n");
  const figures = figuresOf(encoder.encode(text));
  assertEquals(figures, {
    lines: 7,
    firstMs: Date.UTC(2026, 1, 13, 13, 59),
    lastMs: Date.UTC(2026, 1, 13, 14, 0, 0, 250),
    usd: 0.25,
    events: new Map([["nav", 3], ["Größe \n\u0000", 1], ["", 1], ["__proto__", 1]]),
  });
  const headers = headersOfFigures(figures);
  assert(headers.every(([, value]) => !/[\r\n]/.test(value)));
  assertEquals(figuresIn(getterOf(headers)), figures);

  const untimed = figuresOf(encoder.encode('{"event":"a"}\n'));
  assertEquals([untimed.firstMs, untimed.lastMs, untimed.usd], [NaN, NaN, null]);
  assertEquals(figuresIn(getterOf(headersOfFigures(untimed))), untimed);
});

Deno.test("headersOfFigures() leaves out figures that do not fit into the headers of a message, and figuresIn() rejects invalid headers", async () => {
  const types = Array.from({ length: 200 }, (_, n) => `{"event":"type ${n}"}\n`).join("");
  const ts = "2026-02-13T14:00:00.000Z";
  const huge = `{"ts":"${ts}","cost":1.7e308}\n`.repeat(2);
  for (const text of [types, huge, '{"event":"cut']) {
    const [message] = await messages(blockOf(text), { dataBytesMax: 1e6 });
    assertEquals(factsOf(getterOf(message!.headers))!.figures, null);
  }
  const [message] = await messages(blockOf("{}\n"));
  const get = getterOf(message!.headers);
  for (
    const [name, value] of [
      ["Scout-Lines", ""],
      ["Scout-Lines", "many"],
      ["Scout-Cost", "Infinity"],
      ["Scout-Events", "[1"],
      ["Scout-Events", "null"],
    ]
  ) {
    assertEquals(figuresIn((header) => header === name ? value! : get(header)), null);
  }
});

Deno.test("factsOf() rejects invalid headers of a message, and contentOf() rejects data that does not match the headers", async () => {
  const text = '{"event":"nav"}\n'.repeat(1_000);
  const [{ headers, data }] = await messages(blockOf(text)) as [BlockMessage];
  const get = getterOf(headers);
  const facts = factsOf(get)!;
  assertEquals(new TextDecoder().decode((await contentOf(data, facts))!), text);
  const wrong: [what: string, data: Uint8Array][] = [
    ["another content", gzipSync(encoder.encode(text.replace("nav", "van")))],
    ["longer", gzipSync(encoder.encode(text + text))],
    ["shorter", gzipSync(encoder.encode(text.slice(16)))],
    ["cut off", data.subarray(0, -9)],
    ["a bomb", gzipSync(new Uint8Array(50_000_000))],
    ["nothing", new Uint8Array()],
  ];
  for (const [what, data] of wrong) assertEquals(await contentOf(data, facts), null, what);
  for (
    const [name, value] of [
      [BLOCK_HEADERS.from, "-1"],
      [BLOCK_HEADERS.from, `${facts.to}`],
      [BLOCK_HEADERS.to, "1e3"],
      [BLOCK_HEADERS.to, `${2 ** 40}`],
      [BLOCK_HEADERS.sha256, sha256(data).toUpperCase()],
    ]
  ) {
    assertEquals(factsOf((header) => header === name ? value! : get(header)), null, name);
  }
});
