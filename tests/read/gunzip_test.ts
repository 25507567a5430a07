import { assert, assertEquals } from "@std/assert";
import { constants, crc32, gunzipSync, gzipSync } from "node:zlib";
import { gunzipped, GzipDamageError } from "../../src/read/gunzip.ts";
import { SeededRandom } from "../seeded_random.ts";
import { joined } from "../bytes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Returns `count` random lines. gzip compresses them, like those of a real log, with dynamic Huffman codes and distant
 * back-references.
 */
function linesOf(count: number, seed = 1): string {
  const random = new SeededRandom(seed);
  const line = () =>
    `{"event":"${random.below(4)}","note":"${random.below(2 ** 32).toString(36)}"}\n`;
  return Array.from({ length: count }, line).join("");
}

function gzip(text: string): Bytes {
  return new Uint8Array(gzipSync(text));
}

function flipped(bytes: Bytes, bit: number): Bytes {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** Returns the text that zlib can decode from the first bytes of a gzip file, whose rest may be missing. */
function inflatable(bytes: Bytes): string {
  return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
}

/**
 * A file in memory. It counts how often its bytes are read (`reads`), and how many of these reads have not ended
 * (`readers`).
 */
class SourceFile {
  reads = 0;
  readers = 0;
  /** Number of bytes that the latest read has received so far. */
  bytesRead = 0;

  constructor(readonly bytes: Bytes, readonly chunkBytes = 4096) {}

  readonly read = async function* (this: SourceFile): AsyncGenerator<Bytes> {
    this.reads++;
    this.readers++;
    this.bytesRead = 0;
    try {
      for (let start = 0; start < this.bytes.byteLength; start += this.chunkBytes) {
        // Each chunk arrives asynchronously, as the bytes of a real file do.
        await Promise.resolve();
        const chunk = this.bytes.slice(start, start + this.chunkBytes);
        this.bytesRead += chunk.byteLength;
        yield chunk;
      }
    } finally {
      this.readers--;
    }
  }.bind(this);
}

/**
 * Decodes a gzip file with `gunzipped()`. Resolves with the decoded text and the error that ended the decoding, or null
 * if there was no error.
 */
async function outcomeOf(
  read: () => AsyncIterable<Bytes>,
): Promise<{ text: string; thrown: unknown }> {
  const chunks: Bytes[] = [];
  let thrown: unknown = null;
  try {
    for await (const chunk of gunzipped(read)) chunks.push(chunk);
  } catch (error) {
    thrown = error;
  }
  return { text: await new Blob(chunks).text(), thrown };
}

/**
 * Decodes a gzip file with `gunzipped()`. Resolves with the decoded text and the reported damage, or null if the file
 * is not damaged.
 */
async function decoded(
  bytes: Bytes,
  chunkBytes = 4096,
): Promise<{ text: string; damage: string | null }> {
  const file = new SourceFile(bytes, chunkBytes);
  const { text, thrown } = await outcomeOf(file.read);
  assertEquals(file.readers, 0);
  if (thrown === null) return { text, damage: null };
  if (!(thrown instanceof GzipDamageError)) throw thrown;
  return { text, damage: thrown.message };
}

const TEXT = linesOf(2_000);
const WHOLE = gzip(TEXT);
const MORE = "the second\n";
const NO_CHECKSUM = "the checksum of the gzip file does not match";
const TRUNCATED = "the gzip file is truncated";
const MORE_BYTES = "bytes follow the end of the gzip file";
const NO_GZIP = "the file is not a gzip file";

/** Replaces the gzip header by a header with every optional field: extra, name, comment, checksum. */
function withLongHeader(bytes: Bytes): Bytes {
  const header = joined(
    Uint8Array.of(0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 2, 0),
    new TextEncoder().encode("xxname\0comment\0"),
  );
  const checksum = crc32(header);
  return joined(header, Uint8Array.of(checksum & 0xff, (checksum >> 8) & 0xff), bytes.subarray(10));
}

const FILES: readonly [what: string, bytes: Bytes, text: string, damage: string | null][] = [
  ["one gzip member", WHOLE, TEXT, null],
  ["a gzip member without content", gzip(""), "", null],
  ["three gzip members", joined(WHOLE, gzip(MORE), WHOLE), TEXT + MORE + TEXT, null],
  ["a gzip member and an empty gzip member", joined(WHOLE, gzip("")), TEXT, null],
  ["an empty gzip member and a gzip member", joined(gzip(""), WHOLE), TEXT, null],
  ["a header with every optional field", withLongHeader(WHOLE), TEXT, null],
  ["bytes after the end", joined(WHOLE, new TextEncoder().encode(MORE)), TEXT, MORE_BYTES],
  [
    "bytes after two gzip members",
    joined(WHOLE, gzip(MORE), WHOLE.slice(9)),
    TEXT + MORE,
    MORE_BYTES,
  ],
  ["bytes after an empty gzip member", joined(gzip(""), WHOLE.slice(9)), "", MORE_BYTES],
  [
    "bytes of another format after the end",
    joined(WHOLE, Uint8Array.of(0x1f, 0x8b, 7, 0)),
    TEXT,
    MORE_BYTES,
  ],
  ["a NUL after the end", joined(WHOLE, new Uint8Array(1)), TEXT, MORE_BYTES],
  ["NULs after the end", joined(WHOLE, new Uint8Array(9_000)), TEXT, MORE_BYTES],
  [
    "NULs after two gzip members",
    joined(WHOLE, gzip(MORE), new Uint8Array(9_000)),
    TEXT + MORE,
    MORE_BYTES,
  ],
  [
    "NULs between two gzip members",
    joined(WHOLE, new Uint8Array(512), gzip(MORE)),
    TEXT,
    MORE_BYTES,
  ],
  ["a wrong checksum", flipped(WHOLE, (WHOLE.length - 6) * 8), TEXT, NO_CHECKSUM],
  ["a wrong length", flipped(WHOLE, (WHOLE.length - 2) * 8), TEXT, NO_CHECKSUM],
  [
    "a wrong checksum before a second gzip member",
    joined(flipped(WHOLE, (WHOLE.length - 6) * 8), WHOLE),
    TEXT,
    NO_CHECKSUM,
  ],
  [
    "half a gzip member",
    WHOLE.slice(0, WHOLE.length / 2),
    inflatable(WHOLE.slice(0, WHOLE.length / 2)),
    TRUNCATED,
  ],
  ["half a header after a gzip member", joined(WHOLE, WHOLE.slice(0, 5)), TEXT, TRUNCATED],
  [
    "half a trailer at the end of the second gzip member",
    joined(WHOLE, gzip(MORE).slice(0, -4)),
    TEXT + MORE,
    TRUNCATED,
  ],
  ["plain text", new TextEncoder().encode(TEXT), "", NO_GZIP],
  ["only NULs", new Uint8Array(9_000), "", NO_GZIP],
  ["a NUL before the gzip member", joined(new Uint8Array(1), WHOLE), "", NO_GZIP],
  ["invalid header flags", flipped(WHOLE, 3 * 8 + 7), "", NO_GZIP],
  ["no content at all", new Uint8Array(), "", "the file is empty, not a gzip file"],
];

for (const [what, bytes, text, damage] of FILES) {
  Deno.test(`gunzipped() of a file with ${what} ${damage === null ? "yields the whole content" : `reports: ${damage}`}`, async () => {
    for (const chunkBytes of [1, 7, 4096, 256 * 1024]) {
      const actual = await decoded(bytes, chunkBytes);
      assertEquals(actual.damage, damage, `in chunks of ${chunkBytes}`);
      assert(
        actual.text === text,
        `${actual.text.length} of ${text.length} in chunks of ${chunkBytes}`,
      );
    }
  });
}

Deno.test("gunzipped() reads the bytes of an undamaged archive only once", async () => {
  const file = new SourceFile(WHOLE);
  await outcomeOf(file.read);
  assertEquals(file.reads, 1);
});

Deno.test("gunzipped() yields no byte twice, even if it reads the file again in chunks of another size", async () => {
  const bytes = joined(WHOLE, gzip(MORE), WHOLE, new TextEncoder().encode("more"));
  const sizes = [700, 5_000, 900, 256 * 1024];
  const { text, thrown } = await outcomeOf(() => new SourceFile(bytes, sizes.shift()).read());
  assert(text === TEXT + MORE + TEXT, `${text.length} characters`);
  assert(thrown instanceof GzipDamageError && thrown.message === MORE_BYTES, `${thrown}`);
  assertEquals(sizes.length, 1);
});

Deno.test("gunzipped() yields everything that can be decoded from a file that is truncated at any byte", async () => {
  const text = linesOf(8);
  const members = joined(gzip(text), gzip(MORE));
  for (const bytes of [gzip(text), members]) {
    for (let length = 1; length < bytes.byteLength; length++) {
      const actual = await decoded(bytes.slice(0, length));
      const isWhole = bytes === members && length === gzip(text).byteLength;
      assertEquals(actual.damage, isWhole ? null : TRUNCATED, `cut to ${length}`);
      assertEquals(actual.text, inflatable(bytes.slice(0, length)), `cut to ${length}`);
    }
  }
});

Deno.test("gunzipped() yields everything that can be decoded from a truncated long file", async () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 60; round++) {
    const length = 1 + random.below(WHOLE.byteLength - 1);
    const chunkBytes = 1 + random.below(9_000);
    const { text, damage } = await decoded(WHOLE.slice(0, length), chunkBytes);
    assertEquals(damage, TRUNCATED, `cut to ${length}`);
    assert(text === inflatable(WHOLE.slice(0, length)), `${text.length} of the cut to ${length}`);
  }
});

