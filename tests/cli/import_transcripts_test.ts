/**
 * `scout import` on made-up transcripts that have every trap of the real ones. The expected sums are counted by hand from
 * the descriptions of the fixtures.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type AuditEvent, AuditReader, stats } from "@vivarium/scout";
import { dirname, join } from "@std/path";
import { sampledTest } from "../extent.ts";
import { callsIn, killPoints } from "../faults/real_victim.ts";
import {
  claudeCodeFixture,
  claudeMessage,
  codexFixture,
  type Files,
  otlpFixture,
} from "../import/fixtures.ts";
import { testNeeding } from "../requirements.ts";
import { denoDir, programArgs, runProgram } from "../run_program.ts";
import { gzipped, tempDir } from "../temp_dir.ts";
import { MAIN, runCommands } from "./run_cli.ts";

/** Writes files into a made-up home directory, and returns functions that import them into a log. */
function home(files: Files) {
  const dir = tempDir();
  for (const [name, content] of Object.entries(files)) {
    Deno.mkdirSync(dirname(dir.path(name)), { recursive: true });
    Deno.writeTextFileSync(dir.path(name), content);
  }
  const path = dir.path("log/audit.jsonl");
  return {
    path,
    source: (name: string) => dir.path(name),
    write(name: string, content: string | Uint8Array<ArrayBuffer>): void {
      if (typeof content === "string") Deno.writeTextFileSync(dir.path(name), content);
      else Deno.writeFileSync(dir.path(name), content);
    },
    async run(...args: readonly string[]) {
      const flags = [`--allow-read=${dir.path("")}`, `--allow-write=${dir.path("log")}`];
      const { code, stdout, stderr } = await runProgram(MAIN, {
        dir: dir.path(""),
        flags,
        args: ["import", "--path", path, ...args],
      });
      // On Windows, paths have backslashes.
      const plain = (text: string) => text.replaceAll("\\", "/");
      return {
        code,
        stdout: plain(stdout.replaceAll(path, "LOG")),
        stderr: plain(stderr).replaceAll(`${plain(dir.path(""))}/`, ""),
      };
    },
    events: () => eventsIn(path),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

async function eventsIn(path: string): Promise<AuditEvent[]> {
  await using reader = await AuditReader.open(path);
  return await reader.query().toArray();
}

/** The sums of the model calls and tool calls in a log. */
function sumsOf(events: readonly AuditEvent[]) {
  const sum = (name: string) => events.reduce((sum, event) => sum + Number(event[name] ?? 0), 0);
  const count = (type: string) => events.filter(({ event }) => event === type).length;
  return {
    calls: count("llm_call"),
    tools: count("tool_call"),
    input: sum("input_t"),
    output: sum("output_t"),
    cacheRead: sum("cache_read_t"),
    cacheWrite: sum("cache_write_t"),
    reasoning: sum("reasoning_t"),
  };
}

type Tokens = readonly [records: number, input: number, output: number];

/** A fixture, and what is known about it. */
interface Known {
  readonly format: string;
  readonly files: Files;
  readonly sums: ReturnType<typeof sumsOf>;
  readonly stated: {
    readonly records: number;
    readonly input_t: number;
    readonly output_t: number;
  };
  readonly leftOut: Readonly<Record<string, Tokens>>;
  /** Number of model calls of each session; null if each trace is a session. */
  readonly sessions: Readonly<Record<string, number>> | null;
  readonly messages: readonly string[];
}

const FORMATS: readonly Known[] = [
  {
    format: "claude-code",
    files: claudeCodeFixture(),
    // 101 messages of 10 + 1,000 + 300 input and 50 output tokens, and one error of the API.
    sums: {
      ...{ calls: 102, tools: 100, input: 132_310, output: 5_050 },
      ...{ cacheRead: 101_000, cacheWrite: 30_300, reasoning: 0 },
    },
    // 5 sessions of 20 messages, a resumed one and a sidechain; 3 lines each; and 2 more messages.
    stated: { records: 422, input_t: 551_510, output_t: 9_990 },
    // 140 messages have 2 more lines, of 1 + 20 + 50 output tokens only 50 count; 40 messages are repeated.
    leftOut: {
      "further lines of the same message": [280, 366_800, 2_940],
      "messages that Claude Code wrote itself": [1, 0, 0],
      "calls that are stated again": [40, 52_400, 2_000],
    },
    sessions: { s1: 20, s2: 20, s3: 20, s4: 20, s5: 22 },
    messages: [
      "scout: left out 1 tool call without a result",
      "scout: left out 1 file whose content shows no format",
      "scout: 101 calls without a cost, because the files state none; --prices FILE adds the costs, also later",
    ],
  },
  {
    format: "codex",
    files: codexFixture(),
    // 130 calls of 1,000 input tokens, of which 600 are cached, and 30 output tokens, of which 10 are reasoning.
    sums: {
      ...{ calls: 130, tools: 130, input: 130_000, output: 3_900 },
      ...{ cacheRead: 78_000, cacheWrite: 0, reasoning: 1_300 },
    },
    // Each counter is written twice, also the 30 that the fork copies.
    stated: { records: 320, input_t: 320_000, output_t: 9_600 },
    leftOut: {
      "counters that did not change": [160, 160_000, 4_800],
      "calls that are stated again": [30, 30_000, 900],
    },
    sessions: { c1: 40, c2: 40, c3: 40, fork: 10 },
    messages: [
      "scout: 130 calls without a cost, because the files state none; --prices FILE adds the costs, also later",
    ],
  },
  {
    format: "otlp",
    files: otlpFixture(),
    // 60 traces of 2 calls of 700 input and 20 output tokens; 20 traces have the old names, which have no cached tokens.
    sums: {
      ...{ calls: 120, tools: 60, input: 84_000, output: 2_400 },
      ...{ cacheRead: 40_000, cacheWrite: 0, reasoning: 0 },
    },
    // 60 spans of agents, 120 inner and 60 outer spans; and 1 + 2 + 2 spans of the line that is there twice.
    stated: { records: 245, input_t: 171_500, output_t: 4_900 },
    leftOut: {
      "spans that repeat the usage of other spans": [121, 84_700, 2_420],
      "calls that are stated again": [4, 2_800, 80],
    },
    sessions: null,
    messages: [
      "scout: left out 1 record with logs or metrics, because only spans contain calls",
      "scout: 120 calls without a cost, because the files state none; --prices FILE adds the costs, also later",
    ],
  },
];

/** Puts the files of a fixture in the directory `source`. */
function inSource(files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [`source/${name}`, text]));
}

