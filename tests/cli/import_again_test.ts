/**
 * Imports sources that were imported before, as a whole or in part, and sources that are not files.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AuditLog, AuditReader } from "@vivarium/scout";
import fc from "fast-check";
import { EarlierImports, RecordIds } from "../../src/import/record_ids.ts";
import { sampledTest } from "../extent.ts";
import { testNeeding } from "../requirements.ts";
import { programArgs, runProgram } from "../run_program.ts";
import { SeededRandom } from "../seeded_random.ts";
import { gzipped, tempDir } from "../temp_dir.ts";
import { MAIN } from "./run_cli.ts";

const decoder = new TextDecoder();

/** A directory for sources and one for a log, and functions that import. */
function importing() {
  const sources = tempDir();
  const target = tempDir();
  const dir = target.path("");
  const path = target.path("audit.jsonl");
  const flags = [`--allow-read=${dir},${sources.path("")}`, `--allow-write=${dir}`];
  const argsOf = (args: readonly string[]) => ["import", "--path", path, ...args];
  return {
    dir,
    path,
    /** Writes a source, and returns its path. */
    write(name: string, content: string | Uint8Array<ArrayBuffer>): string {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      Deno.writeFileSync(sources.path(name), bytes);
      return sources.path(name);
    },
    source: (name: string) => sources.path(name),
    async run(...args: readonly string[]) {
      const { code, stdout, stderr } = await runProgram(MAIN, { dir, flags, args: argsOf(args) });
      return {
        code,
        stdout: stdout.replace(JSON.stringify(path), `"LOG"`).replace(path, "LOG"),
        stderr,
      };
    },
    /** Starts an import whose standard input is piped. */
    start(...args: readonly string[]) {
      const process = new Deno.Command(Deno.execPath(), {
        args: programArgs(MAIN, { dir, flags, args: argsOf(args) }),
        ...{ stdin: "piped", stdout: "piped", stderr: "piped" } as const,
      }).spawn();
      const stdin = process.stdin.getWriter();
      return {
        write: (bytes: Uint8Array) => stdin.write(bytes),
        status: process.status,
        /** Kills the process, and resolves when it has ended. */
        async kill() {
          try {
            process.kill("SIGKILL");
          } catch (error) {
            // Deno throws a TypeError if the process has ended already.
            if (!(error instanceof TypeError)) throw error;
          }
          await process.output();
          // Standard input cannot be closed properly, because the killed process has closed the pipe.
          await stdin.abort().catch(() => {});
        },
        /** Ends standard input, and resolves with the exit code and the output. */
        async end() {
          await stdin.close();
          const { code, stdout, stderr } = await process.output();
          return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
        },
      };
    },
    /** Resolves with the field `n` of each event in the log. */
    async numbers(): Promise<unknown[]> {
      await using reader = await AuditReader.open(path);
      return (await reader.query().toArray()).map(({ n }) => n);
    },
    names: () => Array.from(Deno.readDirSync(dir), ({ name }) => name).sort(),
    [Symbol.dispose]() {
      sources[Symbol.dispose]();
      target[Symbol.dispose]();
    },
  };
}

function lineOf(n: number): string {
  return `{"ts":"2026-02-13T14:00:${String(n % 60).padStart(2, "0")}Z","event":"nav","n":${n}}\n`;
}

function linesFrom(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, n) => lineOf(from + n)).join("");
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

