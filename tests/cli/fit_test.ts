import { assert, assertEquals } from "@std/assert";
import stringWidth from "string-width";
import { cut, cutMiddle, wrapped } from "../../src/cli/fit.ts";

const TEXTS = [
  "",
  "short",
  "a longer label with spaces",
  "模型模型模型模型模型模型",
  "🐟 fish 👩‍👩‍👧 family ".repeat(4),
  "e\u0301".repeat(40),
  "\u001b[31mred\u001b[0m".repeat(5),
  `x${"\u0301".repeat(100_000)}`,
  "y".repeat(100_000),
  `${"z".repeat(79)}\ud83d`,
];

Deno.test("cut() and cutMiddle() return text that fits the columns, and mark omitted text with an ellipsis", () => {
  for (const text of TEXTS) {
    for (const columns of [0, 1, 2, 9, 40, 80]) {
      for (const fit of [cut, cutMiddle]) {
        const found = fit(text, columns);
        assert(stringWidth(found) <= columns, `${fit.name} ${columns} ${found}`);
        assert(found.length <= 16 * columns + 16, `${fit.name} ${columns} ${found.length}`);
        // deno-lint-ignore no-control-regex -- the expression matches control characters
        assert(!/[\u0000-\u001f\ud83d]$/.test(found));
      }
    }
  }
  assertEquals(cut("a longer label", 8), "a longe…");
  assertEquals(cut("exactly", 7), "exactly");
  assertEquals(cut("\n", Infinity), "\\n");
  assertEquals(cut("模型模型", 6), "模型…");
  assertEquals(cutMiddle("/tmp/a/long/path/audit.jsonl", 15), "/tmp/a/…t.jsonl");
  assertEquals(cutMiddle("/tmp/a", 15), "/tmp/a");
});

Deno.test("wrapped() breaks lines between words, and breaks a word only if it is wider than a line", () => {
  assertEquals(wrapped("one two three four", 9), ["one two", "three", "four"]);
  assertEquals(wrapped("a /long/path/name b", 6), ["a", "/long/", "path/n", "ame b"]);
  assertEquals(wrapped("one two", Infinity), ["one two"]);
  assertEquals(wrapped("a\u001bb", 80), ["a\\u001bb"]);
  for (const text of TEXTS.slice(0, 7)) {
    for (const columns of [8, 39, 80]) {
      for (const line of wrapped(text, columns)) assert(stringWidth(line) <= columns, line);
    }
  }
});