for (const { format, files, sums, stated, leftOut, sessions, messages } of FORMATS) {
  Deno.test(`scout import imports each call of ${format} once, however often it is run`, async () => {
    using target = home(inSource(files));
    const directory = target.source("source");
    const events = sums.calls + sums.tools;
    const first = await target.run(directory);
    assertEquals(first.stdout, `Imported ${events} of ${events} events into LOG\n`);
    assertEquals([first.code, first.stderr.split("\n").sort()], [0, [...messages, ""].sort()]);
    assertEquals(sumsOf(await target.events()), sums);
    const again = await target.run(directory, "--format", format);
    assertEquals([again.code, again.stdout], [
      0,
      `0 new: LOG already has all ${events} events\n`,
    ]);
    await runProgram(MAIN, {
      dir: dirname(target.path),
      args: ["rotate", "--path", target.path],
    });
    const archived = await target.run(directory);
    assertStringIncludes(archived.stdout, "0 new: ");
    const found = await target.events();
    assertEquals(sumsOf(found), sums);
    if (sessions === null) return;
    const calls = Map.groupBy(
      found.filter(({ event }) => event === "llm_call"),
      ({ session_id }) => session_id!,
    );
    const counts = [...calls].map(([session, { length }]) => [session, length] as const).sort();
    assertEquals(counts, Object.entries(sessions));
  });

  Deno.test(`scout import --dry-run explains each difference from the plain sum of ${format}`, async () => {
    using target = home(inSource(files));
    const directory = target.source("source");
    const { code, stdout } = await target.run(directory, "--dry-run", "--json");
    const found = JSON.parse(stdout);
    assertEquals([code, found.stated], [0, stated]);
    const parts: { reason: string; records: number; input_t: number; output_t: number }[] =
      found.leftOut;
    const shown = parts.map(({ reason, records, input_t, output_t }) =>
      [reason, [records, input_t, output_t] as Tokens] as const
    );
    assertEquals<Known["leftOut"]>(Object.fromEntries(shown), leftOut);
    const [model] = found.models;
    const rest = (name: "records" | "input_t" | "output_t") =>
      parts.reduce((rest, part) => rest - part[name], stated[name]);
    assertEquals([rest("input_t"), rest("output_t")], [sums.input, sums.output]);
    assertEquals([model.calls, model.input_t, model.output_t], [
      rest("records"),
      sums.input,
      sums.output,
    ]);
    assertEquals(
      found.files.map(({ format }: { format: string }) => format).every((each: string) =>
        each === format
      ),
      true,
    );
    // Nothing was appended, so the log does not exist.
    assertEquals(await target.events(), []);
    const printed = await target.run(directory, "--dry-run");
    const events = sums.calls + sums.tools;
    assertStringIncludes(
      printed.stdout,
      `Checked ${events} events in ${found.files.length} files: no errors; ${events} new\n`,
    );

    await target.run(directory);
    const after = JSON.parse((await target.run(directory, "--dry-run", "--json")).stdout);
    assertEquals([after.new, after.models], [0, []]);
    assertEquals(after.leftOut.at(-1), {
      reason: "calls that were imported before",
      records: model.calls,
      input_t: sums.input,
      output_t: sums.output,
    });
  });
}

