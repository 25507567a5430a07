import { assertEquals, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { AuditLog } from "../../src/audit_log.ts";
import { silent } from "../loggers.ts";
import { runExample } from "../run_example.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";
import { logWith, runCli } from "./run_cli.ts";

function cost(ts: string, usd: number, more: Record<string, unknown> = {}) {
  return { ts, event: "nav", session_id: "s1", cost: usd, model: "small", ...more };
}

const EVENTS = [
  cost("2026-02-13T14:00:00.000Z", 0.1, { input_t: 1_000, output_t: 200 }),
  cost("2026-02-13T14:59:59.999Z", 0.2, { model: "large", event: "brief" }),
  cost("2026-02-13T15:00:00.000Z", 1.2, { model: "large", session_id: "s2" }),
  cost("2026-02-14T00:00:00.000Z", 0.6, { model: undefined }),
  { ts: "2026-02-13T15:00:00.000Z", event: "nav" },
  { event: "nav", cost: 100 },
];
const SINCE = ["--since", "2026-02-13"];

Deno.test("scout spend shows the costs by hour, with bars", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout, stderr } = await log.run("spend", ...SINCE);
  assertEquals({ code, stderr }, {
    code: 0,
    stderr: "scout: not counted: 1 event without a readable time\n",
  });
  assertEquals(stdout.split("\n"), [
    "$2.10 for 4 calls since 2026-02-13 00:00 (UTC)",
    "hour                USD    share  calls  tokens",
    "2026-02-13 14:00  $0.30   14.3 %      2    1200  ███████▊",
    "2026-02-13 15:00  $1.20   57.1 %      1       -  ███████████████████████████████",
    "2026-02-14 00:00  $0.60   28.6 %      1       -  ███████████████▌",
    "total             $2.10  100.0 %      4    1200",
    "",
  ]);
});

type ShownRow = [key: (string | null)[], usd: number, calls: number, tokens: number];
const BY: [by: string, rows: ShownRow[]][] = [
  ["day", [[["2026-02-13"], 1.5, 3, 1_200], [["2026-02-14"], 0.6, 1, 0]]],
  ["model", [[["large"], 1.4, 2, 0], [[null], 0.6, 1, 0], [["small"], 0.1, 1, 1_200]]],
  ["event", [[["nav"], 1.9, 3, 1_200], [["brief"], 0.2, 1, 0]]],
  ["session", [[["s2"], 1.2, 1, 0], [["s1"], 0.9, 3, 1_200]]],
  ["event,session_id", [
    [["nav", "s2"], 1.2, 1, 0],
    [["nav", "s1"], 0.7, 2, 1_200],
    [["brief", "s1"], 0.2, 1, 0],
  ]],
  ["day,model", [
    [["2026-02-13", "large"], 1.4, 2, 0],
    [["2026-02-13", "small"], 0.1, 1, 1_200],
    [["2026-02-14", null], 0.6, 1, 0],
  ]],
];
for (const [by, rows] of BY) {
  Deno.test(`scout spend --by ${by} --json prints exact sums`, async () => {
    using log = logWith(...EVENTS);
    const { stdout } = await log.run("spend", "--json", "--by", by, ...SINCE);
    assertEquals(JSON.parse(stdout), {
      by: by.split(","),
      since: "2026-02-13T00:00:00Z",
      usd: 2.1,
      calls: 4,
      costs: 4,
      tokens: 1_200,
      rows: rows.map(([key, usd, calls, tokens]) => ({ key, usd, calls, costs: calls, tokens })),
      others: null,
    });
  });
}

Deno.test("scout spend shows the hour that clocks repeat in autumn as two hours", async () => {
  using log = logWith(
    cost("2026-10-25T00:30:00.000Z", 1),
    cost("2026-10-25T01:30:00.000Z", 2),
  );
  const { stdout } = await log.run(
    "spend",
    "--json",
    "--since",
    "2026-10-01",
    "--tz",
    "Europe/Berlin",
  );
  assertEquals(JSON.parse(stdout).rows, [
    { key: ["2026-10-25 02:00+02:00"], usd: 1, calls: 1, costs: 1, tokens: 0 },
    { key: ["2026-10-25 02:00+01:00"], usd: 2, calls: 1, costs: 1, tokens: 0 },
  ]);
});

