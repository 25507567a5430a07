import { assertEquals } from "@std/assert";
import { ByteBuffer } from "../../src/write/byte_buffer.ts";

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

Deno.test("ByteBuffer adds text after bytes, and counts the bytes of both", () => {
  const buffer = new ByteBuffer();
  buffer.addText("ü\n");
  buffer.add(Uint8Array.of(0x61, 0x0a));
  buffer.addText("🐟\n");
  assertEquals(buffer.byteLength, 3 + 2 + 5);
  assertEquals(textOf(buffer.take()), "ü\na\n🐟\n");
  assertEquals(buffer.byteLength, 0);
  assertEquals(buffer.take(), new Uint8Array());
});

Deno.test("ByteBuffer does not cut a character at the end of a slab, one of the blocks of memory that it fills", () => {
  for (const character of ["a", "ü", "€", "🐟"]) {
    for (let before = 256 * 1024 - 8; before <= 256 * 1024; before++) {
      const buffer = new ByteBuffer();
      buffer.addText("x".repeat(before));
      buffer.addText(character.repeat(5));
      assertEquals(textOf(buffer.take()), "x".repeat(before) + character.repeat(5));
    }
  }
});

Deno.test("ByteBuffer does not change bytes that were taken out", () => {
  const buffer = new ByteBuffer();
  const taken: Uint8Array[] = [];
  const texts = Array.from({ length: 500 }, (_, n) => `${n}:${"x".repeat(n)}\n`);
  for (const [n, text] of texts.entries()) {
    if (n % 3 === 0) buffer.add(new TextEncoder().encode(text));
    else buffer.addText(text);
    if (n % 7 === 0) taken.push(buffer.take());
  }
  taken.push(buffer.take());
  assertEquals(taken.map(textOf).join(""), texts.join(""));
});

Deno.test("ByteBuffer accepts more bytes than fit in one slab, a block of memory that it fills", () => {
  const buffer = new ByteBuffer();
  const text = "€".repeat(100_000);
  buffer.addText(text);
  buffer.add(new TextEncoder().encode(text));
  buffer.addText(text);
  assertEquals(textOf(buffer.take()), text + text + text);
});