Deno.test("scout import --dry-run shows the sums of a transcript as tables", async () => {
  using target = home({ "source/a.jsonl": claudeCodeFixture()["project/s5.jsonl"]! });
  const prices = { "claude-x": { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 } };
  target.write("prices.json", JSON.stringify({ other: prices["claude-x"] }));
  const file = target.source("source/a.jsonl");
  const unpriced = await target.run("--dry-run", file, "--prices", target.source("prices.json"));
  assertStringIncludes(
    unpriced.stderr,
    "scout: 21 calls without a cost, because --prices has no prices of claude-x\n",
  );
  assertEquals(unpriced.stdout.split("\n"), [
    "Checked 42 events: no errors; 42 new",
    "",
    "Events to import: 22 llm_call, 20 tool_call (1 without usage)",
    "",
    "to import, by model  new calls  input tokens  output tokens  USD",
    "claude-x                    21        27,510           1050    -",
    "",
    "usage                                     records  input tokens  output tokens",
    "stated in the files                            62        79,910           1470",
    "- messages that Claude Code wrote itself        1             0              0",
    "- further lines of the same message            40        52,400            420",
    "= to import                                    21        27,510           1050",
    "",
  ]);
});

Deno.test("scout import ends with the same sums and calls, for each line at which a transcript was cut at a first import", async () => {
  const cases = [
    { name: "claude.jsonl", text: cutOf(claudeCodeFixture()["project/s1.jsonl"]!, 26) },
    { name: "rollout.jsonl", text: cutOf(codexFixture()["2026/02/13/rollout-1-c1.jsonl"]!, 20) },
  ];
  for (const { name, text } of cases) {
    const lines = text.trimEnd().split("\n");
    const cuts = [...lines.keys()];
    using target = home({ [name]: text });
    const whole = target.source(name);
    for (const cut of cuts) {
      // The last line is cut in the middle, as it is while its program writes it.
      const part = `${lines.slice(0, cut).join("\n")}\n${lines[cut]!.slice(0, 20)}`;
      target.write(`cut${cut}.jsonl`, part.trimStart());
    }
    const format = name === "claude.jsonl" ? "claude-code" : "codex";
    const importTo = (log: string, file: string) => [
      ...["import", "--format", format, "--path", target.source(log), file],
    ];
    const commands = cuts.flatMap((cut) => [
      importTo(`${cut}/audit.jsonl`, target.source(`cut${cut}.jsonl`)),
      importTo(`${cut}/audit.jsonl`, whole),
    ]);
    const dir = target.source("");
    const done = await runCommands(
      [importTo("whole/audit.jsonl", whole), ...commands],
      [`--allow-read=${dir}`, `--allow-write=${dir}`],
    );
    assertEquals(done.filter(({ code }) => code !== 0), []);
    const expected = await figuresOf(target.source("whole/audit.jsonl"));
    assert(expected.calls > 5, `${expected.calls}`);
    let adjusted = 0;
    for (const cut of cuts) {
      const path = target.source(`${cut}/audit.jsonl`);
      assertEquals(await figuresOf(path), expected, `${name} cut at line ${cut}`);
      if ((await eventsIn(path)).some(({ adjusts }) => adjusts !== undefined)) adjusted++;
    }
    assertEquals(adjusted > 0, format === "claude-code");
  }
});

