import { assertEquals } from "@std/assert";
import { nothingFound, type Question } from "../../src/cli/nothing_found.ts";
import { nearestName } from "../../src/options/nearest_name.ts";
import { EVENT_TYPES } from "../../src/event.ts";

const NOW = Temporal.ZonedDateTime.from("2026-02-13T20:00:00+00:00[UTC]");
const at = (text: string) => Temporal.Instant.from(text);
const FACTS = {
  oldest: { ts: "2026-02-12T09:00:00.000Z", event: "brief" },
  newest: { ts: "2026-02-13T14:27:26.792Z", event: "nav" },
  types: new Set(["nav", "brief", "agent_step"]),
  now: NOW,
};

const CASES: [question: Question, message: string][] = [
  [
    { event: ["nav"], since: at("2026-02-13T17:00:00Z") },
    "no nav events since 17:00; the newest event is from 2026-02-13 14:27 (try --since 2026-02-13)",
  ],
  [
    { since: at("2026-02-12T17:00:00Z"), session: "s\u001b" },
    "no events of session s\\u001b since 2026-02-12 17:00; the newest event is from 2026-02-13 14:27",
  ],
  [{ event: ["navv"] }, "no navv events; did you mean `nav`?"],
  [{ event: ["agent_stpe"] }, "no agent_stpe events; did you mean `agent_step`?"],
  [{ event: ["gate_compres"] }, "no gate_compres events; did you mean `gate_compress`?"],
  [
    { event: ["wholly_unknown"] },
    "no wholly_unknown events; the log has events of the types nav, brief, agent_step",
  ],
  [
    { event: ["nav", "navv"], hasTests: true },
    "no nav or navv events with these fields; the newest event is from 2026-02-13 14:27",
  ],
  [
    { until: at("2026-02-11T00:00:00Z") },
    "no events until 2026-02-11 00:00; the oldest event is from 2026-02-12 09:00 (try --until 2026-02-13)",
  ],
  [
    { kind: "events with a cost", since: at("2026-02-13T10:00:00Z") },
    "no events with a cost since 10:00; the newest event is from 2026-02-13 14:27",
  ],
];
for (const [question, message] of CASES) {
  Deno.test(`nothingFound() returns: ${message}`, () => {
    assertEquals(nothingFound(question, FACTS), message);
  });
}

Deno.test("nothingFound() reports that a log has no events, or that its newest event has no time", () => {
  const nothing = { ...FACTS, oldest: undefined, newest: undefined, types: new Set<string>() };
  assertEquals(nothingFound({ event: ["nav"] }, nothing), "the log has no events");
  const untimed = { ...FACTS, oldest: { event: "nav" }, newest: { event: "nav", ts: "\u001b" } };
  assertEquals(
    nothingFound({ since: at("2026-02-13T17:00:00Z") }, untimed),
    "no events since 17:00; the newest event has no time",
  );
});

Deno.test("nothingFound() shows times in the time zone of the query", () => {
  const now = NOW.withTimeZone("Asia/Kolkata");
  assertEquals(
    nothingFound({ since: at("2026-02-13T20:00:00Z") }, { ...FACTS, now }),
    "no events since 01:30; the newest event is from 2026-02-13 19:57 (try --since 2026-02-13)",
  );
});

Deno.test("nearestName() finds an event type that was typed with one letter wrong, missing, added or swapped", () => {
  for (const type of EVENT_TYPES) {
    const at = Math.floor(type.length / 2);
    const [before, letter, after] = [type.slice(0, at), type[at], type.slice(at + 1)];
    for (
      const typed of [
        `${before}${after}`,
        `${type}x`,
        `${before}#${after}`,
        `${before}${letter}${letter}${after}`,
      ]
    ) {
      if (type.length > 3) assertEquals(nearestName(typed, EVENT_TYPES), type, typed);
    }
  }
  assertEquals(nearestName("nva", EVENT_TYPES), "nav");
  assertEquals(nearestName("something", EVENT_TYPES), undefined);
  assertEquals(nearestName("x".repeat(1_000_000), EVENT_TYPES), undefined);
});
