import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AuditLog, AuditReader } from "@vivarium/scout";
import type { CommandResult } from "../run_command.ts";
import { programArgs, runProgram } from "../run_program.ts";
import { gunzipped, gzipped, linesOf, tempDir } from "../temp_dir.ts";
import { shownNumber } from "../../src/shown.ts";
import { MAIN } from "./run_cli.ts";

/** Creates files to import and a directory for the log, and returns functions that import the files. */
function importing(files: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>) {
  const sources = tempDir();
  const target = tempDir();
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string") Deno.writeTextFileSync(sources.path(name), content);
    else Deno.writeFileSync(sources.path(name), content);
  }
  const path = target.path("audit.jsonl");
  const dir = target.path("");
  const flags = [`--allow-read=${dir},${sources.path("")}`, `--allow-write=${dir}`];
  return {
    dir,
    path,
    flags,
    source: (name: string) => sources.path(name),
    /** Runs the command on the named files, with exactly the permissions that the command needs. */
    run(names: readonly string[], args: readonly string[] = [], allowed = flags) {
      const paths = names.map((name) => sources.path(name));
      return runProgram(MAIN, {
        dir,
        flags: allowed,
        args: ["import", "--path", path, ...args, ...paths],
      });
    },
    /** Returns the events of the log without the IDs of their import. */
    events: () =>
      linesOf(path).map((line) => {
        const { import_id: _id, ...event } = JSON.parse(line);
        return event;
      }),
    isLogThere: () => [...Deno.readDirSync(dir)].length > 0,
    [Symbol.dispose]() {
      sources[Symbol.dispose]();
      target[Symbol.dispose]();
    },
  };
}

function assertWorked({ code, stderr }: CommandResult): void {
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
}

const TRACE = [
  "TIMESTAMP,ContextTokens,GeneratedTokens,engine",
  "2023-11-16 18:59:03.9799600,4808,10,a",
  "2023-11-16 18:59:59.9999999,3180,8,b",
].join("\r\n");
const TRACE_ARGS = [
  ...["--event", "nav", "--session", "s1"],
  ...["--map", "ts=TIMESTAMP", "--map", "input_t=ContextTokens"],
  ...["--map", "output_t=GeneratedTokens", "--map", "model=engine"],
];

Deno.test("scout import maps CSV columns to fields, and logs each event at the time in its row", async () => {
  using target = importing({ "trace.csv": TRACE });
  const result = await target.run(["trace.csv"], TRACE_ARGS);
  assertWorked(result);
  assertEquals(result.stdout, `Imported 2 of 2 events into ${target.path}\n`);
  const [first = "", second = ""] = linesOf(target.path);
  const id = String.raw`,"import_id":"[0-9a-f]{16}-[0-9a-f]{16}-`;
  assertMatch(
    first,
    new RegExp(
      String
        .raw`^{"ts":"2023-11-16T18:59:03\.979Z","event":"nav","session_id":"s1","model":"a","input_t":4808,"output_t":10${id}1"}$`,
    ),
  );
  assertMatch(
    second,
    new RegExp(
      String
        .raw`^{"ts":"2023-11-16T18:59:59\.999Z","event":"nav","session_id":"s1","model":"b","input_t":3180,"output_t":8${id}2"}$`,
    ),
  );
});

