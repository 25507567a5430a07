import { assert, assertEquals } from "@std/assert";
import { readChunks } from "../../src/chunks.ts";
import { denoFileSystem } from "../../src/deno_file_system.ts";
import type { RawLine } from "../../src/line_splitter.ts";
import { readLines } from "../../src/read/read_lines.ts";
import { tempDir } from "../temp_dir.ts";

/** The lines of a file with the content, as text. */
async function linesIn(
  content: string,
  options: { byteLength?: number; maxLineBytes?: number } = {},
): Promise<(Omit<RawLine, "bytes"> & { text: string | null })[]> {
  using dir = tempDir();
  Deno.writeTextFileSync(dir.path("a"), content);
  const handle = denoFileSystem.open(dir.path("a"), "read");
  try {
    const { byteLength = handle.status().byteLength, maxLineBytes = 1024 * 1024 } = options;
    const lines = await Array.fromAsync(
      readLines(readChunks(handle, byteLength), maxLineBytes),
    );
    return lines.map(({ bytes, ...place }) => ({
      ...place,
      text: bytes === null ? null : new TextDecoder().decode(bytes),
    }));
  } finally {
    handle.close();
  }
}

Deno.test("readLines() gives each line with its place, and tells a torn last one", async () => {
  assertEquals(await linesIn("ab\n\nü\nc"), [
    { text: "ab", byteOffset: 0, byteLength: 3, hasLineBreak: true },
    { text: "", byteOffset: 3, byteLength: 1, hasLineBreak: true },
    { text: "ü", byteOffset: 4, byteLength: 3, hasLineBreak: true },
    { text: "c", byteOffset: 7, byteLength: 1, hasLineBreak: false },
  ]);
  assertEquals(await linesIn(""), []);
});

Deno.test("readLines() puts lines together across chunks", async () => {
  const lengths = [262_143, 1, 262_144, 262_145, 700_000, 3];
  const content = lengths.map((length, n) => `${String(n).repeat(length)}\n`).join("");
  const lines = await linesIn(content);
  assertEquals(lines.map(({ text }) => text?.length), lengths);
  assert(lines.every(({ text }, n) => text === String(n).repeat(lengths[n]!)));
});

Deno.test("readLines() passes over a line past maxLineBytes, line break included", async () => {
  const content = `${"a".repeat(9)}\n${"b".repeat(10)}\n${"c".repeat(600_000)}\nd\n`;
  const lines = await linesIn(content, { maxLineBytes: 10 });
  assertEquals(lines.map(({ text, byteOffset, byteLength }) => [text, byteOffset, byteLength]), [
    ["aaaaaaaaa", 0, 10],
    [null, 10, 11],
    [null, 21, 600_001],
    ["d", 600_022, 2],
  ]);
});

Deno.test("readLines() stops at the length that it is given, or where the file ends", async () => {
  assertEquals((await linesIn("a\nb\nc\n", { byteLength: 4 })).map(({ text }) => text), ["a", "b"]);
  assertEquals((await linesIn("a\nb\n", { byteLength: 400 })).map(({ text }) => text), ["a", "b"]);
});
