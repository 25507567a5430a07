import { assert, assertEquals } from "@std/assert";
import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { decodeUtf8 } from "../../src/line/utf8.ts";

const encoder = new TextEncoder();

Deno.test("decodeUtf8() returns the text of UTF-8, and null for other bytes", () => {
  // Parts of characters, an encoded surrogate, an overlong slash, a byte order mark and the replacement character.
  const odd = fc.constantFrom(
    ...["\ufffd", "\ufeff", "é", "日", "😀", "a"].map((text) => [...encoder.encode(text)]),
    ...[[0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf0, 0x9f], [0x80], [0xff], [0]],
  );
  const bytes = fc.oneof(
    fc.string({ unit: "binary" }).map((text) => encoder.encode(text)),
    fc.uint8Array(),
    fc.array(odd).map((parts) => Uint8Array.from(parts.flat())),
  );
  let valid = 0;
  let invalid = 0;
  fc.assert(
    fc.property(bytes, (bytes) => {
      const text = decodeUtf8(bytes);
      assertEquals(text === null, !isUtf8(bytes));
      if (text === null) {
        invalid++;
      } else {
        valid++;
        assertEquals(encoder.encode(text), bytes);
      }
    }),
    { numRuns: 2_000 },
  );
  assert(Math.min(valid, invalid) > 100, `${valid} valid and ${invalid} invalid texts`);
});