/** Returns the first lines of a text. */
function cutOf(text: string, lines: number): string {
  return `${text.split("\n").slice(0, lines).join("\n")}\n`;
}

/** Resolves with the figures of a log that must not depend on how often its events were imported. */
async function figuresOf(path: string) {
  await using reader = await AuditReader.open(path);
  const { total } = await stats(reader, { since: 0 });
  const { calls, inputTokens, outputTokens, errors } = total;
  return { calls, inputTokens, outputTokens, errors };
}

Deno.test("scout import reads transcripts from a pattern, a compressed file and standard input, and finds out their format", async () => {
  const files = claudeCodeFixture();
  using target = home({
    "source/a.jsonl": files["project/s1.jsonl"]!,
    "source/b.jsonl": files["project/s2.jsonl"]!,
    "source/c.txt": "no transcript\n",
  });
  target.write("source/d.jsonl.gz", await gzipped(files["project/s3.jsonl"]!));
  const pattern = await target.run(target.source("source/[ab].jsonl"));
  assertEquals(pattern.stdout, "Imported 80 of 80 events into LOG\n");
  const compressed = await target.run(target.source("source/d.jsonl.gz"));
  assertEquals(compressed.stdout, "Imported 40 of 40 events into LOG\n");
  const none = await target.run(target.source("source/*.csv"));
  assertEquals([none.code, none.stderr], [
    1,
    "scout: Cannot import source/*.csv: no file matches the pattern\n",
  ]);
  const dir = dirname(target.path);
  const flags = [`--allow-read=${dir}`, `--allow-write=${dir}`];
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, { dir, flags, args: ["import", "--path", target.path, "-"] }),
    ...{ stdin: "piped", stdout: "piped", stderr: "null" } as const,
  }).spawn();
  await new Blob([files["project/s4.jsonl"]!]).stream().pipeTo(process.stdin);
  const { stdout } = await process.output();
  assertMatch(new TextDecoder().decode(stdout), /^Imported 40 of 40 events into /);
});

Deno.test("scout import --text imports prompts and answers, which are left out otherwise", async () => {
  for (const { files } of FORMATS) {
    using target = home(inSource(files));
    await target.run(target.source("source"));
    assertEquals(JSON.stringify(await target.events()).includes("secret"), false);
    using other = home(inSource(files));
    await other.run("--text", other.source("source"));
    assertEquals(JSON.stringify(await other.events()).includes("secret"), true);
  }
});

Deno.test("scout import --prices computes the costs of calls, and logs the digest of the prices once", async () => {
  using target = home(inSource(claudeCodeFixture()));
  target.write(
    "prices.json",
    JSON.stringify({
      "claude-x": {
        input_cost_per_token: 3e-6,
        output_cost_per_token: 15e-6,
        cache_read_input_token_cost: 3e-7,
        cache_creation_input_token_cost: 3.75e-6,
        cache_creation_input_token_cost_above_1hr: 6e-6,
      },
    }),
  );
  const prices = ["--prices", target.source("prices.json")];
  await target.run(target.source("source"), ...prices);
  await target.run(target.source("source"), ...prices);
  const events = await target.events();
  const costs = events.flatMap(({ cost }) => typeof cost === "number" ? [cost] : []);
  // 10 x 3e-6 + 1,000 x 3e-7 + 200 x 3.75e-6 + 100 x 6e-6 + 50 x 15e-6, for each of 101 calls
  assertEquals(costs, Array.from({ length: 101 }, () => 0.00243));
  assertEquals(events.filter(({ event }) => event === "prices").length, 1);
});

/** The prices of a model in USD per token, which make the costs easy to count: 1 for input and 10 for output. */
const ROUND_PRICES = {
  "claude-x": {
    input_cost_per_token: 1e-6,
    cache_creation_input_token_cost_above_1hr: 1e-6,
    output_cost_per_token: 1e-5,
  },
};

/** Returns a transcript in which a message has these numbers of output tokens, one for each of its lines. */
function growing(...outputs: readonly number[]): string {
  return outputs.map((output) => {
    const line = claudeMessage("msg_1", { session: "s1", seconds: 0, output, agentId: "helper" });
    return `${JSON.stringify(line)}\n`;
  }).join("");
}

