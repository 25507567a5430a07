import { assertEquals, assertRejects } from "@std/assert";
import { lastOf } from "../../src/read/last_of.ts";

Deno.test("lastOf() gives the last n items in order, for every n and length", async () => {
  for (let length = 0; length < 8; length++) {
    const items = Array.from({ length }, (_, n) => n);
    for (let n = 0; n < 10; n++) {
      assertEquals(await lastOf(ReadableStream.from(items), n), n === 0 ? [] : items.slice(-n));
    }
  }
});

Deno.test("lastOf() refuses an n that is no count", async () => {
  for (const n of [-1, 1.5, NaN]) {
    await assertRejects(() => lastOf(ReadableStream.from([1]), n), RangeError, `>= 0: ${n}`);
  }
});
