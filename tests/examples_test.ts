import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AuditReader } from "@vivarium/scout";
import { testNeeding } from "./requirements.ts";
import { runCli } from "./cli/run_cli.ts";
import { exampleOf, runExample } from "./run_example.ts";
import { programArgs } from "./run_program.ts";
import { gzipped, linesOf, tempDir } from "./temp_dir.ts";

const TRACE = [
  "TIMESTAMP,ContextTokens,GeneratedTokens",
  "2023-11-16 18:59:03.9799600,4808,10",
  "2023-11-16 18:59:59.9999999,3180,8",
  "2023-11-16 19:00:00.0781490,110,27",
].join("\r\n");
// The cost of the trace in USD, at 3 USD per million input tokens and 15 USD per million output tokens.
const TRACE_SPEND = ((4808 + 3180 + 110) * 3 + (10 + 8 + 27) * 15) / 1e6;

Deno.test("basic.ts runs with the permissions of its shebang", async () => {
  using dir = tempDir();
  const result = await runExample("basic.ts", dir.path(""));
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stdout.trim().split("\n").length, 4);
  assertStringIncludes(result.stdout, "USD in the last hour: 0.0126");
  assertEquals(linesOf(dir.path(".demo/basic/audit.jsonl")).length, 3);
  const elsewhere = await runExample("basic.ts", dir.path(""), [".demo/elsewhere"]);
  assertEquals(elsewhere.code, 0, elsewhere.stderr);
  assertEquals(linesOf(dir.path(".demo/elsewhere/audit.jsonl")).length, 3);
});