Deno.test("scout import adds the cost of the output by which a call has grown, with the fields by which calls are grouped", async () => {
  using target = home({ "a.jsonl": growing(1), "prices.json": JSON.stringify(ROUND_PRICES) });
  const run = () => target.run(target.source("a.jsonl"), "--prices", target.source("prices.json"));
  await run();
  target.write("a.jsonl", growing(1, 41));
  const grown = await run();
  assertEquals(
    grown.stdout,
    "Imported 1 of 1 event into LOG, 1 has grown or got a cost\n",
  );
  const events = await target.events();
  const added = events.at(-1)!;
  const { cost, output_t, input_t, agent, project, adjusts } = added;
  assertEquals([cost, output_t, input_t], [0.0004, 40, undefined]);
  assertEquals([agent, project, adjusts], ["helper", "/home/me/game", "claude-code-msg_1"]);
  const spend = await runProgram(MAIN, {
    dir: dirname(target.path),
    args: ["spend", "--path", target.path, "--since", "2026-02-01", "--json"],
  });
  // 1,310 input tokens and 41 output tokens
  const { usd, calls, costs, tokens } = JSON.parse(spend.stdout);
  assertEquals([usd, calls, costs, tokens, spend.stderr], [0.00172, 1, 1, 1351, ""]);
});

Deno.test("scout import --prices adds the costs of calls that were imported without a cost, and leaves other costs as they are", async () => {
  using target = home({ "a.jsonl": growing(41), "prices.json": JSON.stringify(ROUND_PRICES) });
  const prices = ["--prices", target.source("prices.json")];
  await target.run(target.source("a.jsonl"));
  const priced = await target.run(target.source("a.jsonl"), ...prices);
  assertEquals(priced.stdout, "Imported 1 of 1 event into LOG, 1 has grown or got a cost\n");
  const dearer = {
    "claude-x": { ...ROUND_PRICES["claude-x"], output_cost_per_token: 1e-3 },
  };
  target.write("prices.json", JSON.stringify(dearer));
  const again = await target.run(target.source("a.jsonl"), ...prices);
  assertEquals(again.stdout, "0 new: LOG already has all 1 event\n");
  const events = (await target.events()).filter(({ event }) => event === "llm_call");
  assertEquals(events.map(({ cost, output_t }) => [cost, output_t]), [
    [undefined, 41],
    [0.00172, undefined],
  ]);
  await using reader = await AuditReader.open(target.path);
  const { total } = await stats(reader, { since: 0 });
  assertEquals([total.calls, total.usd], [1, 0.00172]);
});

Deno.test("scout import recognizes the calls that a fork of Codex copies, even if their originals are in an archive", async () => {
  const files = codexFixture();
  using target = home({
    "c1.jsonl": files["2026/02/13/rollout-1-c1.jsonl"]!,
    "fork.jsonl": files["2026/02/13/rollout-4-fork.jsonl"]!,
  });
  await target.run(target.source("c1.jsonl"));
  await runProgram(MAIN, { dir: dirname(target.path), args: ["rotate", "--path", target.path] });
  const { stdout } = await target.run(target.source("fork.jsonl"));
  // The fork has 10 own calls with a tool each, and copies 30 of both.
  assertEquals(stdout, "Imported 20 of 80 events into LOG; 60 were imported before\n");
});

Deno.test("scout import --skip-invalid leaves out the calls whose events are invalid, and --dry-run explains them", async () => {
  const line = { session: "s1", seconds: 0, output: 5 };
  const calls = [
    claudeMessage("msg_1", line),
    // This time is after the last one that a Date can have.
    { ...claudeMessage("msg_2", line), timestamp: "+275760-09-13T00:00:00.001Z" },
  ];
  const text = calls.map((call) => `${JSON.stringify(call)}\n`).join("");
  using target = home({ "a.jsonl": text });
  const file = target.source("a.jsonl");
  const checked = await target.run(file, "--skip-invalid", "--dry-run", "--json");
  const { stated, leftOut, models: [model] } = JSON.parse(checked.stdout);
  const left = leftOut.reduce((sum: number, part: { input_t: number }) => sum + part.input_t, 0);
  assertEquals(stated.input_t - left, model.input_t);
  const { code, stdout } = await target.run(file, "--skip-invalid");
  assertEquals([code, stdout], [0, "Imported 1 of 1 event into LOG\n"]);
});

