import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { gzipped, tempDir } from "../temp_dir.ts";
import { runCli } from "./run_cli.ts";

/**
 * Creates a log of six events with a hash chain; three events are in an archive. Returns functions that run commands on
 * the log.
 */
async function chainedLog() {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    const now = () => Date.UTC(2026, 1, 13);
    await using log = await AuditLog.open({ path, chain: true, sessionId: "s", now });
    for (const cost of [1, 2, 3]) await log.log("nav", { cost });
    await log.rotate();
    for (const cost of [4, 5, 6]) await log.log("nav", { cost });
  }
  return {
    path,
    run: (command: string, ...args: readonly string[]) =>
      runCli([command, "--path", path, ...args], dir.path("")),
    edit(from: string, to: string) {
      Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace(from, to));
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

Deno.test("scout verify reports that a log has no faults, and lists the changes that it cannot detect", async () => {
  using log = await chainedLog();
  const { code, stdout, stderr } = await log.run("verify");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [first, ...others] = stdout.split("\n");
  assertEquals(first, "OK: chain of 6 lines verified");
  assertEquals(others.map((line) => line.slice(0, 11)), [
    "read       ",
    "not shown  ",
    "           ",
    "",
  ]);
});

Deno.test("scout verify names the file, line and reason of a change, and exits with 1", async () => {
  using log = await chainedLog();
  log.edit('"cost":5', '"cost":0');
  const { code, stdout, stderr } = await log.run("verify");
  assertEquals({ code, stderr }, { code: 1, stderr: "" });
  assertEquals(stdout.split("\n").slice(0, 2), [
    "FAULTS: 1",
    "fault      audit.jsonl, line 2, byte 156: hash mismatch: this line or an earlier one was modified",
  ]);
});

Deno.test("scout verify --json prints the report", async () => {
  using log = await chainedLog();
  log.edit('"cost":5', '"cost":0');
  const { code, stdout } = await log.run("verify", "--json");
  const { ok, archives, lines, faults } = JSON.parse(stdout);
  assertEquals([code, ok, archives, lines], [1, false, 1, 6]);
  assertEquals([faults.length, faults[0].path, faults[0].line], [1, log.path, 2]);
});

Deno.test("scout verify compares a log with an anchor, the chain head that scout head printed earlier", async () => {
  using log = await chainedLog();
  const head = await log.run("head");
  assertEquals([head.code, head.stderr, JSON.parse(head.stdout).seq], [0, "", 5]);
  assertEquals((await log.run("verify", "--anchor", head.stdout)).code, 0);
  const text = Deno.readTextFileSync(log.path);
  Deno.writeTextFileSync(log.path, text.slice(0, text.lastIndexOf("{")));
  assertEquals((await log.run("verify")).code, 0);
  const { code, stdout } = await log.run("verify", "--anchor", head.stdout);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "events were removed: the anchor has seq 5, but the last seq is 4");
});

Deno.test("scout verify rejects an invalid anchor, and a log that does not exist", async () => {
  using log = await chainedLog();
  const { code, stdout, stderr } = await log.run("verify", "--anchor", "{}");
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, "Cannot read anchor: the anchor must be the output of scout head");
  for (const command of ["verify", "head"]) {
    const args = [command, "--path", `${log.path}.not`];
    const missing = await runCli(args, dirname(log.path));
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "Cannot find audit log");
  }
});

