import { assert, assertEquals, assertThrows } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import { resolveReportOptions } from "../../src/report/options.ts";
import {
  addressOf,
  filteredOptions,
  followOptionsOf,
  parseFilter,
  type ReportFilter,
  shownFilter,
} from "../../src/report/report_filter.ts";
import { SeededRandom } from "../seeded_random.ts";

const BERLIN = { timeZone: "Europe/Berlin", others: ["from"], logs: ["a.jsonl", "b.jsonl"] };

function parsed(address: string): ReportFilter {
  return parseFilter(new URLSearchParams(address), BERLIN);
}

Deno.test("parseFilter() returns the filter from whose address addressOf() was made", () => {
  const random = new SeededRandom(11);
  const texts = ["a", "a b", "x&y=z", "ü\u202e<b>", "100 %", "?#", "+1", '"', "2026-02-13T14:00Z"];
  for (let n = 0; n < 200; n++) {
    const some = (name: string) =>
      random.below(2) === 0 ? {} : { [name]: texts[random.below(texts.length)]! };
    const filter: ReportFilter = {
      ...some("agent"),
      ...some("model"),
      ...some("session"),
      ...some("type"),
      ...some("reason"),
      ...some("text"),
      ...random.below(2) === 0 ? {} : { since: "2026-02-13T14:00:00Z" },
      ...random.below(2) === 0 ? {} : { until: "2026-02-14 15:30" },
    };
    assertEquals(parsed(addressOf(filter)), filter);
  }
  assertEquals(parsed("?from=server-7&agent=a&log=b.jsonl"), { agent: "a", log: "b.jsonl" });
  assertEquals([addressOf({}), shownFilter({})], ["?", ""]);
  assertEquals(addressOf({ text: "x", agent: "a" }), addressOf(parsed("?text=x&agent=a")));
  assertEquals(shownFilter({ agent: "scout", since: "2026" }), "agent scout, a time from 2026");
});

for (
  const [address, message] of [
    ["?agnet=a", 'Cannot filter report: unknown query parameter "agnet"; did you mean agent?'],
    [
      "?1=a",
      'Cannot filter report: unknown query parameter "1"; use log, agent, model, session, type, reason, text, since, until',
    ],
    ["?log=c", 'Cannot filter report: log "c" is unknown; use one of a.jsonl, b.jsonl'],
    ["?agent=", "Cannot filter report: the query parameter agent has no value"],
    [
      "?agent=a&agent=b",
      "Cannot filter report: the query parameter agent is used twice; use it once",
    ],
    [
      "?since=yesterday",
      'Cannot filter report: since is not a time, got "yesterday"; use 2026-02-13T14:30 or 2026-02-13T14:30:00Z',
    ],
    [
      "?since=2026-02-13T15:00&until=2026-02-13T14:00Z",
      'Cannot filter report: since must be before until, got "2026-02-13T15:00" and "2026-02-13T14:00Z"',
    ],
    [
      "?until=2026-13-01",
      'Cannot filter report: until is not a time, got "2026-13-01"; use 2026-02-13T14:30 or 2026-02-13T14:30:00Z',
    ],
    [
      "?until=%2B275760-09-13T00:00:00Z",
      'Cannot filter report: until is not a time, got "+275760-09-13T00:00:00Z"; use 2026-02-13T14:30 or 2026-02-13T14:30:00Z',
    ],
  ] as const
) {
  Deno.test(`parseFilter() rejects ${address} and names the value`, () => {
    assertThrows(() => parsed(address), RangeError, message);
  });
}

Deno.test("parseFilter() knows no filter by log for a page on a single log", () => {
  const params = new URLSearchParams("log=a.jsonl");
  assertThrows(
    () => parseFilter(params, { ...BERLIN, logs: [] }),
    RangeError,
    'unknown query parameter "log"; use agent, model,',
  );
});