Deno.test("simulation.ts repeats a run with the same seed, and stops when the budget is spent", async () => {
  using dir = tempDir();
  const play = async (...args: string[]) => {
    const result = await runExample("simulation.ts", dir.path(""), args);
    assertEquals(result.code, 0, result.stderr);
    const lines = linesOf(dir.path(".demo/simulation/audit.jsonl"));
    // Two runs with the same seed may differ in the random IDs of their holds (reserved amounts), and in the events
    // about refused holds, because a timer logs these.
    const log = lines.map((line) => line.replaceAll(/"hold":"[^"]+"/g, '"hold":"ID"'))
      .filter((line) => !line.includes("budget_refused"));
    return { report: result.stdout, log };
  };
  const first = await play("--seed", "7");
  assertEquals(await play("--seed", "7"), first);
  assert((await play("--seed", "8")).report !== first.report);
  assertMatch(
    first.report,
    /stopped: 0\.49\d+ USD of 0\.500000 USD spent, and no call fits 0\.00\d+ USD/,
  );
  const events = first.log.map((line) => JSON.parse(line));
  const spend = events.reduce((sum, { cost = 0 }) => sum + cost, 0);
  assert(spend > 0.49 && spend <= 0.5, `${spend} USD spent`);
  assertStringIncludes(first.report, `spend            ${spend.toFixed(6)} USD`);
  const wealthy = await play("--seed", "7", "--budget", "1000");
  assertStringIncludes(wealthy.report, "stopped: all steps taken, budget left");
});

Deno.test("replay_trace.ts logs every request at the time of the request, and sums the costs", async () => {
  using dir = tempDir();
  Deno.writeTextFileSync(dir.path("trace.csv"), TRACE);
  const result = await runExample("replay_trace.ts", dir.path(""), ["trace.csv"]);
  assertEquals(result.code, 0, result.stderr);
  assertMatch(result.stdout, /requests +3\n/);
  assertMatch(result.stdout, new RegExp(`spend +${TRACE_SPEND.toFixed(6)} USD`));
  assertMatch(result.stdout, /2023-11-16T18:00Z +2 requests/);
  assertMatch(result.stdout, /2023-11-16T19:00Z +1 requests/);
  assertEquals(
    linesOf(dir.path(".demo/trace/audit.jsonl")).map((line) => JSON.parse(line).ts),
    ["2023-11-16T18:59:03.979Z", "2023-11-16T18:59:59.999Z", "2023-11-16T19:00:00.078Z"],
  );
});

Deno.test("demo.ts names the malformed row of a trace, and logs the rows before this row", async () => {
  using dir = tempDir();
  Deno.writeTextFileSync(dir.path("trace.csv"), TRACE.replace(",3180,", ",many,"));
  const result = await runExample("demo.ts", dir.path(""), ["--trace", "trace.csv"]);
  assertEquals(result.code, 1);
  assertStringIncludes(result.stderr, "Cannot read trace: line 3 is not");
  assertStringIncludes(result.stderr, "many");
  assertEquals(linesOf(dir.path(".demo/trace/audit.jsonl")).length, 1);
});

Deno.test("llm.ts logs every call of its simulated models, and stops within its budget", async () => {
  using dir = tempDir();
  const { code, stdout, stderr } = await runExample("llm.ts", dir.path(""));
  assertEquals([code, stderr], [0, ""]);
  const events = linesOf(dir.path(".demo/llm/audit.jsonl")).map((line) => JSON.parse(line));
  const calls = events.filter(({ event }) => event === "llm_call");
  assertEquals([...new Set(calls.map(({ agent, api }) => `${agent} ${api}`))].sort(), [
    "critic gemini.generate",
    "mapper openai.chat",
    "writer anthropic.messages",
  ]);
  for (const { status, cost, hold } of calls) {
    assert(status === "ok" && cost > 0 && typeof hold === "string");
  }
  const spend = calls.reduce((sum, { cost }) => sum + cost, 0);
  assert(spend > 0.008 && spend <= 0.01, `${spend} USD spent`);
  const [, shown] = /^spend: (\S+) USD of 0\.010000 USD$/m.exec(stdout) ?? [];
  assert(Math.abs(Number(shown) - spend) < 1e-6, stdout);
  assertStringIncludes(stdout, "refused: Cannot hold");
});

Deno.test("demo.ts plays the simulation, and explains invalid arguments", async () => {
  using dir = tempDir();
  const played = await runExample("demo.ts", dir.path(""));
  assertEquals(played.code, 0, played.stderr);
  assertStringIncludes(played.stdout, "What it cost, by model");
  assertStringIncludes(played.stdout, "Model calls through auditedFetch");
  const usage = await runExample("demo.ts", dir.path(""), ["--seed", "x"]);
  assertEquals([usage.code, usage.stderr], [2, 'Cannot read --seed: expected a number, got "x"\n']);
  const missing = await runExample("demo.ts", dir.path(""), ["--trace", "none.csv"]);
  assertEquals(missing.code, 1);
  assertStringIncludes(missing.stderr, "none.csv");
});

Deno.test("replay_trace.ts sums a trace whose rows are out of order", async () => {
  using dir = tempDir();
  const [header, ...rows] = TRACE.split("\r\n");
  Deno.writeTextFileSync(dir.path("trace.csv"), [header, ...rows.reverse()].join("\r\n"));
  const result = await runExample("replay_trace.ts", dir.path(""), ["trace.csv"]);
  assertEquals(result.code, 0, result.stderr);
  assertMatch(result.stdout, new RegExp(`spend +${TRACE_SPEND.toFixed(6)} USD`));
  assertMatch(result.stdout, /T18:00Z .*\n.*T19:00Z /);
});

Deno.test("replay_trace.ts names the line with an impossible day or number", async () => {
  using dir = tempDir();
  const replacements = [["2023-11-16 18:59:59", "2023-02-30 18:59:59"], [
    ",3180,",
    `,${"9".repeat(20)},`,
  ]] as const;
  for (const [good, bad] of replacements) {
    Deno.writeTextFileSync(dir.path("trace.csv"), TRACE.replace(good, bad));
    const result = await runExample("replay_trace.ts", dir.path(""), ["trace.csv"]);
    assertEquals(result.code, 1);
    assertMatch(result.stderr, /^Cannot read trace: line 3 .*\n$/);
    assertStringIncludes(result.stderr, bad);
    assertEquals(linesOf(dir.path(".demo/trace/audit.jsonl")).length, 1);
  }
});

Deno.test("The examples reject an invalid argument in one line", async () => {
  using dir = tempDir();
  const refused = async (name: string, ...args: string[]) => {
    const result = await runExample(name, dir.path(""), args);
    assertEquals([result.code, result.stdout], [2, ""]);
    return result.stderr;
  };
  assertEquals(
    await refused("simulation.ts", "--budget", "x"),
    'Cannot read --budget: expected a number >= 0, got "x"\n',
  );
  assertEquals(
    await refused("replay_trace.ts", "trace.csv", "--input-price=-1"),
    'Cannot read --input-price: expected a number >= 0, got "-1"\n',
  );
  assertMatch(await refused("replay_trace.ts"), /^Usage: .*\n$/);
  assertMatch(await refused("python_report.ts"), /^Usage: .*\n$/);
  assertMatch(await refused("demo.ts", "--nope"), /^Unknown option '--nope'.*\n$/);
});

Deno.test("streams.ts pipes the events of one log into another log", async () => {
  using dir = tempDir();
  const result = await runExample("streams.ts", dir.path(""));
  assertEquals([result.code, result.stderr], [0, ""]);
  assertEquals(result.stdout, "10 expensive events: 5.00 USD\n");
  const copied = linesOf(onlyLogIn(dir.path(".demo/streams"), "expensive.jsonl"));
  assertEquals(copied.map((line) => JSON.parse(line).cost), Array(10).fill(0.5));
  assert(!copied.join().includes("question"), copied[0]);
});

Deno.test("sandbox.ts lets untrusted code write its log, and denies everything else", async () => {
  using dir = tempDir();
  const result = await runExample("sandbox.ts", dir.path(""));
  assertEquals([result.code, result.stderr], [0, ""]);
  assertEquals(result.stdout.trim().split("\n"), [
    "skip - read a password file: denied",
    "skip - call home: denied",
    "skip - run a program: denied",
    "skip - read the environment: denied",
    "USD in the last hour: 0.005",
  ]);
  assertEquals(linesOf(dir.path(".demo/sandbox/audit.jsonl")).length, 6);
  const alone = await runExample("untrusted_agent.ts", dir.path(""));
  assertEquals([alone.code, alone.stderr], [0, ""]);
  assertEquals(linesOf(dir.path(".demo/sandbox/audit.jsonl")).length, 12);
});

Deno.test("shared_log.ts lets Workers and processes write one log, without losing events", async () => {
  using dir = tempDir();
  for (const spent of [0.25, 0.5]) {
    const result = await runExample("shared_log.ts", dir.path(""));
    assertEquals([result.code, result.stderr], [0, ""]);
    assertEquals(result.stdout.trim().split("\n"), [
      "process 1: 250 events, in order",
      "process 2: 250 events, in order",
      "worker 1: 250 events, in order",
      "worker 2: 250 events, in order",
      `USD in the last hour: ${spent}`,
    ]);
  }
  const order = [".demo/shared_log", "alone", "s"];
  const alone = await runExample("shared_log_agent.ts", dir.path(""), order);
  assertEquals([alone.code, alone.stderr], [0, ""]);
  await using reader = await AuditReader.open({ path: dir.path(".demo/shared_log/audit.jsonl") });
  const [last] = await reader.lastEvents(1);
  assertEquals([last?.agent, last?.step], ["alone", 250]);
});

Deno.test("budget.ts lets four processes share a budget without exceeding it, even if one is killed", async () => {
  using dir = tempDir();
  const result = await runExample("budget.ts", dir.path(""), ["0.25"]);
  assertEquals([result.code, result.stderr], [0, ""]);
  assertMatch(
    result.stdout,
    // Each call is estimated at 0.01 USD, so the processes stop when less than 0.01 USD is left. budget.ts rounds the
    // amount that is left to four decimals, so it may print 0.0100.
    /^spent 0\.\d{4} USD, and 0\.\d\d by calls that were killed\nleft 0\.0(?:0\d\d|100) of 0\.25 USD, 0 held\n$/,
  );
  await using reader = await AuditReader.open(dir.path(".demo/budget/audit.jsonl"));
  assert(await reader.hourlySpend() <= 0.25);
});

Deno.test("killed_agent.ts and scout inflight show what a killed agent was doing", async () => {
  using dir = tempDir();
  const result = await runExample("killed_agent.ts", dir.path(""));
  assertEquals([result.code, result.stderr], [0, ""]);
  assertEquals(result.stdout.trim().split("\n"), [
    "The agent was killed. These calls have no end:",
    'turn { agent: "mapper", task: "rename parse()" }',
    'tool_call { agent: "mapper", tool: "run_tests", suite: "parser" }',
    "List them: deno run --allow-read src/cli/main.ts inflight .demo/killed_agent",
  ]);
  const { stdout } = await runCli(["inflight", dir.path(".demo/killed_agent")], dir.path(""));
  const document = Deno.readTextFileSync(new URL("../examples/README.md", import.meta.url));
  const [, shown = ""] = /^scout inflight .demo\/killed_agent\n```\n\n```text\n(.*?)^```$/ms
    .exec(document) ?? [];
  const plain = (text: string) =>
    text.replaceAll(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, "ID")
      .replaceAll(/\b[\d-]{10} [\d:]{8}(\.\d{3})?/g, "TIME");
  assertEquals(plain(stdout), plain(shown));
});

/** Returns a line as Python's json.dumps writes it: with spaces, escapes and NaN. */
function pythonLine(minute: number, event: string, more: string): string {
  const ts = `2026-11-23T22:${String(minute).padStart(2, "0")}:00.000Z`;
  return `{"ts": "${ts}", "event": "${event}", "session_id": "s", ${more}}\n`;
}

Deno.test("python_report.ts reads a log of the Python class, and writes nothing", async () => {
  using dir = tempDir();
  const archives = [
    pythonLine(57, "nav", '"cost": 0.25, "reason": "line\\nbreak \\u2028 \\ud83d\\ude00"') +
    pythonLine(58, "nav", '"cost": NaN, "files": ["src/na\\u00efve.py"]'),
    pythonLine(59, "gate_compress", '"cost": 0.5, "confidence": 80, "ratio": Infinity'),
  ];
  for (const [index, text] of archives.entries()) {
    const path = dir.path(`audit_20261123_22580${index}.jsonl.gz`);
    Deno.writeFileSync(path, await gzipped(text));
  }
  Deno.writeTextFileSync(
    dir.path("audit.jsonl"),
    pythonLine(59, "validation_fail", '"cost": 0.125').replace("T22", "T23"),
  );
  const before = [...Deno.readDirSync(dir.path(""))].map(({ name }) => name).sort();
  const result = await runExample("python_report.ts", dir.path(""), ["."]);
  assertEquals([result.code, result.stderr], [0, ""]);
  assertEquals(result.stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  ").trim()), [
    "",
    "The log",
    "events  4",
    "spend  0.875000 USD",
    "costs that are not numbers  1",
    "damaged regions  0",
    "accuracy  50 % of 2 navs",
    "gate  100 % of 1 passed",
    "",
    "By type",
    `nav  2 events  0.250000 USD  ${"#".repeat(15)}`,
    `gate_compress  1 events  0.500000 USD  ${"#".repeat(30)}`,
    `validation_fail  1 events  0.125000 USD  ${"#".repeat(8)}`,
    "",
    "By hour",
    `2026-11-23T22:00Z  3 events  0.750000 USD  ${"#".repeat(30)}`,
    `2026-11-23T23:00Z  1 events  0.125000 USD  ${"#".repeat(5)}`,
    "",
  ]);
  assertEquals([...Deno.readDirSync(dir.path(""))].map(({ name }) => name).sort(), before);
  const nothing = await runExample("python_report.ts", dir.path(""), ["none"]);
  assertEquals([nothing.code, nothing.stderr], [1, "Cannot report: no events in none\n"]);
});

await testNeeding(
  "POSIX",
  "http_server.ts answers within a budget, logs requests and calls, and closes its log on SIGINT",
  async () => {
    using dir = tempDir();
    const { program, flags } = exampleOf("http_server.ts");
    const server = new Deno.Command(Deno.execPath(), {
      args: programArgs(program, { dir: "", args: ["0", "0.00001"], flags }),
      cwd: dir.path(""),
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdout = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const stderr = new Response(server.stderr).text();
    const { value = "" } = await stdout.read();
    const [address = ""] = value.match(/http:\S+/) ?? [];
    const answer = await fetch(new URL("/ask", address), { method: "POST", body: "why?" });
    assertEquals(await answer.text(), "WHY?");
    const refused = await fetch(new URL("/ask", address), { method: "POST", body: "why?" });
    assertEquals(refused.status, 429);
    assertStringIncludes(await refused.text(), "0.000004 of 0.00001 is spent");
    assertMatch(refused.headers.get("retry-after")!, /^3[56]\d\d$/);
    const { spent, held } = await (await fetch(new URL("/spend", address))).json();
    assertEquals([spent, held], [0.000004, 0]);
    server.kill("SIGINT");
    await stdout.cancel();
    assertEquals([(await server.status).code, await stderr], [0, ""]);
    const events = linesOf(dir.path(".demo/http_server/audit.jsonl")).map((line) =>
      JSON.parse(line)
    ).filter(({ event }) => !event.startsWith("budget_"));
    assertEquals(events.map(({ event, path, cost, status }) => [event, path, cost, status]), [
      ["request_begin", "/ask", undefined, undefined],
      ["llm_call", undefined, 0.000004, undefined],
      ["request", undefined, undefined, "ok"],
      ["request_begin", "/ask", undefined, undefined],
      ["request", undefined, undefined, "aborted"],
    ]);
  },
);

Deno.test("report.ts writes a report on the simulation that it plays", async () => {
  using dir = tempDir();
  const result = await runExample("report.ts", dir.path(""));
  assertEquals([result.code, result.stderr], [0, ""]);
  const file = dir.path(".demo/report/report.html");
  assertStringIncludes(result.stdout, `The report: ${file}\n`);
  const page = Deno.readTextFileSync(file);
  assertStringIncludes(page, "<title>An hour of agents at work</title>");
  const events = linesOf(dir.path(".demo/report/audit.jsonl")).length;
  assertStringIncludes(page, `<b id="event-count">${events}</b>`);
});

await testNeeding(
  "POSIX",
  "live_report.ts serves its agents' spend, and ends on SIGINT",
  async () => {
    using dir = tempDir();
    const { program, flags } = exampleOf("live_report.ts");
    const server = new Deno.Command(Deno.execPath(), {
      args: programArgs(program, { dir: "", args: ["0"], flags }),
      cwd: dir.path(""),
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdout = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const stderr = new Response(server.stderr).text();
    const { value = "" } = await stdout.read();
    const [address = ""] = value.match(/http:\S+/) ?? [];
    let page = "";
    while (!/<b id="usd">\$0\.0\d*[1-9]\d*</.test(page)) page = await (await fetch(address)).text();
    assertStringIncludes(page, "<title>Agents at work</title>");
    server.kill("SIGINT");
    await stdout.cancel();
    assertEquals([(await server.status).code, await stderr], [0, ""]);
  },
);

/** Returns the path of the log in the only subdirectory that an example has created. */
function onlyLogIn(dir: string, name = "audit.jsonl"): string {
  const [made, ...others] = Deno.readDirSync(dir);
  assertEquals(others, []);
  return `${dir}/${made!.name}/${name}`;
}
