/**
 * Every command and every block of code in the documents works as it is printed, with the output that is shown.
 *
 * TypeScript runs under `deno test --doc`. Here run the commands: lines of `sh` blocks, and lines of `console` blocks
 * that begin with "$ ", with their output below.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DELIMITER, dirname, fromFileUrl, join } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { cpSync } from "node:fs";
import { answers, freePort, natsTest } from "./fleet/nats_server.ts";
import { askDuckDb, NATS_SERVER, testNeeding } from "./requirements.ts";
import { type CommandResult, runCommand } from "./run_command.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const DOCUMENTS = [
  "README.md",
  ".github/ARCHITECTURE.md",
  ".github/CONTRIBUTING.md",
  ".github/MIGRATING.md",
  ".github/SECURITY.md",
  "examples/README.md",
  "examples/import/README.md",
  "examples/nats/README.md",
  "examples/sdks/README.md",
  "tests/bench/README.md",
  "tests/faults/README.md",
];
const README = readDocument("README.md");
/** The folder of a cloned repository in the output that the documents show. */
const SHOWN_ROOT = "/home/me/scout/";

/** The commands that run in one folder, in the order of the documents, each with its expected output. */
const RUN_HERE: readonly [command: RegExp, stdout: RegExp][] = [
  [/^deno run --allow-read=DIR --allow-write=DIR sim.ts$/, /^mapper\ncritic\nspend: 0.0042 USD /],
  [/^scout head .* > .*head.json$/, /^$/],
  [/^scout verify .* --anchor .*head.json$/, /^NOT PROTECTED: .*/],
  [/^scout import .*calls.csv$/, /^Imported 1 of 1 event into /],
  [/^scout prices check examples.prices.json --model small-2026-02-13$/, /^2 models, 2 with /],
  [/^scout spend .demo.llm --by model$/, /^\$0\.00\d+ for \d+ calls /],
  [/^scout query .demo.llm --event llm_call --where status=(error|aborted)$/, /^$/],
];

/** Commands that are not in {@linkcode RUN_HERE}, with the test that runs them or the reason why no test does. */
const RUN_ELSEWHERE: readonly [command: RegExp, where: string][] = [
  [/^deno add /, "needs the published package; package_test.ts imports it by that name"],
  [/^deno install /, "needs the published package; package_test.ts runs its command line"],
  [/^npx -y deno@[\d.]+ task (demo|test)$/, "for a machine without Deno; .ci/run plays the demo"],
  [/^zcat .* jq /, "the test below"],
  [/^lnav /, "the test below"],
  [/^nats-server /, "the test below"],
  [/^scout (ship|fleet) .*--server 127/, "the test below"],
  [/^kill %1$/, "ends the server in a shell; the test below ends it too"],
  [
    /^scout import ~.\.claude.projects && /,
    "import_transcripts_test.ts, with a made-up home directory",
  ],
  [/^scout inflight .demo.killed_agent$/, "examples_test.ts, after the example that it reads"],
  [/^deno task faults$/, "faults/campaign_test.ts runs the campaign"],
  [/^deno task bench$/, "takes thirteen minutes; the test below measures a part"],
];

function readDocument(name: string): string {
  return Deno.readTextFileSync(join(ROOT, name));
}

/** Returns the blocks of a language in a document. */
function blocks(document: string, language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms");
  return [...document.matchAll(pattern)].map(([, block = ""]) => block);
}

/** Returns the lines that are commands without output, of all documents. */
function commands(): string[] {
  return DOCUMENTS.flatMap((name) => blocks(readDocument(name), "sh"))
    .flatMap((block) => block.trim().split("\n"));
}

/** A command and the output that a document shows below it. */
interface Session {
  readonly command: string;
  readonly output: string;
}

function sessions(document: string): Session[] {
  return blocks(document, "console").flatMap((block) =>
    block.split(/^\$ /m).filter((text) => text !== "").map((text) => {
      const end = text.indexOf("\n");
      return { command: text.slice(0, end), output: text.slice(end + 1) };
    })
  );
}

/** Copies the sources, examples and tests of the project into the directory, as in a clone. */
function makeClone(dir: TempDir): void {
  const { workspace = [] } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const parts = ["deno.json", "deno.lock", "README.md", "mod.ts", "src", "examples", "tests"];
  for (const part of [...parts, ...workspace]) {
    cpSync(join(ROOT, part), dir.path(part), { recursive: true });
  }
}

/** Writes a log with archives at `log/` of the clone. */
async function makeLog(dir: TempDir): Promise<void> {
  const path = dir.path("log/audit.jsonl");
  await using log = await AuditLog.open({ path, rotationSizeBytes: 2_000 });
  for (let n = 0; n < 40; n++) {
    await log.log("nav", { model: n % 4 === 0 ? "large" : "small", cost: 0.25 });
    await log.log("skip", { reason: "seen" });
  }
}

