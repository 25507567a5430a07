import { assert, assertEquals, assertRejects } from "@std/assert";
import { readChunks } from "../../src/platform/chunks.ts";
import {
  type Block,
  blocksOf,
  reversedBlocksOf,
  tailBlocksOf,
  UnreadableRestError,
} from "../../src/read/blocks.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { sampledTest } from "../extent.ts";
import { SeededRandom } from "../seeded_random.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A line and its byte offset in the file. The line is null if it exceeds `maxLineBytes`. */
type PlacedLine = [byteOffset: number, line: string | null];

/** Splits a text into lines without the code under test, to compute the expected result. */
function linesOf(text: string, maxLineBytes: number): PlacedLine[] {
  const lines: PlacedLine[] = [];
  let byteOffset = 0;
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const { byteLength } = encoder.encode(line);
    const isTooLong = byteLength + (line.endsWith("\n") ? 0 : 1) > maxLineBytes;
    lines.push([byteOffset, isTooLong ? null : line]);
    byteOffset += byteLength;
  }
  return lines;
}

/**
 * Returns the lines of the blocks (pieces of a file) in order. A line that is too long is null, even within a block of
 * many lines.
 */
function linesIn(blocks: readonly Block[], maxLineBytes: number): PlacedLine[] {
  return blocks.flatMap(({ byteOffset, bytes }): PlacedLine[] =>
    bytes === null
      ? [[byteOffset, null]]
      : linesOf(decoder.decode(bytes), maxLineBytes).map(([at, line]) => [byteOffset + at, line])
  );
}

function randomText(random: SeededRandom): string {
  return Array.from({ length: random.below(40) }, (_, n) => {
    const length = random.below(10) === 0 ? random.below(90_000) : random.below(60);
    return "é".repeat(length % 7) + String(n % 10).repeat(length);
  }).join("\n") + (random.below(2) === 0 ? "\n" : "");
}

async function* chunksOf(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = encoder.encode(text);
  for (let start = 0; start < bytes.byteLength; start += size) {
    yield await Promise.resolve(bytes.slice(start, start + size));
  }
}

function assertPlaces(blocks: readonly Block[], text: string): void {
  let end = 0;
  for (const { byteOffset, byteLength, bytes } of blocks) {
    assertEquals(byteOffset, end);
    if (bytes !== null) assertEquals(bytes.byteLength, byteLength);
    end += byteLength;
  }
  assertEquals(end, encoder.encode(text).byteLength);
}

await sampledTest(
  "blocksOf(), tailBlocksOf() and reversedBlocksOf() yield every line with its byte offset",
  1 / 4,
  async (extent) => {
    for (const seed of extent.seeds(400)) {
      const random = new SeededRandom(seed);
      const text = randomText(random);
      const maxLineBytes = [20, 100, 1_000, 100_000_000][random.below(4)]!;
      const expected = linesOf(text, maxLineBytes);
      const size = 1 + random.below(random.below(2) === 0 ? 50 : 100_000);

      const forwards = await Array.fromAsync(blocksOf(chunksOf(text, size), maxLineBytes));
      assertPlaces(forwards, text);
      assertEquals(linesIn(forwards, maxLineBytes), expected, `seed ${seed}, forwards`);

      const windowBytes = 1 + random.below(10_000);
      const read = () => chunksOf(text, size);
      const reversed = await Array.fromAsync(reversedBlocksOf(read, maxLineBytes, windowBytes));
      assertPlaces(reversed.reverse(), text);
      assertEquals(linesIn(reversed, maxLineBytes), expected, `seed ${seed}, reversed`);

      const disk = new SimulatedDisk();
      disk.writeFile("/a", text);
      const handle = disk.process().open("/a", "read");
      const { byteLength } = handle.status();
      const tail = await Array.fromAsync(tailBlocksOf(handle, byteLength, maxLineBytes));
      assertPlaces(tail.reverse(), text);
      assertEquals(linesIn(tail, maxLineBytes), expected, `seed ${seed}, from the tail`);
    }
  },
);

Deno.test("blocksOf() counts byte offsets from the given offset of the first chunk", async () => {
  const blocks = await Array.fromAsync(blocksOf(chunksOf("a\nbc\nd", 3), 100, 1_000));
  assertEquals(linesIn(blocks, 100), [[1_000, "a\n"], [1_002, "bc\n"], [1_005, "d"]]);
});

Deno.test("tailBlocksOf() reads few bytes if only the last lines are needed", async () => {
  const disk = new SimulatedDisk();
  disk.writeFile("/a", "0123456789\n".repeat(100_000));
  const process = disk.process();
  const handle = process.open("/a", "read");
  for await (const block of tailBlocksOf(handle, handle.status().byteLength, 1_000)) {
    assert(block.byteLength < 40_000);
    break;
  }
  assertEquals(process.calls.filter(({ name }) => name === "read").length, 1);
});

Deno.test("blocksOf() and reversedBlocksOf() yield everything before an error and report the byte offset of the error", async () => {
  const cause = new Error("EIO");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* chunksOf("a\nbc\ndef", 2);
    throw cause;
  }
  for (
    const read of [
      () => blocksOf(failing(), 100),
      () => reversedBlocksOf(failing, 100, 1),
      () => reversedBlocksOf(failing, 100, 1_000),
    ]
  ) {
    const blocks: Block[] = [];
    const error = await assertRejects(async () => {
      for await (const block of read()) blocks.push(block);
    }, UnreadableRestError);
    assertEquals([error.byteOffset, error.cause], [5, cause]);
    const lines = linesIn(blocks.toSorted((a, b) => a.byteOffset - b.byteOffset), 100);
    assertEquals(lines, [[0, "a\n"], [2, "bc\n"], [5, "def"]]);
    assertEquals(blocks.filter(({ isCut }) => isCut).map(({ byteOffset }) => byteOffset), [5]);
  }
});

Deno.test("blocksOf() divides a file that readChunks() reads into blocks of 256 KiB", async () => {
  const disk = new SimulatedDisk();
  disk.writeFile("/a", "x\n".repeat(200_000));
  const handle = disk.process().open("/a", "read");
  const blocks = await Array.fromAsync(blocksOf(readChunks(handle, 400_000), 100));
  assertEquals(blocks.map(({ byteLength }) => byteLength), [262_144, 137_856]);
});