Deno.test("scout import --json reads JSON lines, also from compressed files, in the order of the arguments", async () => {
  const first = { ts: "2026-02-13T14:00:00.123456+01:00", event: "nav", session_id: "s1", cost: 1 };
  const second = { when: 1771000000.5, kind: "brief", session_id: "s2", "tags": ["a"] };
  using target = importing({
    "a.jsonl": `\uFEFF${JSON.stringify(first)}\n\n`,
    "b.ndjson.gz": await gzipped(JSON.stringify(second)),
  });
  const result = await target.run(["b.ndjson.gz", "a.jsonl"], [
    ...["--json", "--map", "ts=when", "--map", "event=kind"],
    ...["--map", "ts2=ts", "--map", "event2=event"],
  ]);
  // Each --map applies to all files. So the record of a.jsonl, which has no member "when", gets no time and is invalid.
  assertEquals(result.code, 1);
  assertMatch(
    result.stderr,
    /a\.jsonl:1: Cannot log event: the field "ts" must be a time such as .*, got undefined\n/,
  );
  const [b, a] = [
    await target.run(["b.ndjson.gz"], ["--json", "--map", "ts=when", "--map", "event=kind"]),
    await target.run(["a.jsonl"], ["--json"]),
  ];
  assertWorked(a);
  assertWorked(b);
  assertEquals(JSON.parse(b.stdout), {
    path: target.path,
    checked: 1,
    importedBefore: 0,
    grown: 0,
    invalid: 0,
    new: 1,
    imported: 1,
    skipped: [],
    files: [
      { name: target.source("b.ndjson.gz"), format: "jsonl", events: 1, importedBefore: 0 },
    ],
  });
  assertEquals(target.events(), [
    { ts: "2026-02-13T16:26:40.500Z", event: "brief", session_id: "s2", tags: ["a"] },
    { ts: "2026-02-13T13:00:00.123Z", event: "nav", session_id: "s1", cost: 1 },
  ]);
});

Deno.test("scout import rejects --map if no record has the member that it names, and appends nothing", async () => {
  using target = importing({ "calls.jsonl": '{"ts":"2026-02-13T14:00:00Z","cost_usd":1}\n' });
  const options = ["--event", "call", "--map", "cost=costUsd"];
  const { code, stdout, stderr } = await target.run(["calls.jsonl"], options);
  assertEquals([code, stdout, target.isLogThere()], [2, "", false]);
  assertStringIncludes(stderr, 'of --map cost=costUsd; did you mean "cost_usd"?');
});

Deno.test("scout import names the file, line, field and value of each invalid record, and appends nothing", async () => {
  using target = importing({
    "good.jsonl": '{"ts":"2026-02-13T14:00:00Z","event":"nav"}\n',
    "bad.jsonl": [
      '{"ts":"2026-02-13T14:00:00Z","event":"nav"}',
      '{"ts":"2026-02-13T14:00:00Z","event":"nav","cost":"much"}',
      '{"ts":"2026-02-30T14:00:00Z","event":"nav"}',
      "[1]",
      "",
      '{"ts":"2026-02-13T14:00:00Z"}',
      '{"ts":"2026-02-13T14:00:00Z","event":"nav","cost":1e400}',
      '{"torn',
    ].join("\n"),
  });
  const mapped = ["--map", "cost=cost"];
  const { code, stdout, stderr } = await target.run(["good.jsonl", "bad.jsonl"], mapped);
  assertEquals([code, stdout, target.isLogThere()], [1, "", false]);
  const bad = target.source("bad.jsonl");
  assertEquals(stderr.split("\n"), [
    "scout: Cannot import: some records are invalid, so nothing was imported; --skip-invalid leaves them out",
    `  ${bad}:2: Cannot log event: the field "cost" must be a finite number >= 0 (USD), got "much"`,
    `  ${bad}:3: Cannot log event: the field "ts" must be a time such as 2026-02-13T14:30:22Z, or seconds since 1970, got "2026-02-30T14:00:00Z"`,
    `  ${bad}:4: not an object`,
    `  ${bad}:6: Cannot log event: the field "event" must be set by the record, --event TYPE or --map event=NAME, got ""`,
    `  ${bad}:7: Cannot log event: the field "cost" must be a finite number >= 0 (USD), got "1e400"`,
    `  ${bad}:8: not JSON`,
    "",
  ]);
});

Deno.test("scout import reports the first ten invalid records, and counts the others", async () => {
  using target = importing({ "bad.csv": `ts,event\n${"no time,nav\n".repeat(12)}` });
  const { code, stderr } = await target.run(["bad.csv"]);
  const lines = stderr.trimEnd().split("\n");
  assertEquals([code, lines.length, lines.at(-1)], [1, 12, "  and 2 more"]);
});