/** Creates a log with these options, and returns a function that verifies the log. */
async function logOf(options: { chain: boolean; rotates?: boolean; isEmpty?: boolean }) {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path, chain: options.chain, sessionId: "s" });
    for (let n = 0; n < 4 && options.isEmpty !== true; n++) {
      await log.log("nav", { n });
      if (n === 1 && options.rotates === true) await log.rotate();
    }
  }
  return {
    path,
    run: (...args: readonly string[]) => runCli(["verify", path, ...args], dir.path("")),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

const OUTCOMES: [
  what: string,
  options: Parameters<typeof logOf>[0],
  first: RegExp,
  outcome: string,
  strictCode: number,
][] = [
  [
    "a log with a hash chain",
    { chain: true, rotates: true },
    /^OK: chain of 4 lines verified$/,
    "ok",
    0,
  ],
  [
    "a log without a hash chain",
    { chain: false },
    /^NOT PROTECTED: changes to audit\.jsonl are not detected, .* the option chain: true$/,
    "not protected",
    1,
  ],
  [
    "a log without a hash chain that is partly archived",
    { chain: false, rotates: true },
    /^NOT PROTECTED: changes to audit\.jsonl are not detected, .* the option chain: true$/,
    "not protected",
    1,
  ],
  [
    "an empty log",
    { chain: true, isEmpty: true },
    /^NOT PROTECTED: the log has no lines, so nothing was verified$/,
    "not protected",
    1,
  ],
];
for (const [what, options, first, outcome, strictCode] of OUTCOMES) {
  Deno.test(`scout verify of ${what} reports ${outcome}, and with --strict exits with ${strictCode}`, async () => {
    using log = await logOf(options);
    const { code, stdout, stderr } = await log.run();
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertMatch(stdout.split("\n")[0]!, first);
    const strict = await log.run("--strict", "--json");
    assertEquals([strict.code, JSON.parse(strict.stdout).outcome], [strictCode, outcome]);
  });
}

Deno.test("scout verify names files from before the start of the hash chain as not protected", async () => {
  using log = await logOf({ chain: true });
  // The original library in Python creates archives like this, and no manifest.
  const archive = log.path.replace(".jsonl", "_20200101_000000.jsonl.gz");
  Deno.writeFileSync(archive, await gzipped('{"event":"nav"}\n'));
  const { code, stdout } = await log.run("--strict");
  assertEquals(code, 1);
  assertStringIncludes(
    stdout,
    "NOT PROTECTED: changes to audit_20200101_000000.jsonl.gz are not detected, because the chain starts after them\n",
  );
});

Deno.test("scout verify counts lines without hashes as protected if the hash chain starts later in the same file", async () => {
  using log = await logOf({ chain: false });
  {
    await using writer = await AuditLog.open({ path: log.path, chain: true });
    await writer.log("nav");
  }
  const { code, stdout } = await log.run("--strict");
  assertEquals([code, stdout.split("\n")[0]], [0, "OK: chain of 1 line verified"]);
  Deno.writeTextFileSync(log.path, Deno.readTextFileSync(log.path).replace('"n":1', '"n":7'));
  const changed = await log.run();
  assertEquals([changed.code, changed.stdout.split("\n")[0]], [1, "FAULTS: 1"]);
});

Deno.test("scout verify --anchor reads an anchor (a chain head) from a file, and reports why an anchor is invalid", async () => {
  using log = await chainedLog();
  const head = await log.run("head");
  const anchor = `${dirname(log.path)}/head.json`;
  Deno.writeTextFileSync(anchor, head.stdout);
  const good = await log.run("verify", "--anchor", anchor, "--strict");
  assertEquals([good.code, good.stderr], [0, ""]);
  assertStringIncludes(good.stdout, "OK: chain of 6 lines verified\n");
  const refused: [anchor: string, code: number, message: string][] = [
    [`${anchor}.not`, 1, `Cannot read anchor: the file does not exist: ${anchor}.not`],
    [dirname(log.path), 2, "Cannot read anchor: the path is not a regular file: "],
    [
      log.path,
      2,
      "Cannot read anchor: the anchor must be the output of scout head, or a file with that output, got ",
    ],
    [
      "/elsewhere/head.json",
      2,
      "Cannot read anchor: run again with --allow-read=/elsewhere/head.json",
    ],
  ];
  for (const [value, code, message] of refused) {
    const result = await log.run("verify", "--anchor", value);
    assertEquals([result.code, result.stdout], [code, ""], value);
    assertStringIncludes(result.stderr, `scout: ${message}`);
  }
  Deno.writeTextFileSync(log.path, "");
  const emptied = await log.run("verify", "--anchor", anchor);
  assertEquals([emptied.code, emptied.stdout.split("\n")[0]], [1, "FAULTS: 1"]);
});