/** Runs a line of a document in the clone, with the alias `scout` that the README defines. */
function runPrinted(command: string, dir: TempDir): Promise<CommandResult> {
  const [, scout = ""] = /^\$ alias scout="(.*)"$/m.exec(README) ?? [];
  const line = command.replaceAll("DIR", "log")
    .replace(/^scout /, `${scout} `)
    .replace(/^deno /, `${Deno.execPath()} `);
  return runCommand("sh", {
    args: ["-ec", line],
    cwd: dir.path(""),
    env: {
      NO_COLOR: "1",
      // Some output shows local times.
      TZ: "UTC",
      // The tasks call `deno`.
      PATH: [dirname(Deno.execPath()), Deno.env.get("PATH") ?? ""].join(DELIMITER),
      XDG_CONFIG_HOME: dir.path("home"),
    },
  });
}

/** Returns the quick start as a program that logs to `log/of_sim`, and the output that the README shows. */
function quickStart(): { program: string; output: string } {
  const [, code = "", output = ""] = /^```ts\n(.*?)^```\n+```text\n(.*?)^```$/ms.exec(README) ?? [];
  return { program: code.replace("${Deno.makeTempDirSync()}", "log/of_sim"), output };
}

Deno.test("Every command in the documents is run by a test, or is listed with the reason why not", () => {
  const known = [...RUN_HERE, ...RUN_ELSEWHERE].map(([pattern]) => pattern);
  for (const command of commands()) {
    const matching = known.filter((pattern) => pattern.test(command));
    assertEquals(matching.length, 1, `${command} matches ${matching}`);
  }
  for (const pattern of known) {
    assert(commands().some((command) => pattern.test(command)), `nothing matches ${pattern}`);
  }
  for (const name of DOCUMENTS) {
    const fences = readDocument(name).matchAll(/^```([\w ]*)\n.*?^```$/gms);
    const languages = [...fences].map(([, language = ""]) => language);
    const tested = ["console", "mermaid", "sh", "sql", "text", "ts", "ts ignore"];
    assertEquals(languages.filter((language) => !tested.includes(language)), [], name);
  }
});

Deno.test("The README's quick start prints what the README shows", async () => {
  using dir = tempDir();
  makeClone(dir);
  const { program, output } = quickStart();
  Deno.writeTextFileSync(dir.path("sim.ts"), program);
  const command = "deno run --allow-read=log --allow-write=log sim.ts";
  const { code, stdout, stderr } = await runPrinted(command, dir);
  assertEquals(code, 0, stderr);
  assert(output.split("\n").length > 4, output);
  assertEquals(stdout, output);
});

/** Returns output without spaces at the ends of lines, and without the size of a report, which contains paths. */
function comparable(output: string): string {
  return output.replaceAll(/ +$/gm, "").replaceAll(/ as [\d.]+ kB to /g, " to ");
}

Deno.test("The commands in the documents print the output that the documents show below them", async (t) => {
  using dir = tempDir();
  makeClone(dir);
  assertEquals((await runPrinted("deno task demo", dir)).code, 0);
  const shown = DOCUMENTS.flatMap((name) => sessions(readDocument(name)))
    .filter(({ command }) => !command.startsWith("alias "));
  assert(shown.length >= 6, `only ${shown.length} commands`);
  for (const { command, output } of shown) {
    await t.step(command, async () => {
      const { stdout, stderr } = await runPrinted(command, dir);
      const printed = (stdout + stderr).replaceAll(`${dir.path("")}/`, SHOWN_ROOT);
      assertEquals(comparable(printed), comparable(output));
    });
  }
});

Deno.test("All other commands in the documents succeed if they are run in order", async (t) => {
  using dir = tempDir();
  makeClone(dir);
  assertEquals((await runPrinted("deno task demo", dir)).code, 0);
  await makeLog(dir);
  Deno.writeTextFileSync(dir.path("sim.ts"), quickStart().program);
  Deno.writeTextFileSync(dir.path("calls.csv"), "time,usd,engine\n2026-02-13,0.5,small\n");
  for (const command of commands()) {
    const [, stdout] = RUN_HERE.find(([pattern]) => pattern.test(command)) ?? [];
    if (stdout === undefined) continue;
    await t.step(command, async () => {
      const result = await runPrinted(command, dir);
      assertEquals(result.code, 0, result.stderr);
      assertMatch(result.stdout, stdout);
    });
  }
});

await testNeeding("jq", "The documents' jq command prints the events of one type", async () => {
  using dir = tempDir();
  await makeLog(dir);
  const [command = "", ...others] = commands().filter((line) => / jq /.test(line));
  assertEquals(others, []);
  const { code, stdout, stderr } = await runPrinted(command, dir);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^(?:\{"ts":.*"event":"nav".*\n){40}$/);
});