Deno.test("scout import continues the hash chain of a log", async () => {
  using target = importing({
    "more.csv": "ts,event\n2026-02-13,nav\n2026-02-14,brief\n",
    "own.csv": "ts,event,seq\n2026-02-13,nav,7\n",
  });
  {
    await using log = await AuditLog.open({ path: target.path, chain: true });
    await log.log("nav");
  }
  assertWorked(await target.run(["more.csv"]));
  assertEquals(target.events().map(({ seq }) => seq), [0, 1, 2]);
  const refused = await target.run(["own.csv"]);
  assertEquals([refused.code, target.events().length], [1, 3]);
  assertStringIncludes(
    refused.stderr,
    'own.csv:2: Cannot log event: the field "seq" must not be set in a chained log',
  );
  await using reader = await AuditReader.open({ path: target.path });
  assertEquals((await reader.verify()).faults, []);
});

Deno.test("scout import --dry-run checks the files without write permission, and shows sums by model", async () => {
  using target = importing({ "trace.csv": TRACE });
  const readOnly = target.flags.slice(0, 1);
  const result = await target.run(["trace.csv"], [...TRACE_ARGS, "--dry-run"], readOnly);
  assertEquals([result.code, result.stderr], [
    0,
    "scout: 2 calls without a cost, because the files state none; --prices FILE adds the costs, also later\n",
  ]);
  assertEquals(result.stdout.split("\n"), [
    "Checked 2 events: no errors; 2 new",
    "",
    "Events to import: 2 nav",
    "",
    "to import, by model  new calls  input tokens  output tokens  USD",
    "a                            1          4808             10    -",
    "b                            1          3180              8    -",
    "total                        2          7988             18    -",
    "",
  ]);
  const asJson = await target.run(["trace.csv"], [...TRACE_ARGS, "--dry-run", "--json"], readOnly);
  const { checked, imported, models, stated, leftOut } = JSON.parse(asJson.stdout);
  assertEquals([checked, imported, stated, leftOut], [2, 0, null, []]);
  assertEquals(models, [
    { model: "a", calls: 1, input_t: 4808, output_t: 10, usd: null },
    { model: "b", calls: 1, input_t: 3180, output_t: 8, usd: null },
  ]);
  assertEquals(target.isLogThere(), false);
});

Deno.test("scout import reports a missing permission in one line", async () => {
  using target = importing({ "trace.csv": TRACE });
  const [read = "", write = ""] = target.flags;
  const file = target.source("trace.csv");
  const noFile = await target.run(["trace.csv"], TRACE_ARGS, [`--allow-read=${target.dir}`, write]);
  assertEquals(
    [noFile.code, noFile.stderr],
    [2, `scout: Cannot read ${file}: run again with --allow-read=${file}\n`],
  );
  const noWrite = await target.run(["trace.csv"], TRACE_ARGS, [read]);
  assertEquals(noWrite.code, 2);
  assertMatch(
    noWrite.stderr,
    /^scout: Cannot open audit log: run again with \S+ --allow-write=\S+\n$/,
  );
});

Deno.test("scout import rejects invalid options and columns before it reads a record", async () => {
  using target = importing({
    "trace.csv": TRACE,
    "notes.txt": "hello",
    "two.csv": "ts,event,event\n1,a,b\n",
  });
  const refused = async (names: string[], args: string[] = []) => {
    const { code, stdout, stderr } = await target.run(names, args);
    assertEquals([stdout, target.isLogThere()], ["", false]);
    return `${code} ${stderr}`;
  };
  const columns = "(columns: TIMESTAMP, ContextTokens, GeneratedTokens, engine)";
  const trace = target.source("trace.csv");
  const map = ["--map", "ts=TIMESTAMP"];
  const cases: [string, () => Promise<string>][] = [
    [
      `2 scout: Cannot import ${trace}: the file has no column ts; add --map ts=COLUMN ${columns}\n`,
      () => refused(["trace.csv"], ["--event", "nav"]),
    ],
    [
      `2 scout: Cannot import ${trace}: the file has no column event; add --event TYPE or --map event=COLUMN ${columns}\n`,
      () => refused(["trace.csv"], map),
    ],
    [
      `2 scout: Cannot import ${trace}: the file has no column named "Model" ${columns}\n`,
      () => refused(["trace.csv"], [...map, "--map", "model=Model"]),
    ],
    [
      `2 scout: Cannot import ${trace}: two columns would become the field engine; add --map OTHER=engine ${columns}\n`,
      () => refused(["trace.csv"], [...map, "--map", "engine=ContextTokens"]),
    ],
    [
      `2 scout: Cannot import ${
        target.source("two.csv")
      }: the file has two columns named "event" (columns: ts, event, event)\n`,
      () => refused(["two.csv"]),
    ],
    [
      "2 scout: Cannot map columns: two --map options name the same field, got model\n",
      () => refused(["trace.csv"], ["--map", "model=a", "--map", "model=b"]),
    ],
    [
      `2 scout: Cannot import ${
        target.source("notes.txt")
      }: neither its content nor its name shows the format; add --format claude-code|codex|otlp|scout|jsonl|csv\n`,
      () => refused(["notes.txt"]),
    ],
    [
      `1 scout: Cannot import ${target.source("none.csv")}: the file does not exist\n`,
      () => refused(["none.csv"]),
    ],
  ];
  for (const [expected, found] of cases) assertEquals(await found(), expected);
  assertEquals(await refused([]), "2 scout: Cannot run scout import: no PATH is named\n");
  assertStringIncludes(
    await refused(["trace.csv"], ["--map", "ts"]),
    "not a mapping; use FIELD=COLUMN such as ts=TIMESTAMP",
  );
});