Deno.test("filteredOptions() narrows the time range of a report, and reads local times in its time zone", () => {
  const at = (text: string) => Date.parse(text);
  const whole = resolveReportOptions({ timeZone: "Europe/Berlin" });
  const range = (options: ReturnType<typeof resolveReportOptions>, filter: ReportFilter) => {
    const { isTimed, sinceMs, untilMs } = filteredOptions(options, filter);
    return [isTimed, sinceMs, untilMs];
  };
  assertEquals(range(whole, { agent: "a" }), [false, -Infinity, Infinity]);
  assertEquals(range(whole, { since: "2026-02-13T14:00" }), [
    true,
    at("2026-02-13T13:00:00Z"),
    Infinity,
  ]);
  assertEquals(range(whole, { until: "2026-07-13 14:00Z" }), [
    true,
    -Infinity,
    at("2026-07-13T14:00:00Z"),
  ]);
  const day = resolveReportOptions({ since: "2026-02-13T00:00Z", until: "2026-02-14T00:00Z" });
  const wider = { since: "2026-01-01T00:00Z", until: "2027-01-01T00:00Z" };
  assertEquals(range(day, wider), [true, at("2026-02-13T00:00Z"), at("2026-02-14T00:00Z")]);
  const narrower = { since: "2026-02-13T09:00", until: "2026-02-13T10:00" };
  assertEquals(range(day, narrower), [true, at("2026-02-13T09:00Z"), at("2026-02-13T10:00Z")]);
});

Deno.test("followOptionsOf() selects the events with the values, the reason and the text of a filter", () => {
  const long = "x".repeat(300);
  const event: AuditEvent = {
    event: "llm_call",
    session_id: "s1",
    model: "large",
    agent: { id: 7 } as never,
    status: "error",
    error: "timeout after 31 s",
    note: { deep: ['A "quoted" Word\n'], count: 31 },
    [long]: 1,
  };
  const matches = (filter: ReportFilter, of = event) => followOptionsOf(filter)!.where(of);
  for (
    const filter of [
      { session: "s1" },
      { model: "large", type: "llm_call" },
      { agent: '{"id":7}' },
      { reason: "timeout after <n> s" },
      { text: 'a "QUOTED" word' },
      { text: "deep" },
      { text: "word\n" },
      { text: "31" },
    ]
  ) assert(matches(filter), JSON.stringify(filter));
  for (
    const filter of [
      { session: "s" },
      { model: "large", type: "nav" },
      { agent: "7" },
      { reason: "timeout after 31 s" },
      { text: "a quoted word" },
      { text: "," },
      { text: "{" },
      { text: "\\n" },
    ]
  ) assert(!matches(filter), JSON.stringify(filter));
  // An event that did not fail has no reason, and lines of budgets belong to no filter.
  assert(!matches({ reason: "timeout after <n> s" }, { ...event, status: "ok" }));
  assert(!matches({ session: "s1" }, { ...event, event: "budget_hold" }));
  assert(!matches({ agent: "a" }, { event: "nav" }));
  assertEquals([followOptionsOf({}), followOptionsOf({ since: "2026-02-13" })], [null, null]);
});

Deno.test("followOptionsOf() accepts events that are nested too deep for JSON.stringify()", () => {
  const line = `{"event":"nav","x":${'{"1":'.repeat(20_000)}"Needle"${"}".repeat(20_000)}}`;
  const { where } = followOptionsOf({ text: "needle" })!;
  assert(where(JSON.parse(line)));
  assert(!where({ event: "nav" }));
});

Deno.test("followOptionsOf() compares names as the page groups by them", () => {
  assert(!followOptionsOf({ type: "7" })!.where({ event: 7 as never }));
  assert(!followOptionsOf({ model: "7" })!.where({ event: "nav", model: 7 as never }));
  assert(followOptionsOf({ agent: "7" })!.where({ event: "nav", agent: 7 as never }));
});

Deno.test("followOptionsOf() finds a long name by the part of it that the page shows", () => {
  const name = "agent".repeat(100);
  const { where } = followOptionsOf({ agent: name })!;
  assert(where({ event: "nav", agent: name }));
  assert(!where({ event: "nav", agent: `${name}2` }));
});
