import { assert, assertEquals, assertMatch } from "@std/assert";
import { DELIMITER, dirname, fromFileUrl, join } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { cpSync } from "node:fs";
import { answers, freePort, natsTest } from "./fleet/nats_server.ts";
import { askDuckDb, testNeeding } from "./requirements.ts";
import { type CommandResult, runCommand } from "./run_command.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const README = Deno.readTextFileSync(join(ROOT, "README.md"));

/** What the commands print, in the order of the README; DIR is the directory of a log with archives. */
const RUN_HERE: readonly [command: RegExp, stdout: RegExp][] = [
  [/^deno task demo$/, /^What it cost, by model$/m],
  [/^deno run --allow-read=DIR --allow-write=DIR sim.ts$/, /^\{ ?\n? *ts: .*event: "nav"/ms],
  [/^deno run .*main.ts spend /, /^\$0\.5\d+ for \d+ events since .*\nmodel +USD +events\n/],
  [/^deno run .* query /, /^(?:2026-02-13 .*nav.*\n){5}$/],
  [/^deno run .* verify /, /^NOT PROTECTED: .*\nread +0 archives, \d+ lines, .*\nnot shown /],
  [/^deno run .*main.ts report /, /^Wrote \d+ events as \d+(\.\d)? kB to .*report\.html\n$/],
  [/^deno run .* import /, /^Imported 1 of 1 event into /],
];

/** What runs the others, or why they do not run. */
const RUN_ELSEWHERE: readonly [command: RegExp, where: string][] = [
  [/^deno task test$/, "it is what runs this test"],
  [
    /^npx -y deno@[\d.]+ task (demo|test)$/,
    "they are for a machine without Deno; .ci/run plays the demo",
  ],
  [/^deno add /, "what is not published cannot be added; package_test.ts imports it by that name"],
  [/^deno run .* serve /, "it goes on until Ctrl-C; cli/serve_command_test.ts starts and ends it"],
  [/^zcat .* jq /, "few machines have it; the test below"],
  [/^lnav /, "few machines have it; the test below"],
  [/^nats-server /, "few machines have it; the test below"],
  [/^deno run .*main.ts ship /, "it needs a server; the test below"],
  [/^deno run .*main.ts fleet /, "it needs a server; the test below"],
  [/^kill %1$/, "it is for a shell; the test below does so itself"],
  [/^deno task faults$/, "faults/campaign_test.ts plays it"],
  [/^deno task bench$/, "it takes thirteen minutes; the test below measures a part"],
];

/** The blocks of a language. */
function blocks(language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms");
  return [...README.matchAll(pattern)].map(([, block = ""]) => block);
}

/** The lines that are commands. */
function commands(): string[] {
  return blocks("sh").flatMap((block) => block.trim().split("\n"));
}

/** The project in a new folder, without what is not in a clone. */
function makeClone(dir: TempDir): void {
  const { workspace = [] } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const parts = ["deno.json", "deno.lock", "README.md", "mod.ts", "src", "examples", "tests"];
  for (const part of [...parts, ...workspace]) {
    cpSync(join(ROOT, part), dir.path(part), { recursive: true });
  }
}

/** A log with archives at `log/` of the clone. */
async function makeLog(dir: TempDir): Promise<void> {
  const path = dir.path("log/audit.jsonl");
  await using log = await AuditLog.open({ path, rotationSizeBytes: 2_000 });
  for (let n = 0; n < 40; n++) {
    await log.log("nav", { model: n % 4 === 0 ? "large" : "small", cost: 0.25 });
    await log.log("skip", { reason: "seen" });
  }
}

/** Runs a line of the README as it is printed, in the clone. */
function runPrinted(command: string, dir: TempDir): Promise<CommandResult> {
  const words = command.replaceAll("DIR", "log").split(" ");
  const isPlain = words[0] === "deno";
  return runCommand(isPlain ? Deno.execPath() : "sh", {
    args: isPlain ? words.slice(1) : ["-ec", words.join(" ")],
    cwd: dir.path(""),
    env: {
      NO_COLOR: "1",
      // Some of what is shown has local times.
      TZ: "UTC",
      // What the tasks call `deno` is what runs this.
      PATH: [dirname(Deno.execPath()), Deno.env.get("PATH") ?? ""].join(DELIMITER),
      XDG_CONFIG_HOME: dir.path("home"),
    },
  });
}

Deno.test("Every command of the README is run by a test, or it is known why not", () => {
  const known = [...RUN_HERE, ...RUN_ELSEWHERE].map(([pattern]) => pattern);
  for (const command of commands()) {
    const matching = known.filter((pattern) => pattern.test(command));
    assertEquals(matching.length, 1, `${command} matches ${matching}`);
  }
  for (const pattern of known) {
    assert(commands().some((command) => pattern.test(command)), `nothing matches ${pattern}`);
  }
  const languages = [...README.matchAll(/^```(\w*)\n/gm)].map(([, language = ""]) => language);
  // Those of TypeScript are run by `deno test --doc`.
  assertEquals([...new Set(languages)].sort(), ["", "sh", "sql", "ts"]);
});

Deno.test("The README's commands work as they are printed, in a new folder, one after the other", async (t) => {
  using dir = tempDir();
  makeClone(dir);
  await makeLog(dir);
  const [firstExample = ""] = blocks("ts");
  Deno.writeTextFileSync(
    dir.path("sim.ts"),
    firstExample.replace("${Deno.makeTempDirSync()}", "log/of_sim"),
  );
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

await testNeeding("jq", "The README's jq command prints the events of one type", async () => {
  using dir = tempDir();
  await makeLog(dir);
  const [command = "", ...others] = commands().filter((line) => / jq /.test(line));
  assertEquals(others, []);
  const { code, stdout, stderr } = await runPrinted(command, dir);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^(?:\{"ts":.*"event":"nav".*\n){40}$/);
});

await testNeeding("lnav", "The README's lnav commands read times, types and levels", async () => {
  using dir = tempDir();
  makeClone(dir);
  await makeLog(dir);
  Deno.mkdirSync(dir.path("home"));
  const [install = "", show = "", ...others] = commands().filter((line) =>
    line.startsWith("lnav ")
  );
  assertEquals(others, []);
  assertEquals((await runPrinted(install, dir)).code, 0);
  // Without a terminal it prints what it would show.
  const sql =
    ";SELECT log_level, event, count(*) AS n FROM scout_log GROUP BY event ORDER BY event";
  const counted = await runPrinted(show.replace("lnav ", `lnav -n -c '${sql}' `), dir);
  assertMatch(counted.stdout, /info +nav +40\b/);
  assertMatch(counted.stdout, /warning +skip +40\b/);
});

await natsTest(
  "The README's commands for a fleet work one after the other on the server that they start",
  async () => {
    using dir = tempDir();
    makeClone(dir);
    await makeLog(dir);
    const address = `127.0.0.1:${freePort()}`;
    const own = commands().filter((line) => /^nats-server |main.ts (ship|fleet) /.test(line))
      .map((line) => line.replaceAll("127.0.0.1:4222", address));
    const [start = "", ...others] = own;
    const [, args = ""] = /^nats-server (.*) &$/.exec(start) ?? [];
    const port = Number(address.split(":")[1]);
    const server = new Deno.Command("nats-server", {
      args: [...args.split(" "), "-p", `${port}`],
      cwd: dir.path(""),
      stderr: "null",
    }).spawn();
    try {
      await answers(port);
      const expected = [
        /^Shipped .* in 1 block, up to byte (\d+) of \1\n$|^Shipped .* in \d blocks, .*\n$/,
        /^log .*\nmachine-1 .* -\n$/,
        /^\$10\.00 for 40 events since .*\nlog .*\nmachine-1 +\$10\.00 +40 /,
        /^(.* scout_log=machine-1.*\n){3}$/,
        /^Wrote 80 events as .* to .*fleet\.html\n$/,
      ];
      assertEquals(others.length, expected.length);
      for (const [index, command] of others.entries()) {
        const { code, stdout, stderr } = await runPrinted(command, dir);
        assertEquals([code, stderr], [0, ""], command);
        assertMatch(stdout, expected[index]!);
      }
    } finally {
      server.kill();
      await server.status;
    }
  },
);

await testNeeding(
  "duckdb",
  "The README's question to DuckDB sums up the costs by model",
  async () => {
    using dir = tempDir();
    await makeLog(dir);
    const [question = "", ...others] = blocks("sql");
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

Deno.test("A part of the README's benchmark is measured by its id", async () => {
  using dir = tempDir();
  makeClone(dir);
  const { code, stdout, stderr } = await runPrinted("deno task bench A3 --quick", dir);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^A3 .* >= 0\.8 +[\d.]+ x .* (met|missed) /m);
});

Deno.test("The README's tasks are those of deno.json", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const named = [...README.matchAll(/(?:deno|deno@[\d.]+) task (\w+)/g)].map(([, task]) => task!);
  assert(named.length >= 10, `only ${named}`);
  for (const task of named) assert(task in tasks, `${task} is no task`);
});