Deno.test("gunzipped() yields everything before a flipped bit, and reports damage if any content is lost", async () => {
  const text = linesOf(8);
  const bytes = joined(gzip(text), gzip(MORE));
  for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
    const actual = await decoded(flipped(bytes, bit));
    const before = bit < 8 ? "" : inflatable(bytes.slice(0, bit >> 3));
    assert(actual.text.startsWith(before), `${actual.text.length} before bit ${bit}`);
    if (actual.damage === null) assertEquals(actual.text, text + MORE, `bit ${bit}`);
  }
});

Deno.test("gunzipped() yields everything before a flipped bit of a long file, and reports damage", async () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 60; round++) {
    const bit = 80 + random.below((WHOLE.byteLength - 10) * 8);
    const { text, damage } = await decoded(flipped(WHOLE, bit), 1 + random.below(9_000));
    assert(damage !== null, `bit ${bit}`);
    assert(
      text.startsWith(inflatable(WHOLE.slice(0, bit >> 3))),
      `${text.length} before bit ${bit}`,
    );
  }
});

Deno.test("gunzipped() rethrows a read error after it has yielded everything before the error", async () => {
  const members = joined(WHOLE, gzip(MORE), WHOLE);
  for (
    const [bytes, length, failing] of [
      [WHOLE, 0, 1],
      [WHOLE, 5, 1],
      [WHOLE, 9_000, 1],
      [WHOLE, WHOLE.length, 1],
      [members, 9_000, 2],
      [members, members.length - 9_000, 2],
      [members, members.length, 2],
    ] as const
  ) {
    const failure = new Deno.errors.Interrupted("the disk fails");
    const file = new SourceFile(bytes);
    const { text, thrown } = await outcomeOf(async function* () {
      if (file.reads < failing - 1) return yield* file.read();
      yield* new SourceFile(bytes.slice(0, length)).read();
      file.reads++;
      throw failure;
    });
    assert(thrown === failure, `${thrown}`);
    assertEquals(file.reads, failing, `${length} bytes, reading ${failing}`);
    const expected = length === 0 ? "" : inflatable(bytes.slice(0, length));
    assert(text.startsWith(expected), `${text.length} of ${length} bytes, reading ${failing}`);
  }
});

