import { assert, assertEquals } from "@std/assert";
import { eventFilter, type EventFilterOptions } from "../../src/read/filter.ts";
import { LineTest } from "../../src/read/line_test.ts";
import { parseLine } from "../../src/line/parse_line.ts";
import { SeededRandom } from "../seeded_random.ts";

const encoder = new TextEncoder();
const NOW = Date.UTC(2026, 1, 13, 14, 30, 22, 123);

/** Returns the lines that {@linkcode LineTest} lets pass. A line that it rejects is not parsed. */
function passing(lines: readonly string[], options: EventFilterOptions): string[] {
  const text = lines.map((line) => `${line}\n`).join("");
  const mayMatch = new LineTest(eventFilter(options)).of(text);
  let start = 0;
  return lines.filter((line) => {
    const passes = mayMatch(start, start + line.length);
    start += line.length + 1;
    return passes;
  });
}

function oneOf<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

function randomTs(random: SeededRandom): string {
  const iso = new Date(NOW + (random.below(2_000) - 1_000) * 3_600_000).toISOString();
  return oneOf(random, [
    iso,
    iso,
    iso,
    iso.replace("Z", "+02:00"),
    iso.replace("Z", "456Z"),
    iso.slice(0, -1),
    "2026-02-30T14:30:22.123Z",
    "2026-02-28T24:00:00.000Z",
    "+010000-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00.000Z",
    "not a time, but 24 charsZ",
  ]);
}

/** Replaces one letter of a JSON text by an escape such as "\u0061". The value of the JSON text stays the same. */
function escaped(text: string): string {
  return text.replace(
    /[a-z]/,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const TYPES = ["nav", "brief", "é", "a/b", 'quo"te', ""];

function randomLine(random: SeededRandom): string {
  const ts = JSON.stringify(randomTs(random));
  const event = JSON.stringify(oneOf(random, TYPES));
  const session = JSON.stringify(oneOf(random, ["s1", "s2"]));
  const line = `{"ts":${ts},"event":${event},"session_id":${session}}`;
  return oneOf(random, [
    line,
    line,
    line.replaceAll(":{", ": {").replaceAll(',"', ', "'),
    `{"event":${event},"ts":${ts}}`,
    `{"ts":${ts},"event":"x","event":${event},"session_id":${session}}`,
    `{"ts":${ts},"event":${event},"ts":${JSON.stringify(randomTs(random))}}`,
    `{"ts":${ts},"\\u0074s":${JSON.stringify(randomTs(random))},"event":${event}}`,
    `{"ts":${ts},"event":${escaped(event)},"session_id":${escaped(session)}}`,
    event.includes("/") ? line.replace("a/b", "a\\/b") : line,
    `{"ts":${ts},"note":${event}}`,
    `\uFEFF${line}`,
    `  ${line}`,
    line.slice(0, random.below(line.length)),
  ]);
}

function randomOptions(random: SeededRandom): EventFilterOptions {
  const at = () => NOW + (random.below(2_000) - 1_000) * 3_600_000 + oneOf(random, [0, 1, 0.5]);
  return {
    ...random.below(2) === 0 ? {} : { since: at() },
    ...random.below(2) === 0 ? {} : { until: at() },
    ...random.below(2) === 0 ? {} : { eventType: oneOf(random, [TYPES, ...TYPES.map((t) => [t])]) },
    ...random.below(2) === 0 ? {} : { sessionId: oneOf(random, ["s1", "s2", "ö"]) },
  };
}

Deno.test("LineTest never rejects a line whose event matches the options (seeds 1 to 3000)", () => {
  let rejected = 0;
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = new SeededRandom(seed);
    const lines = Array.from({ length: 20 }, () => randomLine(random));
    const options = randomOptions(random);
    const { matches } = eventFilter(options);
    const passed = new Set(passing(lines, options));
    for (const line of lines) {
      if (passed.has(line)) continue;
      rejected++;
      const parsed = parseLine(encoder.encode(line));
      const isMatch = parsed !== null && "event" in parsed && matches(parsed.event);
      assert(!isMatch, `seed ${seed}, ${Deno.inspect(options)}: ${line}`);
    }
  }
  assert(rejected > 10_000, `only ${rejected} lines were rejected`);
});

const LINE = '{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s1"}';

Deno.test("LineTest rejects lines whose event type, session or time does not match the options", () => {
  assertEquals(passing([LINE, LINE.replace("nav", "brief")], { eventType: "nav" }), [LINE]);
  assertEquals(passing([LINE, LINE.replace("s1", "s2")], { sessionId: "s1" }), [LINE]);
  const later = LINE.replace(".123Z", ".124Z");
  assertEquals(passing([LINE, later], { since: NOW + 1 }), [later]);
  assertEquals(passing([LINE, later], { until: NOW + 1 }), [LINE]);
  assertEquals(passing([LINE, later], { since: NOW + 0.5 }), [later]);
  assertEquals(passing([LINE, "anything"], {}), [LINE, "anything"]);
  assertEquals(passing([LINE], { eventType: [] }), []);
});
