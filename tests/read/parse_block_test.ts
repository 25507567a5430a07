import { assertEquals } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import fc from "fast-check";
import { eventFilter, type EventFilterOptions } from "../../src/read/filter.ts";
import { LineTest } from "../../src/read/line_test.ts";
import { eventsIn } from "../../src/read/parse_block.ts";
import { blockOfLines } from "../line/hostile_lines.ts";

const OFFSET = 1_000;

interface Found {
  readonly events: AuditEvent[];
  readonly damage: string[];
}

/** Returns the events that match and all damage. With `texts`, the reader parses the lines one by one. */
function foundIn(
  bytes: Uint8Array,
  { maxLineBytes, filter: options, texts }: {
    readonly maxLineBytes: number;
    readonly filter: EventFilterOptions;
    readonly texts?: WeakMap<AuditEvent, string>;
  },
): Found {
  const filter = eventFilter(options);
  const damage: string[] = [];
  const events = eventsIn({ byteOffset: OFFSET, byteLength: bytes.byteLength, bytes }, {
    maxLineBytes,
    lineTest: new LineTest(filter),
    onDamage: ({ byteOffset, byteLength }, reason) =>
      damage.push(`${byteOffset} ${byteLength} ${reason}`),
    texts,
  });
  return { events: events.filter(filter.matches), damage };
}

Deno.test("eventsIn() finds the same events and damage in a block as in its lines one by one", () => {
  fc.assert(
    fc.property(
      blockOfLines,
      fc.constantFrom(60, 100, 1_000, 1_000_000),
      fc.constantFrom<EventFilterOptions>({}, { eventType: "nav" }, {
        until: "2100-01-01T00:00:00Z",
      }),
      (bytes, maxLineBytes, filter) => {
        const options = { maxLineBytes, filter };
        const found = foundIn(bytes, options);
        assertEquals(found, foundIn(bytes, { ...options, texts: new WeakMap() }));
      },
    ),
    { numRuns: 20_000, seed: 1 },
  );
});

Deno.test("eventsIn() finds the damaged lines of a block and reads all other lines", () => {
  const text = '{"a":1}\n{"a":"x\n\n{"b":2},{"c":3}\n{"d":[{}\n{}]}\n{"e":NaN}\n{"f"';
  const { events, damage } = foundIn(new TextEncoder().encode(text), {
    maxLineBytes: 1_000,
    filter: {},
  });
  assertEquals(events, [{ a: 1 }, { e: null }] as AuditEvent[]);
  assertEquals(damage, [
    "1008 8 not JSON",
    "1017 16 not JSON",
    "1033 9 not JSON",
    "1042 5 not JSON",
    "1057 4 torn tail",
  ]);
});

Deno.test("eventsIn() reports a line that is longer than maxLineBytes by one byte", () => {
  const line = '{"a":"12345"}';
  const text = `{}\n${line}\n{}\n`;
  const found = (maxLineBytes: number) =>
    foundIn(new TextEncoder().encode(text), { maxLineBytes, filter: {} });
  assertEquals(found(14), { events: [{}, { a: "12345" }, {}] as AuditEvent[], damage: [] });
  assertEquals(found(13).damage, ["1003 14 longer than maxLineBytes (13)"]);
  const tail = foundIn(new TextEncoder().encode(line), { maxLineBytes: 13, filter: {} });
  assertEquals(tail.damage, ["1000 13 longer than maxLineBytes (13)"]);
});