Deno.test("scout import does not take a line of a log, or a record with a field adjusts, for anything else", async () => {
  const event = {
    ...{ ts: "2026-02-13T14:00:00Z", event: "llm_call", session_id: "s1", cost: 1 },
    ...{ type: "note", messageId: "m1", sessionId: "x", uuid: "u", adjusts: "invoice-7" },
  };
  using target = home({ "a.jsonl": `${JSON.stringify(event)}\n` });
  const { stdout, stderr } = await target.run(target.source("a.jsonl"));
  assertEquals(stdout, "Imported 1 of 1 event into LOG\n");
  assertEquals(stderr, "scout: 1 reserved name imported with the suffix _raw\n");
  const [found] = await target.events();
  assertEquals([found?.adjusts, found?.adjusts_raw], [undefined, "invoice-7"]);
  assertEquals((await figuresOf(target.path)).calls, 1);
});

await testNeeding("mkfifo", "scout import leaves out a named pipe in a directory", async () => {
  using target = home({ "source/a.jsonl": claudeCodeFixture()["project/s1.jsonl"]! });
  await new Deno.Command("mkfifo", { args: [target.source("source/b.jsonl")] }).output();
  const { stdout } = await target.run(target.source("source"));
  assertEquals(stdout, "Imported 40 of 40 events into LOG\n");
});

Deno.test("scout import fails if no file of a directory has a known format", async () => {
  using target = home({ "source/settings.json": "{}\n", "source/notes.txt": "" });
  const { code, stderr } = await target.run(target.source("source"));
  assertEquals([code, stderr], [
    1,
    "scout: Cannot import source: no file has a known format\n  source/settings.json\n",
  ]);
});

Deno.test("scout import assigns the calls of a resumed session to the original session, even if its file is named last", async () => {
  const line = (session: string, id: string, seconds: number) =>
    `${JSON.stringify(claudeMessage(id, { session, seconds, output: 5 }))}\n`;
  using target = home({
    "a.jsonl": line("resumed", "msg_1", 0) + line("resumed", "msg_2", 9),
    "b.jsonl": line("original", "msg_1", 0),
  });
  await target.run(target.source("a.jsonl"), target.source("b.jsonl"));
  const sessions = (await target.events()).map(({ session_id }) => session_id);
  assertEquals(sessions, ["original", "resumed"]);
});

Deno.test("scout import rejects an invalid line of a transcript with its place, or leaves it out and counts it", async () => {
  const line = { session: "s1", seconds: 0, output: 5 };
  const bad = { ...claudeMessage("msg_2", line), timestamp: "soon" };
  const records = [claudeMessage("msg_1", line), bad, claudeMessage("msg_3", line)];
  const text = records.map((record) => `${JSON.stringify(record)}\n`).join("");
  using target = home({ "source/a.jsonl": `${text}{"type":"assistant"}}\n` });
  const file = target.source("source/a.jsonl");
  const refused = await target.run(file);
  assertEquals([refused.code, refused.stderr.split("\n")], [1, [
    "scout: Cannot import: some records are invalid, so nothing was imported; --skip-invalid leaves them out",
    '  source/a.jsonl:2: timestamp must be a time, got "soon"',
    "  source/a.jsonl:4: not JSON",
    "",
  ]]);
  const skipped = await target.run(file, "--skip-invalid");
  assertEquals([skipped.code, skipped.stdout], [0, "Imported 2 of 2 events into LOG\n"]);
  assertStringIncludes(skipped.stderr, "scout: 2 invalid records left out\n");
});

Deno.test("scout import refuses options for CSV and JSONL with another format", async () => {
  using target = home({ "a.jsonl": "{}\n" });
  const { code, stderr } = await target.run(
    ...["--format", "codex", "--map", "ts=time", target.source("a.jsonl")],
  );
  assertEquals([code, stderr], [
    2,
    "scout: Cannot import a.jsonl: --map works only with JSONL and CSV, but the format is codex\n",
  ]);
});

Deno.test("scout import imports a directory with the archives of a log, and leaves out its manifest", async () => {
  using target = home({});
  const other = target.source("other/audit.jsonl");
  Deno.mkdirSync(dirname(other));
  const line = (n: number) =>
    `{"ts":"2026-02-13T14:00:0${n}.000Z","event":"nav","session_id":"s1","n":${n}}\n`;
  Deno.writeTextFileSync(other, line(0) + line(1));
  const flags = [`--allow-read=${target.source("")}`, `--allow-write=${target.source("")}`];
  await runProgram(MAIN, { dir: "", flags, args: ["rotate", "--path", other] });
  Deno.writeTextFileSync(other, line(2), { append: true });
  const { stdout, stderr } = await target.run(dirname(other));
  assertEquals(stdout, "Imported 3 of 3 events into LOG\n");
  assertStringIncludes(stderr, "left out 1 file whose content shows no format");
  const again = await target.run(dirname(other), "--format", "scout");
  assertMatch(again.stdout, /^0 new: /);
});