Deno.test("gunzipped() rethrows the error if the file cannot be opened", async () => {
  const failure = new TypeError("no file");
  const { thrown } = await outcomeOf(() => {
    throw failure;
  });
  assert(thrown === failure, `${thrown}`);
});

Deno.test("gunzipped() stops reading the file if the caller breaks out of its loop", async () => {
  for (const bytes of [WHOLE, joined(gzip(MORE), WHOLE), flipped(WHOLE, (WHOLE.length - 6) * 8)]) {
    for (let chunks = 1; chunks < 6; chunks++) {
      const file = new SourceFile(bytes, 1_000);
      let left = chunks;
      for await (const _ of gunzipped(file.read)) if (--left === 0) break;
      assertEquals(file.readers, 0, `after ${chunks} chunks`);
    }
  }
});

Deno.test("gunzipped() waits for a pending read of the file before it ends, if the caller breaks out of its loop", async () => {
  const order: string[] = [];
  async function* read(): AsyncGenerator<Bytes> {
    try {
      yield WHOLE.slice(0, 4096);
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
      order.push("read");
      yield WHOLE.slice(4096);
    } finally {
      order.push("closed");
    }
  }
  for await (const _ of gunzipped(read)) break;
  order.push("ended");
  assertEquals(order.at(-1), "ended");
  assert(order.includes("closed"), `${order}`);
});

const BLANK_BYTES = 64 * 1024 * 1024;

for (const what of ["one member", "two members"] as const) {
  Deno.test(`gunzipped() of a file with ${what} does not inflate much more than the caller has received`, async () => {
    const bomb = bombOf(what);
    const file = new SourceFile(bomb, 1_000);
    let taken = 0;
    let aheadMax = 0;
    for await (const chunk of gunzipped(file.read)) {
      // One byte of a gzip file inflates to at most 1,032 bytes. The difference is therefore the maximum number of
      // inflated bytes that wait in memory until the caller receives them.
      aheadMax = Math.max(aheadMax, file.bytesRead * 1_032 - taken);
      taken += chunk.byteLength;
    }
    assert(taken >= BLANK_BYTES);
    assert(aheadMax < BLANK_BYTES / 4, `${aheadMax} of ${taken} bytes were ahead`);
  });

  Deno.test(`gunzipped() of a file with ${what} inflates a large chunk in small steps`, async () => {
    const bomb = bombOf(what);
    const file = new SourceFile(bomb, bomb.byteLength);
    const before = Deno.memoryUsage().external;
    for await (const chunk of gunzipped(file.read)) {
      const grown = Math.max(Deno.memoryUsage().external - before, chunk.byteLength);
      assert(grown < BLANK_BYTES / 4, `${grown} bytes are in memory`);
      break;
    }
  });
}

/**
 * Returns a gzip file of blank lines, which is about a thousandth as long as its content. A decoder that inflates the
 * file in one step needs far too much memory.
 */
function bombOf(what: "one member" | "two members"): Bytes {
  const bomb = gzip("\n".repeat(BLANK_BYTES));
  assert(bomb.byteLength * 1_000 < BLANK_BYTES, `${bomb.byteLength}`);
  return what === "one member" ? bomb : joined(gzip(MORE), bomb);
}