Deno.test("scout spend sums up the costs of archives and of the active file", async () => {
  const line = (n: number) =>
    `${JSON.stringify(cost(new Date(Date.UTC(2026, 1, 13) + n * 61_000).toISOString(), n / 7))}\n`;
  const archived = Array.from({ length: 1_000 }, (_, n) => line(n));
  const active = Array.from({ length: 500 }, (_, n) => line(1_000 + n));
  using log = logWith(active.join(""));
  Deno.writeFileSync(log.dir.path("audit_20260214_000000.jsonl.gz"), gzipSync(archived.join("")));
  const { stdout } = await log.run("spend", "--json", "--by", "day", ...SINCE);
  const costs = [...archived, ...active].map((text): { ts: string; cost: number } =>
    JSON.parse(text)
  );
  assertEquals(JSON.parse(stdout).usd, Math.sumPrecise(costs.map(({ cost }) => cost)));
  assertEquals(
    JSON.parse(stdout).rows.map(({ usd }: { usd: number }) => usd),
    ["2026-02-13", "2026-02-14"].map((day) =>
      Math.sumPrecise(costs.filter(({ ts }) => ts.startsWith(day)).map(({ cost }) => cost))
    ),
  );
});

Deno.test("scout spend prints the same costs of a replayed trace as the test computes from its tokens", async () => {
  using dir = tempDir();
  const random = new SeededRandom(7);
  const requests = Array.from({ length: 3_000 }, () => ({
    time: new Date(Date.UTC(2026, 1, 13) + random.below(30 * 3_600_000)).toISOString(),
    input: random.below(8_000),
    output: random.below(1_500),
  }));
  const rows = requests.map(({ time, input, output }) =>
    `${time.replace("T", " ").replace("Z", "0000")},${input},${output}\r\n`
  );
  const header = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n";
  Deno.writeTextFileSync(dir.path("trace.csv"), header + rows.join(""));
  const replayed = await runExample("replay_trace.ts", dir.path(""), ["trace.csv"]);
  assertEquals([replayed.code, replayed.stderr], [0, ""]);

  // At 3 and 15 USD per million tokens, a request costs a whole number of millionths of a USD.
  const byHour = new Map<string, { microUsd: number; calls: number }>();
  for (const { time, input, output } of requests) {
    const hour = `${time.slice(0, 10)} ${time.slice(11, 13)}:00+00:00`;
    const { microUsd, calls } = byHour.get(hour) ?? { microUsd: 0, calls: 0 };
    byHour.set(hour, { microUsd: microUsd + 3 * input + 15 * output, calls: calls + 1 });
  }
  const path = dir.path(".demo/trace/audit.jsonl");
  const args = ["spend", "--path", path, "--json", "--tz", "UTC", ...SINCE];
  const { code, stdout } = await runCli(args, dir.path(""));
  const { usd, calls, rows: hours } = JSON.parse(stdout);
  const inMicroUsd = (amount: number) => Number((amount * 1e6).toFixed(3));
  const total = [...byHour.values()].reduce((sum, { microUsd }) => sum + microUsd, 0);
  assertEquals([code, inMicroUsd(usd), calls], [0, total, requests.length]);
  assertEquals(
    hours.map((row: { key: string[]; usd: number; calls: number }) => [
      row.key[0],
      { microUsd: inMicroUsd(row.usd), calls: row.calls },
    ]),
    [...byHour].sort(([a], [b]) => a < b ? -1 : 1),
  );
});

Deno.test("scout spend --json prints no rows if nothing was spent in the last day", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout } = await log.run("spend", "--json");
  assertEquals([code, JSON.parse(stdout).usd, JSON.parse(stdout).rows], [0, 0, []]);
});

Deno.test("scout spend names a field in --by that no event has, and a similar name", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout, stderr } = await log.run("spend", "--by", "modle", "--json", ...SINCE);
  assertEquals([code, JSON.parse(stdout).rows[0].key], [0, [null]]);
  assertStringIncludes(stderr, "scout: no event has the field modle; did you mean model?\n");
});

for (const by of ["", "a,b,c", "a,"]) {
  Deno.test(`scout spend rejects --by "${by}", which is not one or two names`, async () => {
    using log = logWith();
    const { code, stdout, stderr } = await log.run("spend", "--by", by);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, `Cannot read --by: "${by}" is not one or two names of fields`);
  });
}