Deno.test("scout import adds nothing from a source that was imported before, also under another name or after the log was rotated", async () => {
  using target = importing();
  const file = target.write("a.jsonl", linesFrom(0, 3));
  assertEquals((await target.run(file)).stdout, "Imported 3 of 3 events into LOG\n");
  const copy = target.write("copy.jsonl", linesFrom(0, 3));
  await runProgram(MAIN, { dir: target.dir, args: ["rotate", "--path", target.path] });
  for (const again of [file, copy]) {
    assertEquals(await target.run(again), {
      code: 0,
      stdout: "0 new: LOG already has all 3 events\n",
      stderr: "",
    });
  }
  const dryRun = await target.run("--dry-run", file);
  assertEquals([dryRun.code, dryRun.stdout], [
    0,
    "Checked 3 events: no errors; 0 new; 3 were imported before\n",
  ]);
  assertEquals(await target.numbers(), upTo(3));
  const again = await target.run("--again", file);
  assertEquals([again.code, again.stdout], [
    0,
    "Imported 3 of 3 events into LOG; 3 were imported before\n",
  ]);
  assertEquals(await target.numbers(), [...upTo(3), ...upTo(3)]);
});

Deno.test("scout import imports only the new records if a source has grown or is named twice", async () => {
  using target = importing();
  const file = target.write("a.jsonl", linesFrom(0, 3));
  await target.run(file);
  target.write("a.jsonl", linesFrom(0, 5));
  const other = target.write("b.jsonl", linesFrom(7, 9));
  const copy = target.write("a_copy.jsonl", linesFrom(7, 9));
  // A file that is named twice is read once.
  const { code, stdout } = await target.run("--json", file, file, copy, other);
  const { files, checked, importedBefore, new: added, imported } = JSON.parse(stdout);
  assertEquals([code, { files, checked, importedBefore, new: added, imported }], [0, {
    files: [
      { name: file, format: "jsonl", events: 5, importedBefore: 3 },
      { name: copy, format: "jsonl", events: 2, importedBefore: 0 },
      { name: other, format: "jsonl", events: 2, importedBefore: 2 },
    ],
    checked: 9,
    importedBefore: 5,
    new: 4,
    imported: 4,
  }]);
  assertEquals(await target.numbers(), [...upTo(5), 7, 8]);
});

Deno.test("scout import refuses a source whose first records were imported before, but whose later ones differ", async () => {
  using target = importing();
  const file = target.write("a.jsonl", linesFrom(0, 4));
  await target.run(file);
  for (
    const [content, number] of [
      [lineOf(0) + lineOf(9) + linesFrom(2, 6), 2],
      [linesFrom(0, 2) + linesFrom(8, 11), 3],
      [linesFrom(0, 3) + lineOf(3).replace("}", ',"x":1}'), 4],
    ] as const
  ) {
    target.write("a.jsonl", content);
    const { code, stderr } = await target.run(file);
    assertEquals([code, stderr], [
      1,
      `scout: Cannot import ${file}: its first records were imported before, but record ${number} has changed since then; import a ` +
      "file with only the new records, or add --again to import all records\n",
    ]);
  }
  assertEquals(await target.numbers(), upTo(4));
  target.write("a.jsonl", lineOf(0) + lineOf(9));
  assertEquals((await target.run("--again", file)).code, 0);
  assertEquals(await target.numbers(), [...upTo(4), 0, 9]);
});

Deno.test("scout import imports all records of two sources in one command, even if both start with the same record", async () => {
  using target = importing();
  const [a, b] = [
    target.write("a.jsonl", lineOf(0) + lineOf(1)),
    target.write("b.jsonl", lineOf(0) + lineOf(2)),
  ];
  assertEquals((await target.run(a, b)).stdout, "Imported 4 of 4 events into LOG\n");
});

