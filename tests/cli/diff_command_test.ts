import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import stringWidth from "string-width";
import { AuditLog } from "../../src/audit_log.ts";
import type { ComparedFigure, StatsComparison } from "../../src/stats/compare_stats.ts";
import { silent } from "../loggers.ts";
import { testNeeding } from "../requirements.ts";
import { runCommand } from "../run_command.ts";
import { programArgs } from "../run_program.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";
import { type EndedCommand, MAIN, runCommands } from "./run_cli.ts";
import { UNSAFE } from "./unsafe_text.ts";

type Line = Readonly<Record<string, unknown>>;

/** Creates logs in the directories of these names, and returns a function that runs `scout diff` in their parent. */
function logsWith(logs: Readonly<Record<string, readonly Line[]>>) {
  const dir = tempDir();
  for (const [name, lines] of Object.entries(logs)) {
    Deno.mkdirSync(dir.path(name));
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    Deno.writeTextFileSync(dir.path(`${name}/audit.jsonl`), text);
  }
  const path = (name: string) => dir.path(name);
  return {
    path,
    /** Runs `scout diff` in UTC with each list of arguments. The names of logs become paths. */
    runEach(...commands: readonly (readonly string[])[]): Promise<EndedCommand[]> {
      const args = commands.map((each) => [
        "diff",
        ...each.map((arg) => arg in logs ? path(arg) : arg),
        ...each.includes("--tz") ? [] : ["--tz", "UTC"],
      ]);
      return runCommands(args, [`--allow-read=${dir.path("")}`]);
    },
    async run(...args: readonly string[]): Promise<EndedCommand> {
      return (await this.runEach(args))[0]!;
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** A call at a time of 13 February 2026. */
function call(time: string, fields: Line): Line {
  return { ts: `2026-02-13T${time}Z`, event: "llm_call", status: "ok", ...fields };
}

function repeated(count: number, line: Line): Line[] {
  return Array.from({ length: count }, () => line);
}

function figureOf(json: string, name: string): ComparedFigure {
  return JSON.parse(json).figures.find((figure: ComparedFigure) => figure.name === name);
}

const A = [
  ...repeated(
    30,
    call("10:00:00.000", { model: "small", cost: 0.5, duration_ms: 100, input_t: 10 }),
  ),
  ...repeated(
    10,
    call("10:00:00.000", { model: "old", cost: 0.25, duration_ms: 200, output_t: 50 }),
  ),
  call("10:30:00.000", { model: "small", status: "error", error: "HTTP 429", session_id: "s1" }),
];
const B = [
  ...repeated(
    30,
    call("11:00:00.000", { model: "small", cost: 0.5, duration_ms: 300, input_t: 10 }),
  ),
  ...repeated(
    12,
    call("11:00:00.000", { model: "large", cost: 0.75, duration_ms: 300, output_t: 50 }),
  ),
  call("11:30:00.000", { model: "small", status: "error", error: "tool 7 lost", session_id: "s2" }),
];

Deno.test("scout diff shows the figures of two logs as a table, and lists new and gone groups and reasons", async () => {
  using logs = logsWith({ a: A, b: B });
  const { code, stdout, stderr } = await logs.run("a", "b");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.replaceAll(/^([AB]): \S+[/\\]([ab])[/\\]/gm, "$1: $2/").split("\n"), [
    "A: a/audit.jsonl",
    "B: b/audit.jsonl",
    "                   A          B       B - A    change     95 % interval  N A/B",
    "events            41         43          +2    +4.9 %",
    "calls             41         43          +2    +4.9 %",
    "errors             1          1           0     0.0 %",
    "cost          $17.50     $24.00      +$6.50   +37.1 %",
    "tokens in        300        300           0     0.0 %",
    "tokens out       500        600        +100   +20.0 %",
    "errors %        2.44       2.33      -0.113    -4.7 %     -10.4 to +9.8  41/43",
    "cost/call *  $0.4375  $0.571429  +$0.133929   +30.6 %  +0.085 to +0.183  40/42",
    "duration *    125 ms     300 ms     +175 ms  +140.0 %   +161 to +189 ms  40/42",
    "p50 *         100 ms     300 ms     +200 ms  +198.5 %   +195 to +204 ms  40/42",
    "p95           198 ms     300 ms     +102 ms   +51.2 %           too few  40/42",
    "p99           200 ms     300 ms     +100 ms   +50.0 %           too few  40/42",
    "tokens/s         250        167       -83.3   -33.3 %",
    "cache hit %        -          -           -         -",
    "* The interval of the difference leaves out 0.",
    "",
    "new model: large, 12 calls, $9.00",
    "gone model: old, 10 calls, $2.50",
    "",
    "new failure reason, 1 time: tool <n> lost",
    "  example: 2026-02-13 11:30:00, llm_call, session s2: tool 7 lost",
    "gone failure reason, 1 time: HTTP 429",
    "  example: 2026-02-13 10:30:00, llm_call, session s1: HTTP 429",
    "",
  ]);
});

Deno.test("scout diff compares two sessions or two time ranges of a log like two logs", async () => {
  const inSession = (session_id: string, lines: readonly Line[]) =>
    lines.map((line) => ({ ...line, session_id }));
  const [sideA, sideB] = [inSession("s1", A), inSession("s2", B)];
  using logs = logsWith({ a: sideA, b: sideB, both: [...sideA, ...sideB] });
  const forms = [
    ["a", "b"],
    ["both", "--session", "s1", "--session", "s2"],
    ["both", "--range", "..2026-02-13T11:00", "--range", "2026-02-13T11:00.."],
    ["both", "--range", "2026-02-13..2026-02-13T11", "--range", "2026-02-13T11..2026-02-14"],
    // In Berlin, it is 12:00 at 11:00 UTC.
    ["both", "--tz", "Europe/Berlin", "--range", "..2026-02-13T12", "--range", "2026-02-13T12.."],
  ];
  const results = await logs.runEach(...forms.flatMap((form) => [[...form, "--json"], form]));
  for (const { code, stderr } of results) assertEquals([code, stderr], [0, ""]);
  const withoutSources = (json: string) => ({ ...JSON.parse(json), a: null, b: null });
  for (const json of results.filter((_, n) => n % 2 === 0)) {
    assertEquals(withoutSources(json.stdout), withoutSources(results[0]!.stdout));
  }
  assertEquals(
    results.filter((_, n) => n % 2 === 1).slice(1).map(({ stdout }) =>
      stdout.split("\n").slice(0, 2)
    ),
    [
      ["A: session s1", "B: session s2"],
      ["A: until 2026-02-13 11:00 (UTC)", "B: since 2026-02-13 11:00 (UTC)"],
      [
        "A: 2026-02-13 00:00 to 2026-02-13 11:00 (UTC)",
        "B: 2026-02-13 11:00 to 2026-02-14 00:00 (UTC)",
      ],
      [
        "A: until 2026-02-13 12:00 (Europe/Berlin)",
        "B: since 2026-02-13 12:00 (Europe/Berlin)",
      ],
    ],
  );
  const { a, b } = JSON.parse(results[6]!.stdout);
  const log = logs.path("both/audit.jsonl").replaceAll("\\", "/");
  assertEquals([a, b].map((source) => ({ ...source, log: source.log.replaceAll("\\", "/") })), [
    { log, session: null, since: "2026-02-13T00:00:00Z", until: "2026-02-13T11:00:00Z" },
    { log, session: null, since: "2026-02-13T11:00:00Z", until: "2026-02-14T00:00:00Z" },
  ]);
});

Deno.test("scout diff selects the events of both sources with --since, --until and --where", async () => {
  using logs = logsWith({ a: A, b: B });
  const [since, until, where, session] = await logs.runEach(
    ["a", "b", "--json", "--since", "2026-02-13T10:30"],
    ["a", "b", "--json", "--until", "2026-02-13T11:30"],
    ["a", "b", "--json", "--where", "model=small", "--where", "status=ok"],
    ["a", "--json", "--session", "s1", "--session", "s2", "--until", "2026-02-13T11"],
  );
  const events = ({ stdout }: EndedCommand) => {
    const { a, b } = figureOf(stdout, "events");
    return [a, b];
  };
  assertEquals(events(since!), [1, 43]);
  assertEquals(events(until!), [41, 42]);
  assertEquals(events(where!), [30, 30]);
  assertEquals(events(session!), [1, 0]);
});

Deno.test("scout diff --by shows a table of the shared groups, and groups by any field", async () => {
  const lines = (ms: number) =>
    ["planner", "critic"].flatMap((agent) =>
      Array.from({ length: 200 }, (_, n) =>
        call("10:00:00.000", {
          agent,
          cost: 0.01,
          duration_ms: n % 50 + (agent === "critic" ? ms : 100),
        }))
    );
  using logs = logsWith({
    a: [...lines(100), call("10:00:00.000", { agent: "mapper" })],
    b: [...lines(300), call("10:00:00.000", {})],
  });
  const [text, json] = await logs.runEach(["a", "b", "--by", "agent"], [
    ...["a", "b", "--by", "agent", "--json"],
  ]);
  const section = text!.stdout.split("\n\n").slice(1);
  assertEquals(section.join("\n\n").split("\n"), [
    "agent    calls A    B  errors % A  B   p95 A        B  cost A      B",
    "critic       200  200           0  0  147 ms  347 ms*   $2.00  $2.00",
    "planner      200  200           0  0  147 ms   147 ms   $2.00  $2.00",
    "* The interval of the difference leaves out 0.",
    "",
    "new agent: (no agent), 1 call, no cost",
    "gone agent: mapper, 1 call, no cost",
    "",
  ]);
  const { by, groups } = JSON.parse(json!.stdout) as StatsComparison;
  assertEquals([by, groups.map(({ key }) => key)], [["agent"], [["critic"], ["planner"]]]);
});

Deno.test("scout diff shows the number of outcomes and their cost only with --outcome", async () => {
  const done = (count: number) => repeated(count, { event: "task", result: "done" });
  using logs = logsWith({ a: [...A, ...done(5)], b: [...B, ...done(6)] });
  const [withOutcome, without] = await logs.runEach(
    ["a", "b", "--outcome", "result=done"],
    ["a", "b"],
  );
  const rows = withOutcome!.stdout.split("\n").filter((line) => line.includes("outcome"));
  assertEquals(rows.map((line) => line.split(/ +/)), [
    ["outcomes", "5", "6", "+1", "+20.0", "%"],
    ["cost/outcome", "$3.50", "$4.00", "+$0.50", "+14.3", "%"],
  ]);
  assert(!without!.stdout.includes("outcome"));
});

Deno.test("scout diff shows a dash where nothing was measured, and the words too few where A or B has fewer than 20 values", async () => {
  using logs = logsWith({
    a: repeated(19, { event: "nav", status: "ok", cost: 1 }),
    b: [
      ...repeated(30, { event: "nav", status: "error", cost: 2, duration_ms: 5 }),
    ],
  });
  const { stdout } = await logs.run("a", "b");
  const rowOf = (label: string) =>
    stdout.split("\n").find((line) => line.startsWith(label))!.split(/ {2,}/).slice(1);
  assertEquals(rowOf("errors %"), ["too few", "100", "-", "-", "too few", "19/30"]);
  assertEquals(rowOf("cost/call"), ["$1.00", "$2.00", "+$1.00", "+100.0 %", "too few", "19/30"]);
  assertEquals(rowOf("duration"), ["-", "5 ms", "-", "-", "-", "0/30"]);
  assertEquals(rowOf("p95"), ["-", "5 ms", "-", "-", "-", "0/30"]);
  assertEquals(rowOf("tokens in"), ["-", "-", "-", "-"]);
  assert(!stdout.includes("*"), stdout);
});

const WRONG: [args: string[], message: string][] = [
  [["a"], "there is only one source; use a second log, or --session or --range twice"],
  [["a", "--since", "3h"], "there is only one source; use a second log, or --session or --range"],
  [["a", "--session", "s1"], "use --session twice, got --session once"],
  [
    ["a", "--session", "s1", "--session", "s2", "--session", "s3"],
    "use --session twice, got --session 3 times",
  ],
  [["a", "--range", "3h.."], "use --range twice, got --range once"],
  [
    ["a", "--session", "s1", "--range", "3h.."],
    "use either --session twice or --range twice",
  ],
  [
    ["a", "b", "--session", "s1", "--session", "s2"],
    "two logs are compared as a whole; use --session with one log",
  ],
  [
    ["a", "b", "--range", "..3h", "--range", "3h.."],
    "two logs are compared as a whole; use --range with one log",
  ],
  [
    ["a", "--range", "..3h", "--range", "3h..", "--since", "1d"],
    "use either --range twice, or --since and --until",
  ],
  [
    ["a", "--range", "..3h", "--range", "3h..", "--until", "1d"],
    "use either --range twice, or --since and --until",
  ],
  [
    ["a", "b", "--fail-if", "outcomes<5"],
    "the figure outcomes needs --outcome, such as --outcome event=done",
  ],
  [
    ["a", "b", "--fail-if", "cost>5", "--fail-if", "cost-per-outcome>5"],
    "the figure cost-per-outcome needs --outcome",
  ],
];
const UNREADABLE: [args: string[], message: string][] = [
  [["--range", "3h"], 'Cannot read --range: "3h" is not a time range; use FROM..TO such as'],
  [["--range", "3h..x"], 'Cannot read --range: "3h..x" is not a time; use 3h, yesterday'],
  [["--range", "1h..2h..3h"], 'Cannot read --range: "1h..2h..3h" is not a time; use 3h'],
  [["--by", ""], 'Cannot read --by: "" is not the name of one field; use model, agent or day'],
  [["--outcome", "done"], 'Cannot read --outcome: "done" is not a condition; use FIELD=VALUE'],
  [["--fail-if", "cots>5"], 'Cannot read --fail-if: "cots>5" is not a condition, because cots is'],
  [["--fail-if", "cots>5"], "not a figure; did you mean cost?"],
  [["--fail-if", "cost>5%"], "cost is not a percentage; use a sign for a change: cost>+5%"],
  [["b", "c"], "Cannot run scout diff: there are too many arguments, got "],
  [["b", "--fail", "x"], "`--fail` is not an option; did you mean `--fail-if`?"],
];

Deno.test("scout diff rejects each wrong combination of options, and says what to use", async () => {
  using logs = logsWith({ a: A, b: B, c: B });
  const results = await logs.runEach(
    ...WRONG.map(([args]) => args),
    ...UNREADABLE.map(([args]) => ["a", ...args]),
  );
  const messages = [
    ...WRONG.map(([, message]) => `scout: Cannot compare: ${message}`),
    ...UNREADABLE.map(([, message]) => message),
  ];
  for (const [n, { code, stdout, stderr }] of results.entries()) {
    assertEquals([code, stdout], [2, ""], stderr);
    assertStringIncludes(stderr, messages[n]!);
    assertEquals(stderr.split("\n").length, 2);
  }
});

Deno.test("scout diff --fail-if exits with 1 if a condition holds, and reports both values", async () => {
  using logs = logsWith({ a: A, b: B });
  const held = {
    "cost>+10%": "A 17.5 USD, B 24 USD",
    "cost<-5": null,
    "cost>23.99": "A 17.5 USD, B 24 USD",
    "cost>24": null,
    "calls<+5%": "A 41, B 43",
    "errors>+0": null,
    "error-rate<5%": "A 2.4390243902439024 %, B 2.3255813953488373 %",
    "tokens-out>+99.5": "A 500 tokens, B 600 tokens",
    "tokens-per-second>-20%": null,
    "p99>+100": null,
    "p99>+99": "A 200 ms, B 300 ms",
  };
  const conditions = Object.keys(held);
  const results = await logs.runEach(
    ...conditions.map((condition) => ["a", "b", "--fail-if", condition]),
    ["a", "b", ...conditions.flatMap((condition) => ["--fail-if", condition])],
  );
  const expected = Object.entries(held).map(([condition, values]) =>
    values === null ? "" : `scout: ${condition} holds: ${values}\n`
  );
  for (const [n, message] of expected.entries()) {
    const { code, stdout, stderr } = results[n]!;
    assertEquals([code, stderr], [message === "" ? 0 : 1, message]);
    assertStringIncludes(stdout, "cost/call");
  }
  const { code, stderr } = results.at(-1)!;
  assertEquals([code, stderr], [1, expected.join("")]);
});

Deno.test("scout diff --fail-if exits with 1 if a condition cannot be decided, and says why", async () => {
  using logs = logsWith({
    a: repeated(3, { event: "nav", cost: 0 }),
    b: repeated(3, { event: "nav", cost: 1 }),
    empty: [],
  });
  const [zero, missing, empty, unchanged] = await logs.runEach(
    ["a", "b", "--fail-if", "cost>+10%"],
    ["a", "b", "--fail-if", "p95>+10%"],
    ["b", "empty", "--fail-if", "cost>+10%", "--fail-if", "calls>1000"],
    ["a", "b", "--fail-if", "errors>+10%"],
  );
  assertEquals([zero!.code, zero!.stderr], [
    1,
    "scout: cannot decide cost>+10%, which counts as a failure: cost is 0 in A, so its relative change is undefined (A 0 USD, B 3 USD)\n",
  ]);
  assertEquals(missing!.code, 1);
  assertStringIncludes(
    missing!.stderr,
    "p95 was not measured in A (A not measured, B not measured)",
  );
  assertEquals(empty!.code, 1);
  assertEquals(empty!.stderr.split("\n").map((line) => line.split(/[,(]/)[0]), [
    "scout: B: the log has no events",
    "scout: cannot decide cost>+10%",
    "scout: cannot decide calls>1000",
    "",
  ]);
  assertEquals([unchanged!.code, unchanged!.stderr], [
    0,
    "scout: errors>+10% does not hold: A 0, B 0; errors is 0 in A and B, which counts as a change of 0 %\n",
  ]);
});

Deno.test("scout diff --json prints the sources, the comparison and the decisions", async () => {
  using logs = logsWith({ a: A, b: B });
  const { code, stdout, stderr } = await logs.run(
    ...["a", "b", "--json", "--fail-if", "cost>+10%", "--fail-if", "cache-hit<5"],
  );
  const { a, b, conditions, figures, ...lists } = JSON.parse(stdout);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "cost>+10% holds");
  assertEquals([a, b].map(({ log, session }) => [log, session]), [
    [logs.path("a/audit.jsonl"), null],
    [logs.path("b/audit.jsonl"), null],
  ]);
  assertEquals(figures.length, 16);
  assertEquals(figureOf(stdout, "usd"), {
    name: "usd",
    kind: "total",
    unit: "USD",
    a: 17.5,
    b: 24,
    nA: 40,
    nB: 42,
    difference: 6.5,
    changePct: 100 * 6.5 / 17.5,
    interval: null,
  });
  assertEquals(Object.keys(lists), [
    "by",
    "groups",
    "newGroups",
    "goneGroups",
    "areGroupsComplete",
    "newFailures",
    "goneFailures",
    "areFailuresComplete",
  ]);
  assertEquals(conditions, [
    { condition: "cost>+10%", a: 17.5, b: 24, unit: "USD", holds: true, remark: null },
    {
      condition: "cache-hit<5",
      a: null,
      b: null,
      unit: "%",
      holds: null,
      remark: "cache-hit was not measured in B",
    },
  ]);
});

Deno.test("scout diff escapes control characters in models, reasons, sessions and arguments, and fits 80 columns", async () => {
  const unsafe = "\u001b[31m\u0007\u009b1m\u202e\u2066\u200f\u0085\u007f\n";
  const long = `${unsafe}${"模型".repeat(100)}`;
  const failed = (text: string) =>
    repeated(25, { event: text, model: text, session_id: text, status: "error", error: text });
  using logs = logsWith({
    a: [...failed(unsafe), ...failed("x")],
    b: [...failed(long), ...failed("x")],
  });
  const results = await logs.runEach(
    ["a", "b"],
    ["a", "b", "--by", "session"],
    ["a", "b", "--by", unsafe],
    ["a", "--session", unsafe, "--session", long],
    ["a", "b", "--fail-if", `${unsafe}>5`],
    ["a", "b", "--range", unsafe],
    ["a", "b", "--fail-if", "\u0085cost>-1"],
  );
  for (const { stdout, stderr } of results) {
    for (const line of [...stdout.split("\n"), ...stderr.split("\n")]) {
      assertEquals(UNSAFE.exec(line), null, JSON.stringify(line));
    }
    for (const line of stdout.split("\n")) assert(stringWidth(line) <= 80, line);
  }
  assertStringIncludes(results[0]!.stdout, "new failure reason, 25 times: \\u001b[<n>m");
});

Deno.test("scout diff cuts long lists of new groups and reasons, and says how many are missing", async () => {
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const lines = letters.map((letter) => ({
    event: "llm_call",
    model: `model ${letter}`,
    status: "error",
    error: `reason ${letter}`,
  }));
  using logs = logsWith({ a: lines.slice(0, 1), b: lines });
  const { stdout } = await logs.run("a", "b");
  const shown = stdout.split("\n");
  assertEquals(shown.filter((line) => line.startsWith("new model: ")).length, 10);
  assertEquals(shown.filter((line) => line.startsWith("new failure reason, ")).length, 10);
  assertEquals(shown.filter((line) => line.startsWith("and ")), [
    "and 15 more new models; --json lists all",
    "and 15 more new failure reasons; --json lists all",
  ]);
});

Deno.test("scout diff reports on standard error that a log has too many failure reasons to list", async () => {
  const reason = (n: number) =>
    String(n).replaceAll(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
  const failures = Array.from({ length: 1_001 }, (_, n) => ({
    event: "llm_call",
    status: "error",
    error: reason(n),
  }));
  using logs = logsWith({ a: A, b: failures });
  const { code, stderr } = await logs.run("a", "b");
  assertEquals([code, stderr], [
    0,
    "scout: A or B has too many failure reasons to list; some that are shown as new or gone may be in both\n",
  ]);
});

Deno.test("scout diff reports on standard error which events of A and B are not counted", async () => {
  const untimed = { event: "nav", cost: 1 };
  const unpriced = call("10:00:00.000", { cost: "1" });
  using logs = logsWith({ a: [...A, untimed], b: [...B, unpriced, unpriced] });
  const [whole, since, none] = await logs.runEach(
    ["a", "b"],
    ["a", "b", "--since", "2026-02-13"],
    ["a", "--session", "s1", "--session", "s3"],
  );
  assertEquals(whole!.stderr, "scout: not counted in B: 2 events whose cost is not a number\n");
  assertEquals(since!.stderr.split("\n"), [
    "scout: not counted in A: 1 event without a readable time",
    "scout: not counted in B: 2 events whose cost is not a number",
    "",
  ]);
  assertEquals([none!.code, none!.stderr], [
    0,
    "scout: B: no events of session s3; the newest event has no time\n",
  ]);
});

Deno.test("scout diff reports events that retention has removed, unless the time range begins later", async () => {
  using logs = logsWith({ a: [], b: B });
  await using log = await AuditLog.open({
    path: logs.path("a/audit.jsonl"),
    retention: { maxArchives: 1 },
    now: () => Date.UTC(2026, 1, 13, 10),
    logger: silent,
  });
  for (let n = 0; n < 3; n++) {
    await log.log("nav", { n });
    await log.rotate();
  }
  const [whole, later] = await logs.runEach(
    ["a", "b"],
    ["a", "b", "--since", "2026-02-13T10:01"],
  );
  assertEquals(
    whole!.stderr,
    "scout: A leaves out all events up to 2026-02-13 10:00 (UTC), because retention has removed them\n",
  );
  assert(!later!.stderr.includes("retention"), later!.stderr);
});

Deno.test("scout diff checks that both logs exist before it reads the first", async () => {
  using logs = logsWith({ a: A });
  const { code, stdout, stderr } = await logs.run("a", logs.path("none.jsonl"));
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "Cannot find audit log: ");
});

await testNeeding(
  "POSIX",
  "scout diff --fail-if exits with 1 if a condition holds and standard output is closed",
  async () => {
    using logs = logsWith({ a: A, b: B });
    const args = programArgs(MAIN, {
      dir: "",
      args: ["diff", logs.path("a"), logs.path("b"), "--tz", "UTC", "--fail-if", "cost>1"],
      flags: [`--allow-read=${logs.path("")}`],
    });
    // The reading process closes its end of the pipe before the command begins.
    const script =
      '{ until [ -e "$0" ]; do :; done; "$@"; echo "ended $?" >&2; } | { exec <&-; : > "$0"; }';
    const { stderr } = await runCommand("sh", {
      args: ["-c", script, logs.path("closed"), Deno.execPath(), ...args],
    });
    assertEquals(stderr, "scout: cost>1 holds: A 17.5 USD, B 24 USD\nended 1\n");
  },
);

/** The agents of the simulation, with their shares of the calls. */
const AGENTS = { planner: 2, critic: 3, mapper: 5 };

/**
 * Simulates the calls of three agents. In a changed simulation, one of two models is replaced, the agent "critic" is
 * slower, a tool fails with a new reason in place of some other failures, and costs are 12 % higher.
 */
function simulated(random: SeededRandom, isChanged: boolean): Line[] {
  const uniform = () => (random.below(2 ** 31) + 0.5) / 2 ** 31;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: 4_000 }, (_, n) => {
    const agent = random.pick(AGENTS);
    const model = random.pick({ small: 7, other: 3 });
    const slowdown = isChanged && agent === "critic" ? 1.6 : 1;
    const isFailed = random.below(100) < 4;
    const reason = random.pick({ "HTTP 429": 5, "timeout after 5 s": 5, "HTTP 500": 5 });
    return {
      ts: new Date(Date.UTC(2026, 1, 13) + n * 20_000).toISOString(),
      event: "llm_call",
      agent,
      model: model === "other" ? isChanged ? "large" : "medium" : model,
      duration_ms: Math.round(800 * Math.exp(0.5 * normal()) * slowdown),
      input_t: 500 + random.below(2_000),
      output_t: 50 + random.below(300),
      cost: (1 + random.below(9)) * (isChanged ? 0.00112 : 0.001),
      status: isFailed ? "error" : "ok",
      ...isFailed ? { error: isChanged && random.below(3) === 0 ? `tool ${n} lost` : reason } : {},
    };
  });
}

