import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { resolve } from "@std/path";
import { programArgs } from "../run_program.ts";
import { gzipped } from "../temp_dir.ts";
import { logWith, MAIN, runCli } from "./run_cli.ts";

const EVENTS = [
  {
    ts: "2026-02-13T14:00:00.000Z",
    event: "nav",
    session_id: "s1",
    cost: 0.002,
    model: "small",
    input_t: 812,
    output_t: 40,
  },
  { ts: "2026-02-13T15:00:00.123Z", event: "brief", session_id: "s2", files: ["a.ts"], depth: 3 },
  { ts: "2026-02-13T16:00:00.000Z", event: "a\tb", session_id: "s1", note: "\u001b[31mred\nü" },
  { event: "untimed" },
];

Deno.test("scout query shows events in aligned columns, without control characters", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout, stderr } = await log.run("query");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout.split("\n"), [
    "2026-02-13 14:00:00.000  nav      $0.002  small  812 in, 40 out",
    '2026-02-13 15:00:00.123  brief                                   files=["a.ts"]  depth=3',
    "2026-02-13 16:00:00.000  a\\tb                                    note=\\u001b[31mred\\nü",
    "-                        untimed",
    "",
  ]);
});

Deno.test("scout query --json prints the events unchanged", async () => {
  using log = logWith(...EVENTS);
  const { stdout } = await log.run("query", "--json");
  assertEquals(stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), EVENTS);
});

/** Lines whose values JSON.parse() and JSON.stringify() would change. */
const EXACT_LINES = [
  '{"event":"nav","seed":9007199254740993,"big":18446744073709551615,"cost":0.10}',
  '{"ts": "2026-02-13T14:00:00.000Z", "event": "nav", "x": 1e400, "y": -0, "z": 1.0, "e": 1E2}',
  '{"event":"nav","a":NaN,"b":-Infinity,"note":"NaN"}',
  '{"event":"nav","a":1,"a":2,"10":"x","2":"y","__proto__":1}',
  '{"event":"na\\u0076","text":"\\u00e9é\\/ \\ud83d"}',
  '{"event":"nav","seq":1,"hash":"5f2c"}',
  '  {"event":"nav","blank":[ 1 , 2 ]}\t',
  '{"event":"nav","text":"\u2028\u202e\u009b31m"}',
];

Deno.test("scout query --json and tail --json print each line as it is stored", async () => {
  const lines = EXACT_LINES.map((line) => `${line}\n`);
  // The last line lacks its line break, one line begins with a byte order mark, and one follows NUL bytes. The command
  // prints neither the byte order mark nor the NUL bytes.
  using log = logWith(...lines.slice(0, 4), "\ufeff" + lines[4], "\0\0" + lines[5], lines[6]!);
  Deno.writeTextFileSync(log.path, EXACT_LINES[7]!, { append: true });
  const all = lines.join("");
  assertEquals((await log.run("query", "--json")).stdout, all);
  const desc = await log.run("query", "--json", "--desc");
  assertEquals(desc.stdout, lines.toReversed().join(""));
  assertEquals((await log.run("tail", "--json")).stdout, all);
  const last = await log.run("tail", "--json", "-n", "2");
  assertEquals(last.stdout, lines.slice(-2).join(""));

  const archived = log.dir.path("audit_20260213_143022.jsonl.gz");
  Deno.writeFileSync(archived, await gzipped(Deno.readTextFileSync(log.path)));
  Deno.writeTextFileSync(log.path, lines[0]!);
  assertEquals((await log.run("query", "--json")).stdout, all + lines[0]);
  const selected = await log.run("query", "--json", "--where", "note=NaN");
  assertEquals(selected.stdout, lines[2]);
});

const SELECTIONS: [args: string[], found: number[]][] = [
  [["--since", "2026-02-13T15:00"], [1, 2]],
  [["--since", "2026-02-13T14:30", "--until", "2026-02-13T15:30Z"], [1]],
  [["--event", "nav", "--event", "untimed"], [0, 3]],
  [["--session", "s1"], [0, 2]],
  [["--where", "model=small", "--where", "cost=0.002"], [0]],
  [["--where", 'files=["a.ts"]'], [1]],
  [["--where", "depth=4"], []],
  [["--desc", "--limit", "2"], [3, 2]],
];
for (const [args, found] of SELECTIONS) {
  Deno.test(`scout query selects events with ${args.join(" ")}`, async () => {
    using log = logWith(...EVENTS);
    const { code, stdout, stderr } = await log.run("query", "--json", ...args);
    assertEquals([code, stderr !== ""], [0, found.length === 0]);
    assertEquals(stdout, found.map((index) => `${JSON.stringify(EVENTS[index])}\n`).join(""));
  });
}

Deno.test("scout query shows times in the time zone of --tz", async () => {
  using log = logWith(...EVENTS);
  const { stdout } = await log.run("query", "--limit", "1", "--tz", "Asia/Kolkata");
  assertStringIncludes(stdout, "2026-02-13 19:30:00.000  nav");
});

Deno.test("scout query writes in color with --color always, but not with --json", async () => {
  using log = logWith(...EVENTS);
  const colored = await log.run("query", "--limit", "1", "--color", "always");
  assertStringIncludes(colored.stdout, "\u001b[33m$0.002\u001b[39m");
  const json = await log.run("query", "--limit", "1", "--color", "always", "--json");
  assert(!json.stdout.includes("\u001b"), json.stdout);
});

Deno.test("scout query reports damage on standard error", async () => {
  using log = logWith(EVENTS[0]!, '{"torn\n', EVENTS[1]!);
  const { code, stdout, stderr } = await log.run("query", "--json");
  assertEquals([code, stdout.split("\n").length], [0, 3]);
  assertStringIncludes(stderr, "scout: Skipped damage in audit log: not JSON, at byte");
});