Deno.test("scout import recognizes imported records despite other options, other line breaks or compression", async () => {
  using target = importing();
  const rows = ["00", "06", "12", "18"].map((hour) => `2026-01-01 ${hour}:00,nav,${hour}\n`);
  const csv = target.write("a.csv", `ts,event,n\n${rows.join("")}`);
  await target.run(csv);
  for (const options of [["--tz", "Asia/Tokyo"], ["--event", "other"], ["--text-column", "n"]]) {
    const { stdout } = await target.run(...options, csv);
    assertStringIncludes(stdout, "0 new: ", options.join());
  }
  const jsonl = target.write("b.jsonl", linesFrom(0, 3).trimEnd().replaceAll("\n", "\r\n"));
  assertEquals((await target.run(jsonl)).code, 0);
  const grown = target.write("b.jsonl", linesFrom(0, 4).replaceAll("\n", "\r\n"));
  assertEquals(
    (await target.run(grown)).stdout,
    "Imported 1 of 4 events into LOG; 3 were imported before\n",
  );
  const copy = await target.run(target.write("c.jsonl", linesFrom(0, 4)));
  assertStringIncludes(copy.stdout, "0 new: ");
  const zipped = target.write("d.jsonl.gz", await gzipped(linesFrom(0, 4)));
  assertStringIncludes((await target.run(zipped)).stdout, "0 new: ");
});

Deno.test("scout import --skip-invalid imports nothing if the rest of the file cannot be read", async () => {
  using target = importing();
  const encoder = new TextEncoder();
  const valid = `ts,event,n\n2026-01-01,a,0\n`;
  const files = [
    target.write("quote.csv", `${valid}2026-01-01,b,x"y\n2026-01-02,c,3\n`),
    target.write(
      "latin.csv",
      Uint8Array.from([...encoder.encode(`${valid}2026-01-01,caf`), 0xe9, 0x0a]),
    ),
    target.write("torn.jsonl.gz", (await gzipped(linesFrom(0, 50))).slice(0, 60)),
  ];
  for (const file of files) {
    const { code, stdout, stderr } = await target.run("--skip-invalid", file);
    assertEquals([code, stdout], [1, ""], file);
    assertMatch(
      stderr,
      /^scout: Cannot import: the file cannot be read from \S+:\d+ on, so nothing was imported: /,
    );
  }
  assert(!target.names().includes("audit.jsonl"));
});

Deno.test("scout import stores a record's own field import_id under the name import_id_raw", async () => {
  using target = importing();
  const line = '{"ts":"2026-02-13T14:00:00Z","event":"nav","import_id":"mine"}\n';
  await target.run(target.write("a.jsonl", line));
  await using reader = await AuditReader.open(target.path);
  const [event] = await reader.query().toArray();
  assertEquals(event?.import_id_raw, "mine");
  assertMatch(`${event?.import_id}`, /^[0-9a-f]{16}-[0-9a-f]{16}-1$/);
});

Deno.test("scout import adds the suffix _raw to reserved names, and prints their number", async () => {
  using target = importing();
  const lines = [
    '{"ts":"2026-02-13T14:00:00Z","event":"budget_hold","hold":"h1","n":0}',
    '{"ts":"2026-02-13T14:00:00Z","event":"budget","n":1}',
  ];
  const { code, stderr } = await target.run(target.write("a.jsonl", lines.join("\n")));
  assertEquals([code, stderr], [0, "scout: 2 reserved names imported with the suffix _raw\n"]);
  await using reader = await AuditReader.open(target.path);
  const events = await reader.query().toArray();
  const shown = events.map(({ event, hold, hold_raw }) => [event, hold, hold_raw]);
  assertEquals(shown, [["budget_hold_raw", undefined, "h1"], ["budget", undefined, undefined]]);
});

