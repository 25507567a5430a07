import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { keepLineTexts } from "../../src/audit_reader.ts";
import { AuditReader } from "@vivarium/scout";
import { gzipped, tempDir } from "../temp_dir.ts";

/** Arbitrary JSON objects as text, with blanks between the tokens and with numbers of any precision. */
const jsonObject = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.stringMatching(/^-?(?:0|[1-9][0-9]{0,24})(?:\.[0-9]{1,24})?(?:[eE][-+]?[0-9]{1,3})?$/),
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    fc.constantFrom("true", "false", "null", "NaN", '"\\u00e9"'),
    fc.array(tie("value"), { maxLength: 3 }).map((values) => `[ ${values.join(" ,")}]`),
    tie("object"),
  ),
  object: fc.array(fc.tuple(fc.string({ unit: "binary" }), tie("value")), { maxLength: 4 })
    .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${value}`)}}`),
})).object;

Deno.test("keepLineTexts() keeps the stored text of each event, from archives and the active file, in ascending and descending order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(jsonObject, { minLength: 1, maxLength: 20 }), async (lines) => {
      using dir = tempDir();
      const path = dir.path("audit.jsonl");
      const half = Math.ceil(lines.length / 2);
      const textOf = (part: readonly string[]) => part.map((line) => `${line}\n`).join("");
      Deno.writeFileSync(
        dir.path("audit_20260213_143022.jsonl.gz"),
        await gzipped(textOf(lines.slice(0, half))),
      );
      Deno.writeTextFileSync(path, textOf(lines.slice(half)));
      await using reader = await AuditReader.open(path);
      const texts = keepLineTexts(reader);
      for (const order of ["asc", "desc"] as const) {
        const events = await reader.query({ order }).toArray();
        const expected = order === "asc" ? lines : lines.toReversed();
        assertEquals(events.map((event) => texts.get(event)), expected);
      }
      const followed: (string | undefined)[] = [];
      for await (const event of reader.follow({ last: Infinity })) {
        if (followed.push(texts.get(event)) === lines.length) break;
      }
      assertEquals(followed, lines);
    }),
    { numRuns: 60 },
  );
});