await testNeeding(
  "lnav",
  "The lnav commands in the documents show the levels and types of the events",
  async () => {
    using dir = tempDir();
    makeClone(dir);
    await makeLog(dir);
    Deno.mkdirSync(dir.path("home"));
    const own = commands().filter((line) => line.startsWith("lnav "));
    const [install = "", show = "", ...others] = own;
    assertEquals(others, []);
    assertEquals((await runPrinted(install, dir)).code, 0);
    // With `-n`, lnav needs no terminal, and prints the result of the query.
    const sql =
      ";SELECT log_level, event, count(*) AS n FROM scout_log GROUP BY event ORDER BY event";
    const counted = await runPrinted(show.replace("lnav ", `lnav -n -c '${sql}' `), dir);
    assertMatch(counted.stdout, /info +nav +40\b/);
    assertMatch(counted.stdout, /warning +skip +40\b/);
  },
);

await natsTest(
  "The fleet commands in the documents succeed in order, on the server that one of them starts",
  async () => {
    using dir = tempDir();
    makeClone(dir);
    await makeLog(dir);
    const address = `127.0.0.1:${freePort()}`;
    const own = commands().filter((line) => /^nats-server |^scout (ship|fleet) /.test(line))
      .map((line) => line.replaceAll("127.0.0.1:4222", address));
    const [start = "", ...others] = own;
    const [, args = ""] = /^nats-server (.*) &$/.exec(start) ?? [];
    const port = Number(address.split(":")[1]);
    const server = new Deno.Command(NATS_SERVER, {
      args: [...args.split(" "), "-p", `${port}`],
      cwd: dir.path(""),
      stderr: "null",
    }).spawn();
    try {
      await answers(port);
      const expected = [
        /^Shipped .* in 1 block, up to byte (\d+) of \1\n$|^Shipped .* in \d blocks, .*\n$/,
        /^log .*\nmachine-1 .* -\n$/,
        /^\$10\.00 for 40 calls since .*\nlog .*\nmachine-1 +\$10\.00 +100\.0 % +40 /,
        /^(.* scout_log=machine-1.*\n){3}$/,
        /^Wrote 80 events as .* to .*fleet\.html\n$/,
      ];
      assertEquals(others.length, expected.length);
      for (const [index, command] of others.entries()) {
        const flags = FLEET_FLAGS.replaceAll("127.0.0.1:4222", address);
        const { code, stdout, stderr } = await runPrinted(
          command.replace(/^scout /, `deno run ${flags} src/cli/main.ts `),
          dir,
        );
        assertEquals([code, stderr], [0, ""], command);
        assertMatch(stdout, expected[index]!);
      }
    } finally {
      server.kill();
      await server.status;
    }
  },
);

/** The permissions that examples/nats/README.md names for `scout ship` and `scout fleet`. */
const FLEET_FLAGS =
  "--allow-read=log,fleet.html --allow-net=127.0.0.1:4222 --allow-write=fleet.html";

await testNeeding(
  "duckdb",
  "The DuckDB query in the documents sums up the costs by model",
  async () => {
    using dir = tempDir();
    await makeLog(dir);
    const [question = "", ...others] = DOCUMENTS.flatMap((name) =>
      blocks(readDocument(name), "sql")
    );
    assertEquals(others, []);
    const { stdout, stderr } = await askDuckDb(question.replaceAll("DIR", "log"), dir.path(""));
    assertEquals(stderr, "");
    assertEquals(
      stdout.trim().split("\n").map((line) => JSON.parse(line)),
      [
        { model: "small", events: "30", usd: 7.5 },
        { model: "large", events: "10", usd: 2.5 },
        { model: null, events: "40", usd: null },
      ],
    );
  },
);

Deno.test("deno task bench runs the part of the benchmark whose ID is given", async () => {
  using dir = tempDir();
  makeClone(dir);
  const { code, stdout, stderr } = await runPrinted("deno task bench A3 --quick", dir);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^A3 .* >= 0\.55 +[\d.]+ x .* (met|missed) /m);
});

Deno.test("The tasks that the documents name exist", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const text = DOCUMENTS.map(readDocument).join("\n");
  const named = [...text.matchAll(/(?:deno|deno@[\d.]+) task (\w+)/g)].map(([, task]) => task!);
  assert(named.length >= 10, `only ${named}`);
  for (const task of named) assert(task in tasks, `${task} is not a task`);
});

Deno.test("The README has at most 200 lines, 1,800 words and 120 columns, to be read in ten minutes", () => {
  const lines = README.trimEnd().split("\n");
  const words = README.split(/\s+/).length;
  const wide = lines.filter((line) => line.length > 120 && !line.startsWith("|"));
  assertEquals({ wide, isShort: lines.length <= 200 && words <= 1_800 }, {
    wide: [],
    isShort: true,
  });
});

Deno.test("Every link of the documents leads to a file", () => {
  for (const name of DOCUMENTS) {
    for (const [, target = ""] of readDocument(name).matchAll(/\]\(([^)#:]+)\)/g)) {
      const path = join(ROOT, dirname(name), target);
      assert(Deno.statSync(path).isFile, `${name} links ${target}`);
    }
  }
});