Deno.test("scout import stores an invalid value of a known field under the field's name with the suffix _raw, and counts such values", async () => {
  using target = importing();
  const base = '{"ts":"2026-02-13T14:00:00Z","event":"nav"';
  const lines = [
    `${base},"cost":"much","session_id":7}`,
    `${base},"cost":-1,"cost_raw":"taken","model":"m"}`,
    `${base},"cost":null,"files":"a.ts","input_t":1.5}`,
    `${base},"cost":0.25}`,
  ];
  const file = target.write("a.jsonl", lines.join("\n"));
  const { code, stderr } = await target.run(file);
  assertEquals([code, stderr.split("\n")], [0, [
    "scout: 1 value of session_id imported as session_id_raw, because session_id must be a non-empty string; the first is 7",
    'scout: 2 values of cost imported as cost_raw, because cost must be a finite number >= 0 (USD); the first is "much"',
    "scout: 1 value of input_t imported as input_t_raw, because input_t must be an integer >= 0 (tokens); the first is 1.5",
    'scout: 1 value of files imported as files_raw, because files must be an array of strings; the first is "a.ts"',
    "",
  ]]);
  await using reader = await AuditReader.open(target.path);
  const events = (await reader.query().toArray())
    .map(({ ts: _ts, event: _event, import_id: _id, ...fields }) => fields);
  const session_id = events[1]!.session_id!;
  assertEquals(events, [
    { session_id, cost_raw: "much", session_id_raw: 7 },
    { session_id, model: "m", cost_raw: "taken", cost_raw_raw: -1 },
    { session_id, files_raw: "a.ts", input_t_raw: 1.5 },
    { session_id, cost: 0.25 },
  ]);
  const mapped = await target.run("--again", "--map", "cost=cost", file);
  assertEquals(mapped.code, 1);
  assertStringIncludes(mapped.stderr, 'the field "cost" must be a finite number');
});

Deno.test("scout import --skip-invalid skips invalid records, and an incomplete last line until the line is complete", async () => {
  using target = importing();
  const bad = '{"ts":"never","event":"nav","n":1}\n';
  const file = target.write("a.jsonl", lineOf(0) + bad + lineOf(2) + lineOf(3).slice(0, 20));
  assertEquals((await target.run(file)).code, 1);
  const { code, stdout, stderr } = await target.run("--skip-invalid", file);
  assertEquals([code, stdout], [0, "Imported 2 of 2 events into LOG\n"]);
  assertEquals(stderr.split("\n"), [
    "scout: 2 invalid records left out",
    `  ${file}:2: Cannot log event: the field "ts" must be a time such as 2026-02-13T14:30:22Z, or seconds since 1970, got "never"`,
    `  ${file}:4: not JSON`,
    "",
  ]);
  target.write("a.jsonl", lineOf(0) + bad + lineOf(2) + lineOf(3));
  const rest = await target.run("--skip-invalid", file);
  assertEquals(rest.stdout, "Imported 1 of 3 events into LOG; 2 were imported before\n");
  assertEquals(await target.numbers(), [0, 2, 3]);
});

Deno.test("scout import reads standard input, also compressed, and leaves no temporary file", async () => {
  using target = importing();
  const encoder = new TextEncoder();
  const plain = target.start("--format", "jsonl", "-");
  await plain.write(encoder.encode(linesFrom(0, 2)));
  assertStringIncludes((await plain.end()).stdout, "Imported 2 of 2 events");
  const zipped = target.start("--format", "csv", "-");
  await zipped.write(await gzipped("ts,event,n\n2026-02-13,nav,2\n"));
  assertStringIncludes((await zipped.end()).stdout, "Imported 1 of 1 event");
  const bad = target.start("--format", "jsonl", "-");
  await bad.write(encoder.encode("oops\n"));
  assertStringIncludes((await bad.end()).stderr, "\n  standard input:1: not JSON\n");
  const unnamed = await target.start("-").end();
  assertEquals([unnamed.code, unnamed.stderr], [
    2,
    "scout: Cannot import standard input: neither its content nor its name shows the format; add --format " +
    "claude-code|codex|otlp|scout|jsonl|csv\n",
  ]);
  const checked = target.start("--dry-run", "--format", "jsonl", "-");
  await checked.write(encoder.encode(lineOf(5)));
  assertEquals((await checked.end()).stdout, "Checked 1 event: no errors; 1 new\n");
  assertEquals(await target.numbers(), [0, 1, 2]);
  assertEquals(target.names(), ["audit.jsonl", "audit.jsonl.lock"]);
});