Deno.test("scout query exits with 0 when standard output is closed", async () => {
  using log = logWith(`${JSON.stringify(EVENTS[0])}\n`.repeat(20_000));
  const args = ["query", "--path", log.path, "--json"];
  const child = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, { dir: "", args, flags: [`--allow-read=${log.dir.path("")}`] }),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assert(!(await reader.read()).done);
  await reader.cancel();
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

const REFUSED: [args: string[], message: string][] = [
  [["--since", "soon"], 'Cannot read --since: "soon" is not a time; use 3h, yesterday or 2026-'],
  [
    ["--where", "x"],
    'Cannot read --where: "x" is not a condition; use FIELD=VALUE such as model=small',
  ],
  [["--where", "x==1"], 'Cannot read --where: "x==1" is not a condition; use x=1'],
  [["--where", "x~("], 'Cannot read --where: "x~(" is not a condition; Invalid regular expression'],
  [["--fields", "a,,b"], 'Cannot read --fields: "a,,b" is not a list of fields'],
  [["--tz", "Mars/X"], 'Cannot read --tz: "Mars/X" is not a time zone; use a name such as'],
  [["--limit", "-1"], 'Cannot read --limit: "-1" is not an integer >= 0'],
  [["--nope"], "`--nope`"],
];
for (const [args, message] of REFUSED) {
  Deno.test(`scout query rejects ${args.join(" ")} and names the value`, async () => {
    using log = logWith();
    const { code, stdout, stderr } = await runCli(["query", ...args], log.dir.path(""));
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, message);
  });
}

Deno.test("scout query reports an unreadable log in one line", async () => {
  using log = logWith();
  const dir = log.dir.path("");
  for (
    const [path, code, message] of [
      [
        log.dir.path("none.jsonl"),
        1,
        "Cannot find audit log: there is neither an active file nor an archive: ",
      ],
      [
        resolve("/elsewhere/audit.jsonl"),
        2,
        `Cannot open audit log: run again with --allow-read=${resolve("/elsewhere")}`,
      ],
    ] as const
  ) {
    const result = await runCli(["query", "--path", path], dir);
    assertEquals([result.code, result.stdout], [code, ""]);
    assertEquals(result.stderr, `scout: ${message}${code === 1 ? path : ""}\n`);
  }
});

Deno.test("scout query shows failures in red and escalations in yellow, if color is on", async () => {
  using log = logWith(
    { event: "validation_fail" },
    { event: "llm_call", status: "error" },
    { event: "llm_call", error: { message: "x" } },
    { event: "llm_call", status: "ok", error: null },
    { event: "gate_escalate" },
    { event: "nav" },
  );
  const colored = await log.run("query", "--color", "always");
  const [red, yellow, bold] = ["\u001b[31m", "\u001b[33m", "\u001b[1m"];
  assertEquals(
    colored.stdout.trimEnd().split("\n").map((line) =>
      [red, yellow, bold].find((style) => line.includes(style))
    ),
    [red, red, red, bold, yellow, bold],
  );
  const plain = await log.run("query");
  assert(!plain.stdout.includes("\u001b"));
});

Deno.test("scout query, tail, spend and metrics name the newest event or a similar type if nothing matches", async () => {
  using log = logWith(...EVENTS.slice(0, 3));
  const since = ["--since", "2026-02-14"];
  const instead = "the newest event is from 2026-02-13 16:00";
  const answers: [args: string[], stdout: RegExp, message: string][] = [
    [
      ["query", "--event", "nav", ...since],
      /^$/,
      `no nav events since 2026-02-14 00:00; ${instead} (try --since 2026-02-13)`,
    ],
    [["query", "--event", "breif"], /^$/, "no breif events; did you mean `brief`?"],
    [["tail", "--session", "s9"], /^$/, `no events of session s9; ${instead}`],
    [["tail", "--event", "navv", "--json"], /^$/, "no navv events; did you mean `nav`?"],
    [
      ["spend", ...since],
      /^- for 0 calls since /,
      `no events with a cost since 2026-02-14 00:00; ${instead} (try --since 2026-02-13)`,
    ],
    [
      ["metrics", ...since],
      /^Since [^\n]*\naccuracy +- {2}0 nav.*\ngate +- {2}0 passed/,
      `no events of navigation or the gate since 2026-02-14 00:00; ${instead} (try --since 2026-02-13)`,
    ],
  ];
  for (const [[command = "", ...args], stdout, message] of answers) {
    const result = await log.run(command, ...args);
    assertEquals([result.code, result.stderr], [0, `scout: ${message}\n`]);
    assertMatch(result.stdout, stdout);
  }
  assertEquals((await log.run("query", "--limit", "0")).stderr, "");
});

Deno.test("scout query reports damage once if nothing matches", async () => {
  using log = logWith(EVENTS[0]!, '{"torn\n', EVENTS[1]!);
  const { code, stderr } = await log.run("query", "--where", "depth=4");
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^scout: Skipped damage [^\n]*\nscout: no events with these fields; [^\n]*\n$/,
  );
});

Deno.test("scout query aligns the columns of many events, and of large events", async () => {
  const large = { event: "nav", cost: 1, text: "x".repeat(2_000_000) };
  using log = logWith(...Array.from({ length: 250 }, () => EVENTS[0]!), large, {
    event: "nav",
    files: [],
  });
  const { stdout } = await log.run("query");
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.length, 252);
  assertEquals(lines[0], lines[249]);
  assertEquals(lines[251]!.indexOf("files="), lines[250]!.indexOf("text="));
});