/** Returns the names of the figures whose intervals leave out 0. */
function significant(figures: readonly ComparedFigure[]): string[] {
  return figures.filter(({ interval }) =>
    interval !== null && (interval.low > 0 || interval.high < 0)
  )
    .map(({ name }) => name);
}

Deno.test("scout diff names exactly the differences between two simulations that the test has planted", async () => {
  using logs = logsWith({
    a: simulated(new SeededRandom("a"), false),
    again: simulated(new SeededRandom("again"), false),
    b: simulated(new SeededRandom("b"), true),
  });
  const guard = ["--fail-if", "cost>+10%", "--fail-if", "error-rate>+1"];
  const [byModel, byAgent, text, unchanged] = await logs.runEach(
    ["a", "b", "--json", ...guard],
    ["a", "b", "--json", "--by", "agent"],
    ["a", "b"],
    ["a", "again", "--json", "--by", "agent", ...guard],
  );
  const comparison: StatsComparison = JSON.parse(byModel!.stdout);
  const keys = (groups: StatsComparison["newGroups"]) => groups.map(({ key }) => key);
  const reasons = (failures: StatsComparison["newFailures"]) =>
    failures.map(({ reason }) => reason);
  assertEquals(keys(comparison.newGroups), [["large"]]);
  assertEquals(keys(comparison.goneGroups), [["medium"]]);
  assertEquals(reasons(comparison.newFailures), ["tool <n> lost"]);
  assertEquals(reasons(comparison.goneFailures), []);
  // The calls of the slower agent are part of all calls, so the durations of all calls change too.
  const durations = ["durationMs", "p50Ms", "p95Ms", "p99Ms"];
  assertEquals(significant(comparison.figures), ["usdPerCall", ...durations]);
  const { groups }: StatsComparison = JSON.parse(byAgent!.stdout);
  assertEquals(
    Object.fromEntries(groups.map(({ key, figures }) => [key[0]!, significant(figures)])),
    {
      mapper: ["usdPerCall"],
      critic: ["usdPerCall", ...durations],
      planner: ["usdPerCall"],
    },
  );
  assertEquals(byModel!.code, 1);
  assertEquals(byModel!.stderr.replace(/ A .*/, ""), "scout: cost>+10% holds:\n");
  const marked = text!.stdout.split("\n").filter((line) => / \* /.test(line));
  assertEquals(marked.map((line) => line.split(" ")[0]), [
    "cost/call",
    "duration",
    "p50",
    "p95",
    "p99",
  ]);

  const same: StatsComparison = JSON.parse(unchanged!.stdout);
  assertEquals([unchanged!.code, unchanged!.stderr], [0, ""]);
  assertEquals([same.newGroups, same.goneGroups, same.newFailures, same.goneFailures], [
    ...[[], [], [], []],
  ]);
  assertEquals([same, ...same.groups].map(({ figures }) => significant(figures)), [[], [], [], []]);
});
