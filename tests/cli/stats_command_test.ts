import { assertEquals, assertStringIncludes } from "@std/assert";
import { logWith } from "./run_cli.ts";

const SINCE = ["--since", "2026-02-13"];

/** Returns events of two agents: 30 calls of one, of which three fail, and 5 of the other. */
function calls(): Record<string, unknown>[] {
  return Array.from({ length: 35 }, (_, n) => ({
    ts: new Date(Date.UTC(2026, 1, 13, 14, n)).toISOString(),
    event: "llm_call",
    agent: n < 30 ? "critic" : "scout",
    model: n % 2 === 0 ? "large" : "small",
    cost: 0.125,
    input_t: 1_000,
    output_t: 100,
    ...n < 30 ? { cache_read_t: 250 } : {},
    duration_ms: 100 * (n + 1),
    status: n % 10 === 3 && n < 30 ? "error" : "ok",
    ...n % 10 === 3 && n < 30 ? { error: `timeout after ${n} s` } : {},
  }));
}

const EVENTS = [
  ...calls(),
  { ts: "2026-02-13T15:00:00.000Z", event: "done", agent: "critic" },
  { ts: "2026-02-13T15:00:00.000Z", event: "done", agent: "critic" },
];

Deno.test("scout stats shows calls, errors, durations, tokens, costs and failures by field", async () => {
  using log = logWith(...EVENTS);
  const args = ["--by", "agent", "--outcome", "event=done", ...SINCE];
  const { code, stdout, stderr } = await log.run("stats", ...args);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout.split("\n"), [
    "35 calls in 37 events since 2026-02-13 00:00 (UTC)",
    "",
    "agent   calls   errors  timed      p50      p95      p99",
    "critic     30   10.0 %     30    1.5 s   2.89 s      3 s",
    "scout       5  too few      5  too few  too few  too few",
    "total      35    8.6 %     35   1.79 s    3.4 s    3.5 s",
    "",
    "agent   calls with tokens      in   out  out/s  cache hits",
    "critic                 30  30,000  3000   64.5      25.0 %",
    "scout                   5    5000   500   30.3           -",
    "total                  35  35,000  3500   55.6      21.4 %",
    "",
    "agent   calls with a cost     USD  USD/call  outcomes  USD/outcome",
    "critic                 30  $3.75     $0.125         2        $1.88  ████████████",
    "scout                   5  $0.625    $0.125         0            -  ██",
    "total                  35  $4.38     $0.125         2        $2.19",
    "",
    "3 failures by reason",
    "3  timeout after <n> s",
    "   such as: timeout after 3 s",
    "",
  ]);
});

Deno.test("scout stats --json prints the figures of the library, and every failure reason", async () => {
  using log = logWith(...EVENTS);
  const { stdout } = await log.run("stats", "--json", "--by", "agent,model", ...SINCE);
  const { since, by, total, groups, failures } = JSON.parse(stdout);
  assertEquals([since, by, total.calls, total.usd], [
    "2026-02-13T00:00:00Z",
    ["agent", "model"],
    35,
    4.375,
  ]);
  const shown = groups.map(({ key, calls }: { key: string[]; calls: number }) => [key, calls]);
  assertEquals(shown, [
    [["critic", "large"], 15],
    [["critic", "small"], 15],
    [["scout", "large"], 3],
    [["scout", "small"], 2],
    [["critic", null], 0],
  ]);
  assertEquals(failures[0].example.ts, "2026-02-13T14:03:00.000Z");
});

Deno.test("scout stats selects calls with --where, and groups by type without --by", async () => {
  using log = logWith(...EVENTS);
  const { stdout } = await log.run("stats", "--where", "duration_ms>3000", ...SINCE);
  assertEquals(stdout.split("\n").slice(0, 4), [
    "5 calls in 5 events since 2026-02-13 00:00 (UTC)",
    "",
    "event     calls   errors  timed      p50      p95      p99",
    "llm_call      5  too few      5  too few  too few  too few",
  ]);
});

Deno.test("scout stats names a missing field, events it leaves out, and what the log has if nothing matches", async () => {
  using log = logWith(
    ...EVENTS,
    { event: "nav", cost: 1 },
    { ts: "2026-02-13T14:00:00.000Z", event: "nav", cost: "1" },
  );
  const typo = await log.run("stats", "--by", "agnet", ...SINCE);
  assertEquals(typo.stderr.split("\n"), [
    "scout: not counted: 1 event without a readable time, 1 event whose cost is not a number",
    "scout: no event has the field agnet; did you mean agent?",
    "",
  ]);
  const outcome = await log.run("stats", "--outcome", "event=doen", ...SINCE);
  assertStringIncludes(
    outcome.stderr,
    "scout: no event is an outcome, because none meets the condition event=doen\n",
  );
  const nothing = await log.run("stats", "--event", "llm_cal", ...SINCE);
  assertEquals([nothing.code, nothing.stdout], [
    0,
    "0 calls in 0 events since 2026-02-13 00:00 (UTC)\n",
  ]);
  assertStringIncludes(nothing.stderr, "llm_call");
});

Deno.test("scout stats shows ten failure reasons, and how many there are more", async () => {
  using log = logWith(...Array.from({ length: 13 }, (_, n) => ({
    ts: "2026-02-13T14:00:00.000Z",
    event: "validation_fail",
    reason: "x".repeat(n + 1),
  })));
  const { stdout } = await log.run("stats", ...SINCE);
  assertEquals(stdout.split("\n").slice(-4), [
    "1  xxxxxxxxx",
    "1  xxxxxxxxxx",
    "and 3 more reasons; all with --json",
    "",
  ]);
});