Deno.test("scout import imports the records once that standard input and a file both have", async () => {
  using target = importing();
  const file = target.write("a.jsonl", linesFrom(0, 5));
  for (const [args, expected] of [[["-", file], "5 of 10"], [[file, "-"], "0 new"]] as const) {
    const running = target.start("--format", "jsonl", ...args);
    await running.write(new TextEncoder().encode(linesFrom(0, 5)));
    assertStringIncludes((await running.end()).stdout, expected);
  }
  assertEquals(await target.numbers(), upTo(5));
});

await testNeeding(
  "mkfifo",
  "scout import reads all records of several named pipes",
  async () => {
    using target = importing();
    const pipes = ["one.jsonl", "two.jsonl"].map((name) => target.source(name));
    for (const pipe of pipes) await new Deno.Command("mkfifo", { args: [pipe] }).output();
    const running = target.run(...pipes);
    for (const [n, pipe] of pipes.entries()) {
      await Deno.writeTextFile(pipe, linesFrom(3 * n, 3 * n + 3), { create: false });
    }
    assertEquals((await running).stdout, "Imported 6 of 6 events into LOG\n");
    assertEquals(await target.numbers(), upTo(6));
  },
);

Deno.test("scout import refuses to run twice at once on one log, but runs again after an import was killed", async () => {
  using target = importing();
  const file = target.write("a.jsonl", linesFrom(0, 2));
  const first = target.start("--format", "jsonl", "-");
  using watcher = Deno.watchFs(target.dir);
  await first.write(new TextEncoder().encode(lineOf(0)));
  const temporary = `${target.path}.import.tmp`;
  for await (const { paths } of watcher) {
    if (paths.includes(temporary) && Deno.statSync(temporary).size > 0) break;
  }
  const second = await target.run(file);
  assertEquals([second.code, second.stderr], [
    1,
    `scout: Cannot import: another import into this log is running: ${target.path}\n`,
  ]);
  {
    // While an import runs, AuditLog.open() repairs what crashed writers left, but must not remove the temporary file
    // of the import.
    await using log = await AuditLog.open(target.path);
    assertEquals((await log.recovery).removed, []);
  }
  assert(target.names().includes("audit.jsonl.import.tmp"));
  await first.kill();
  {
    await using log = await AuditLog.open(target.path);
    assertEquals((await log.recovery).removed, ["audit.jsonl.import.tmp"]);
  }
  assertEquals((await target.run(file)).stdout, "Imported 2 of 2 events into LOG\n");
});

await sampledTest(
  "scout import imports each record once, however often the import is killed",
  1 / 4,
  async (extent) => {
    const random = new SeededRandom(extent.seed);
    const COUNT = 20_000;
    using target = importing();
    const file = target.write("a.jsonl", linesFrom(0, COUNT));
    const sizeOf = () => Deno.statSync(target.path).size;
    for (let kills = extent.of(8); kills > 0; kills--) {
      const watcher = Deno.watchFs(target.dir);
      const before = target.names().includes("audit.jsonl") ? sizeOf() : 0;
      const enough = before + random.below(400_000);
      const running = target.start(file);
      // The import may end before the test kills it. The watcher is then closed, so that the wait for a change ends.
      const ended = running.status.then(() => watcher.close());
      for await (const { paths } of watcher) {
        if (paths.includes(target.path) && sizeOf() > Math.max(before, enough)) break;
      }
      await running.kill();
      await ended;
    }
    await target.run(file);
    assertEquals(await target.numbers(), upTo(COUNT));
  },
);