Deno.test("scout import rejects a source that is a file of the target log", async () => {
  using target = importing({ "a.jsonl": '{"ts":"2026-02-13T14:00:00Z","event":"nav"}\n' });
  assertWorked(await target.run(["a.jsonl"]));
  const args = (file: string) => ["import", "--path", target.path, file];
  const { code, stderr } = await runProgram(MAIN, { dir: target.dir, args: args(target.path) });
  assertEquals(code, 2);
  assertEquals(
    stderr,
    `scout: Cannot import ${target.path}: the file is part of the log ${target.path}\n`,
  );
  const rotated = await runProgram(MAIN, {
    dir: target.dir,
    args: ["rotate", "--path", target.path],
  });
  const archive = `${target.dir}/${rotated.stdout.trim().split(" ").at(-1)}`;
  assertEquals((await runProgram(MAIN, { dir: target.dir, args: args(archive) })).code, 2);
  assertEquals((await gunzipped(Deno.readFileSync(archive))).split("\n").length, 2);
});

Deno.test("scout import names the first record that was not imported if the import is interrupted", async () => {
  const COUNT = 200_000;
  const lines = Array.from({ length: COUNT }, (_, n) => `2026-02-13T14:00:00Z,nav,${n}`);
  using target = importing({ "many.csv": `ts,event,n\n${lines.join("\n")}\n` });
  using watcher = Deno.watchFs(target.dir);
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, {
      dir: target.dir,
      flags: target.flags,
      args: ["import", "--path", target.path, target.source("many.csv")],
    }),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = process.output();
  // Wait until the log has its first lines.
  for await (const { paths } of watcher) {
    if (paths.includes(target.path) && Deno.statSync(target.path).size > 0) break;
  }
  process.kill("SIGINT");
  const { code, stdout, stderr } = await output;
  const imported = linesOf(target.path).length;
  assert(imported < COUNT);
  assertEquals(code, 130);
  const decoder = new TextDecoder();
  assertEquals(
    decoder.decode(stdout),
    `Imported ${shownNumber(imported)} of 200,000 events into ${target.path}\n`,
  );
  // The header is line 1 of the CSV file, so record n is on line n + 1.
  assertEquals(
    decoder.decode(stderr),
    `scout: interrupted; the record at ${target.source("many.csv")}:${
      imported + 2
    } and all later records were not imported; run the same command again to import them\n`,
  );
  assertEquals(target.events().map(({ n }) => n), Array.from({ length: imported }, (_, n) => n));
  const rest = await target.run(["many.csv"]);
  assertWorked(rest);
  assertEquals(
    rest.stdout,
    `Imported ${shownNumber(COUNT - imported)} of 200,000 events into ${target.path}; ${
      shownNumber(imported)
    } were imported before\n`,
  );
  await using reader = await AuditReader.open(target.path);
  const numbers = (await reader.query().toArray()).map(({ n }) => n);
  assertEquals(numbers, Array.from({ length: COUNT }, (_, n) => n));
});