Deno.test("scout import ~/.claude/projects && scout spend --by day shows what Claude Code has cost", async () => {
  using dir = tempDir();
  const today = `${Temporal.Now.instant().toString().slice(0, 10)}T00:00:00.000Z`;
  const message = claudeMessage("msg_1", { session: "s1", seconds: 0, output: 50, costUSD: 1.25 });
  Deno.mkdirSync(dir.path(".claude/projects/-home-me-game"), { recursive: true });
  Deno.writeTextFileSync(
    dir.path(".claude/projects/-home-me-game/s1.jsonl"),
    `${JSON.stringify({ ...message, timestamp: today })}\n`,
  );
  const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
  const DENO_DIR = await denoDir();
  const run = (args: readonly string[]) => {
    const read = `--allow-read=${dir.path("")}`;
    const flags = [read, `--allow-write=${dir.path(".scout")}`, `--allow-env=${variable}`];
    return runProgram(MAIN, {
      ...{ dir: "", flags, args },
      env: { ...Deno.env.toObject(), [variable]: dir.path(""), DENO_DIR, NO_COLOR: "1" },
    });
  };
  const imported = await run(["import", dir.path(".claude/projects")]);
  assertEquals([imported.code, imported.stderr], [0, ""]);
  const { stdout } = await run(["spend", "--by", "day", "--tz", "UTC"]);
  assertMatch(stdout, /^\$1\.25 for 1 call since /);
  assertStringIncludes(stdout, today.slice(0, 10));
});

await sampledTest(
  "scout import imports each call once if an earlier import was killed, at each of its system calls",
  1 / 12,
  async (extent) => {
    const text = claudeCodeFixture()["project/s1.jsonl"]!;
    using target = home({ "a.jsonl": text });
    const file = target.source("a.jsonl");
    const read = `--allow-read=${target.source("")}`;
    const importTo = (log: string, strace: readonly string[] = []) =>
      runProgram(MAIN, {
        dir: "",
        flags: [read, `--allow-write=${dirname(log)}`],
        args: ["import", "--path", log, file],
        ...strace.length === 0 ? {} : { strace },
      });
    const whole = target.source("whole/audit.jsonl");
    const traced = ["write", "fsync", "fdatasync", "rename", "link", "unlink", "openat", "flock"];
    const trace = target.source("trace");
    const calls = [...traced, "ftruncate", "linkat", "renameat2"].map((call) => `?${call}`).join(
      ",",
    );
    await importTo(whole, ["-f", "-qq", "-y", "-o", trace, `-etrace=${calls}`]);
    const expected = await eventsIn(whole);
    assertEquals(expected.length, 40);
    const found = callsIn(Deno.readTextFileSync(trace), dirname(whole));
    const points = killPoints(found);
    assert(points.length > 20, `${points.length} calls`);
    const names = [...new Set(found.map(({ file }) => file))];
    let [tried, killed] = [0, 0];
    for (const [n, { call, nth }] of points.entries()) {
      if (!extent.isDrawn()) continue;
      tried++;
      const log = target.source(`killed${n}/audit.jsonl`);
      const paths = names.flatMap((name) => ["-P", join(dirname(log), name)]);
      const inject = [`-etrace=${call}`, `-einject=${call}:signal=SIGKILL:when=${nth}`];
      const first = await importTo(log, ["-f", "-qq", "-o", "/dev/null", ...paths, ...inject]);
      if (first.code !== 0) killed++;
      const second = await importTo(log);
      assertEquals(second.code, 0, second.stderr);
      const events = await eventsIn(log);
      const byId = (a: AuditEvent, b: AuditEvent) => `${a.import_id}` < `${b.import_id}` ? -1 : 1;
      assertEquals(events.sort(byId), expected.toSorted(byId), `${call} ${nth}`);
    }
    // Some system calls depend on timing, so an import does not make them in every run. If it does not make the call at
    // which it would be killed, it ends normally.
    assert(tried - killed <= 4 + tried / 10, `only ${killed} of ${tried} imports were killed`);
  },
  ["strace"],
);