Deno.test("scout import reads files whose lines end in CR alone", async () => {
  using target = importing();
  const csv = target.write(
    "old.csv",
    'ts,event,n,text\r2026-02-13,nav,0,"a\rb"\r2026-02-14,nav,1,c\r',
  );
  assertEquals((await target.run(csv)).stdout, "Imported 2 of 2 events into LOG\n");
  const jsonl = target.write("old.jsonl", linesFrom(2, 4).replaceAll("\n", "\r"));
  assertEquals((await target.run(jsonl)).stdout, "Imported 2 of 2 events into LOG\n");
  const bad = target.write("bad.csv", "ts,event\r2026-02-13,nav\rnever,nav\r");
  assertStringIncludes((await target.run(bad)).stderr, "bad.csv:3: Cannot log event");
  assertEquals(await target.numbers(), upTo(4));
  await using reader = await AuditReader.open(target.path);
  assertEquals((await reader.query().toArray())[0]?.text, "a\rb");
});

Deno.test("scout import reports how many local times occurred twice or never, because of clock changes", async () => {
  using target = importing();
  const times = [
    ...["2025-10-26 02:30:00", "2025-10-26 02:59:59", "2025-10-26 03:00:00", "2025-10-26 01:59:59"],
    ...["2026-03-29 02:00:00", "2026-03-29 02:59:59", "2026-03-29 03:00:00"],
    ...["2025-10-26 02:30:00+01:00", "2026-03-29 02:30:00Z"],
  ];
  const file = target.write("a.csv", `ts,event\n${times.map((ts) => `${ts},nav\n`).join("")}`);
  const { code, stderr } = await target.run("--tz", "Europe/Berlin", file);
  assertEquals(code, 0);
  assertEquals(stderr.split("\n"), [
    "scout: 2 times without a UTC offset occurred twice in Europe/Berlin, because clocks were set back; the first of the " +
    "two instants was used",
    "scout: 2 times without a UTC offset never occurred in Europe/Berlin, because clocks were set forward; the time was " +
    "moved forward by the same amount",
    "",
  ]);
  await using reader = await AuditReader.open(target.path);
  const found = (await reader.query().toArray()).map(({ ts }) => ts);
  assertEquals([found[0], found[4]], ["2025-10-26T00:30:00.000Z", "2026-03-29T01:00:00.000Z"]);
  const utc = await target.run("--again", file);
  assertEquals([utc.code, utc.stderr], [0, ""]);
});

Deno.test("EarlierImports recognizes exactly the imported records, even if sources start with the same records", () => {
  const source = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(fc.array(source, { maxLength: 6 }), source, (imported, next) => {
    const ids = new RecordIds({ keepsSums: true });
    for (const record of next) ids.add(record);
    const earlier = new EarlierImports([ids]);
    for (const records of imported) {
      const own = new RecordIds();
      for (const record of records) earlier.add({ event: "nav", import_id: own.add(record) });
    }
    earlier.add({ event: "nav", import_id: "not an id" });
    earlier.add({ event: "nav" });
    let conflict: number | null = null;
    for (let n = 1; n <= next.length; n++) {
      const prefix = next.slice(0, n).join("");
      const isKnown = imported.some((records) =>
        records.slice(0, n).join("") === prefix && records.length >= n
      );
      assertEquals(earlier.has(ids, n), isKnown, `${imported} ${next} ${n}`);
      const isOther = imported.some((records) => records[0] === next[0] && records.length >= n);
      if (!isKnown && isOther) conflict ??= n;
    }
    assertEquals(earlier.conflictIn(ids), conflict);
  }));
});

Deno.test("RecordIds keeps the digests of more records than fit into one block of its memory", () => {
  const ids = new RecordIds({ keepsSums: true });
  const all = Array.from({ length: 70_000 }, (_, n) => ids.add(`${n}`));
  const earlier = new EarlierImports([ids]);
  for (const n of [1, 65_535, 65_536, 65_537, 70_000]) {
    assertEquals(earlier.has(ids, n), false);
    earlier.add({ event: "nav", import_id: all[n - 1] });
    assertEquals(earlier.has(ids, n), true);
  }
  assertEquals(earlier.has(ids, 2), false);
});