Deno.test("scout spend reports on standard error how many events have an unreadable cost", async () => {
  const line = (cost: string) => `{"ts":"2026-02-13T14:00:00.000Z","event":"nav","cost":${cost}}\n`;
  using log = logWith(line("1"), line('"2"'), line("NaN"), line("1e999"), line("0"));
  const { code, stdout, stderr } = await log.run("spend", ...SINCE);
  assertEquals([code, stderr], [
    0,
    "scout: not counted: 3 events whose cost is not a number\n",
  ]);
  assertEquals(stdout.split("\n")[0], "$1.00 for 2 calls since 2026-02-13 00:00 (UTC)");
});

Deno.test("Every summary reports on standard error how many events have no readable time", async () => {
  const now = new Date().toISOString();
  const line = (ts: string) => `{"ts":${ts},"event":"nav","cost":1}\n`;
  const untimed = [line('"13 Feb 2026"'), line("17"), '{"event":"nav","cost":1}\n'].join("");
  using log = logWith(line(`"${now}"`), untimed, line(`"${now.replace("T", " ")}"`));
  const note = (events: number) => `scout: not counted: ${events} events without a readable time\n`;
  const lines = async (command: string) => {
    const { code, stdout, stderr } = await log.run(command);
    assertEquals(code, 0, stderr);
    return [stdout, stderr] as const;
  };
  for (const expected of [3, 6]) {
    const [spend, spendNote] = await lines("spend");
    assertEquals([spend.startsWith("$2.00 for 2 calls"), spendNote], [true, note(expected)]);
    const [metrics, metricsNote] = await lines("metrics");
    assertEquals([metrics.includes("2 navigations"), metricsNote], [true, note(expected)]);
    assertEquals((await lines("status"))[1], note(expected));
    if (expected === 6) break;
    // After the rotation, the command takes the number of events without a readable time from the manifest, the list of
    // archives.
    {
      await using writer = await AuditLog.open({ path: log.path, logger: silent });
      await writer.rotate();
    }
    Deno.writeTextFileSync(log.path, untimed);
  }
});

Deno.test("scout spend aligns amounts at their decimal points", async () => {
  using log = logWith(
    cost("2026-02-13T14:00:00.000Z", 12_345.6, { model: "a" }),
    cost("2026-02-13T14:00:00.000Z", 1e-7, { model: "b" }),
    cost("2026-02-13T14:00:00.000Z", 0, { model: "c" }),
  );
  const { stdout } = await log.run("spend", "--by", "model", ...SINCE);
  assertEquals(stdout.split("\n").slice(1, 6).map((line) => line.slice(0, 38).trimEnd()), [
    "model              USD    share  calls",
    "a      $12,345.60       100.0 %      1",
    "b           $0.0000001    0.0 %      1",
    "c           $0.00         0.0 %      1",
    "total  $12,345.60       100.0 %      3",
  ]);
});

Deno.test("scout spend, stats, metrics and report --verbose say on standard error how many archives were decoded", async () => {
  using log = logWith();
  {
    let nowMs = Date.UTC(2026, 1, 13);
    const options = { path: log.path, logger: silent, now: () => nowMs };
    await using writer = await AuditLog.open(options);
    for (let archive = 0; archive < 3; archive++) {
      for (let n = 0; n < 60; n++, nowMs += 3_600_000) {
        await writer.log("nav", { cost: 1, agent: "a" });
      }
      await writer.rotate();
    }
  }
  for (
    const [said, ...args] of [
      ["decoded 0 of the 3 archives that can have matching events", "spend", "--by", "model"],
      ["decoded 3 of the 3 archives that can have matching events", "spend", "--by", "status"],
      ["decoded 0 of the 3 archives that can have matching events", "spend", "--by", "agent"],
      ["decoded 3 of the 3 archives that can have matching events", "spend", "--where", "cost>0"],
      ["no archive can have matching events", "spend", "--event", "brief"],
      ["decoded 3 of the 3 archives that can have matching events", "stats", "--by", "status"],
      ["decoded 0 of the 3 archives that can have matching events", "metrics"],
      ["decoded 1 of the 3 archives that can have matching events", "report", "--out", "-"],
      [
        "decoded 3 of the 3 archives that can have matching events",
        "report",
        "--out",
        "-",
        "--event",
        "nav",
      ],
    ]
  ) {
    const since = args[0] === "report" ? [] : SINCE;
    const { code, stderr } = await log.run(args[0]!, ...args.slice(1), ...since, "--verbose");
    assertEquals(code, 0, stderr);
    const lines = stderr.split("\n").filter((line) => /archive/.test(line));
    assertEquals(lines, [`scout: ${said}`], args.join(" "));
  }
});
