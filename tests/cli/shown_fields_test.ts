import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fieldTexts, parseFields, pickedJson, pickedText } from "../../src/cli/shown_fields.ts";

const LINE =
  '{"ts":"2026-02-13T14:30:00.000Z", "id":12345678901234567890,"cost":1.10,"x":NaN,"text":"a\\tb\\u001b\\"}","list":[1,{"y":[ ]}],"o":{"p":{"q":-0}},"o.p":"dots","id":7.50}';

const PICKED: [names: string[], json: string, text: string][] = [
  [
    ["cost", "ts"],
    '{"cost":1.10,"ts":"2026-02-13T14:30:00.000Z"}',
    "1.10\t2026-02-13T14:30:00.000Z",
  ],
  // Of two members with the same name, the last one counts, as in JSON.parse().
  [["id"], '{"id":7.50}', "7.50"],
  [["x", "none"], '{"x":NaN}', "NaN\t"],
  [["text"], '{"text":"a\\tb\\u001b\\"}"}', 'a\\tb\\u001b"}'],
  [["list", "o.p.q"], '{"list":[1,{"y":[ ]}],"o.p.q":-0}', '[1,{"y":[ ]}]\t-0'],
  [["o.p"], '{"o.p":"dots"}', "dots"],
  [["ts.length", "list.0"], "{}", "\t"],
];
for (const [names, json, text] of PICKED) {
  Deno.test(`pickedJson() and pickedText() keep the stored text of ${names.join(" and ")}`, () => {
    assertEquals([pickedJson(LINE, names), pickedText(LINE, names)], [json, text]);
  });
}

Deno.test("fieldTexts() returns the JSON of each member of any object", () => {
  fc.assert(fc.property(
    fc.dictionary(fc.string(), fc.jsonValue()),
    fc.boolean(),
    (object, isIndented) => {
      const names = Object.keys(object);
      const line = JSON.stringify(object, null, isIndented ? 1 : 0);
      const found = fieldTexts(line, names).map((text) => JSON.parse(text!));
      assertEquals(found, Object.values(JSON.parse(line)));
    },
  ));
});

Deno.test("parseFields() rejects an empty name", () => {
  assertEquals(parseFields("ts,config.mode"), ["ts", "config.mode"]);
  assertThrows(() => parseFields("ts,"), RangeError, "not a list of fields");
});
