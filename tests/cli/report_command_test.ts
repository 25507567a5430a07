import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import type { CommandResult } from "../run_command.ts";
import { OPEN_FLAG } from "../../src/cli/open_in_browser.ts";
import { testNeeding } from "../requirements.ts";
import { runProgram } from "../run_program.ts";
import { withoutOrigin } from "../report/same_page.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { logWith, MAIN } from "./run_cli.ts";

const EVENTS = [
  { ts: "2026-02-13T14:00:00.000Z", event: "nav", cost: 0.5, model: "small", session_id: "s" },
  { ts: "2026-02-13T15:00:00.000Z", event: "nav", cost: 0.25, model: "large", session_id: "s" },
  { ts: "2026-02-14T15:00:00.000Z", event: "brief", cost: 2, model: "large", session_id: "s" },
];

/** Runs `scout report` with read permission for the log, and write permission for the file, if any. */
function report(
  log: ReturnType<typeof logWith>,
  file: string | null,
  ...args: readonly string[]
): Promise<CommandResult> {
  return reportIn({}, log, file, ...args);
}

/** Runs `scout report` as `report()` does, with additional environment variables and permissions. */
function reportIn(
  { env = {}, flags = [] }: { env?: Record<string, string>; flags?: readonly string[] },
  log: ReturnType<typeof logWith>,
  file: string | null,
  ...args: readonly string[]
): Promise<CommandResult> {
  const dir = log.dir.path("");
  const write = file === null ? [] : [`--allow-write=${file}`];
  return runProgram(MAIN, {
    dir,
    args: ["report", "--path", log.path, ...args],
    flags: [`--allow-read=${dir}`, ...write, ...flags],
    cwd: dir,
    env: { ...Deno.env.toObject(), ...env },
  });
}

Deno.test("scout report writes the page to a file, and overwrites the file the next time", async () => {
  using log = logWith(...EVENTS);
  const file = log.dir.path("a report.html");
  const first = await report(log, file, "--out", "a report.html", "--tz", "Europe/Berlin");
  assertEquals([first.code, first.stderr], [0, ""]);
  assertEquals(first.stdout.replace(/[\d.]+ kB/, "SIZE"), `Wrote 3 events as SIZE to ${file}\n`);
  const page = Deno.readTextFileSync(file);
  assertStringIncludes(page, '<b id="usd">$2.75</b>');
  assertStringIncludes(page, "2026-02-13 15:00");
  assertStringIncludes(page, "Time zone: Europe/Berlin.");
  const byType = await report(log, null, "--out", "-", "--by", "event");
  assertStringIncludes(byType.stdout, "USD by event");
  const { mode, uid } = Deno.statSync(file);
  // On Windows, files have no owner, and the mode means nothing.
  if (uid !== null) assertEquals(mode! & 0o777, 0o600);
  const look = ["--title", "A <short> run", "--budget", "1.5", "--until", "2026-02-14"];
  const second = await report(log, file, "--out", file, "--json", "--tz", "UTC", ...look);
  assertEquals([second.code, second.stderr], [0, ""]);
  const shorter = Deno.readTextFileSync(file);
  assertEquals(JSON.parse(second.stdout), {
    out: file,
    events: 2,
    bytes: new TextEncoder().encode(shorter).byteLength,
  });
  assertStringIncludes(shorter, "<title>A &lt;short&gt; run</title>");
  assertStringIncludes(shorter, '<b id="usd">$0.75</b>');
  assertStringIncludes(shorter, "budget: $1.50 an hour");
  assert(shorter.endsWith("</html>\n"), "a part of the first page is left");
});

Deno.test("scout report writes to report.html by default, and to standard output with --out -", async () => {
  using log = logWith(...EVENTS);
  const file = log.dir.path("report.html");
  const written = await report(log, file);
  assertEquals([written.code, written.stderr], [0, ""]);
  const printed = await report(log, null, "--out", "-");
  assertEquals([printed.code, printed.stderr], [0, ""]);
  const page = Deno.readTextFileSync(file);
  assertEquals(withoutOrigin(printed.stdout), withoutOrigin(page));
  assertStringIncludes(page, `<p id="about">Log: <bdi>${log.path}</bdi>. Made `);
});

Deno.test("scout report shows damage, also in archives, on the page but not on standard error", async () => {
  using log = logWith(...EVENTS, "no event\n");
  const archive = log.dir.path("audit_20260213_000000.jsonl.gz");
  Deno.writeFileSync(archive, gzipSync(`${JSON.stringify(EVENTS[0])}\n{"torn\n`));
  const { code, stdout, stderr } = await report(log, null, "--out", "-");
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, '<b id="event-count">4</b>');
  assertStringIncludes(stdout, '<b id="damage-count">2</b>');
  assertStringIncludes(stdout, archive);
});

Deno.test("scout report does not overwrite a file that is not a report", async () => {
  using log = logWith(...EVENTS);
  const before = Deno.readTextFileSync(log.path);
  const { code, stdout, stderr } = await report(log, log.path, "--out", log.path);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(
    stderr,
    `scout: Cannot write report: the existing file is not a report; use another --out FILE: ${log.path}\n`,
  );
  assertEquals(Deno.readTextFileSync(log.path), before);
});

Deno.test("scout report rejects a directory and a missing directory as --out, and leaves no empty file", async () => {
  using log = logWith(...EVENTS);
  const dir = log.dir.path("");
  const directory = await report(log, dir, "--out", ".");
  assertEquals([directory.code, directory.stderr], [
    2,
    "scout: Cannot write report: --out . is a directory; use report.html\n",
  ]);
  const missing = await report(log, dir, "--out", "none/report.html");
  assertEquals([missing.code, missing.stderr], [
    1,
    `scout: Cannot write report: the directory does not exist: ${log.dir.path("none")}\n`,
  ]);
  Deno.removeSync(log.path);
  const noLog = await report(log, dir, "--out", "new.html");
  assertEquals(noLog.code, 1);
  assertStringIncludes(noLog.stderr, "Cannot find audit log");
  assertEquals([...Deno.readDirSync(dir)], []);
});

Deno.test("scout report names the flags that it needs to write its file", async () => {
  using log = logWith(...EVENTS);
  const { code, stderr } = await report(log, "elsewhere.html");
  const file = log.dir.path("report.html");
  assertEquals(code, 2);
  assertEquals(
    stderr,
    `scout: Cannot write report: run again with --allow-read=${file} --allow-write=${file}\n`,
  );
});

Deno.test("scout report rejects invalid options and names them", async () => {
  using log = logWith(...EVENTS);
  const refused: [args: string[], named: string][] = [
    [["--budget", "none"], '"none"'],
    [["--budget", "0"], '"0"'],
    [["--tz", "Mars"], '"Mars"'],
    [["--since", "someday"], '"someday"'],
    [
      ["--by", "agent,hour"],
      '"agent,hour" is not possible here, because the charts show the spend over time',
    ],
    [["--by", "a,b,c"], "one or two names of fields"],
    [["--out", "-", "--open"], "standard output"],
  ];
  for (const [args, named] of refused) {
    const { code, stdout, stderr } = await report(log, "report.html", ...args);
    assertEquals([code, stdout], [2, ""], named);
    assertStringIncludes(stderr, named);
  }
  Deno.removeSync(log.path);
  const { code, stderr } = await report(log, log.dir.path("report.html"));
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot find audit log");
});

/** Creates a directory for PATH with a fake of the program that opens files. The fake writes its argument to a file. */
function fakeOpener(): { dir: TempDir; opened: () => string } {
  const dir = tempDir();
  const opener = OPEN_FLAG.replace("--allow-run=", "");
  const script = `#!/bin/sh\necho "$1" > "${dir.path("opened")}"\n`;
  Deno.writeTextFileSync(dir.path(opener), script, { mode: 0o700 });
  return { dir, opened: () => Deno.readTextFileSync(dir.path("opened")) };
}

await testNeeding(
  "POSIX",
  "scout report --open writes the file, then names the flag of the missing permission",
  async () => {
    using log = logWith(...EVENTS);
    using opener = fakeOpener().dir;
    const file = log.dir.path("report.html");
    const { code, stderr } = await reportIn(
      { env: { PATH: opener.path("") } },
      log,
      file,
      "--open",
    );
    assertEquals(code, 2);
    assertMatch(
      stderr,
      /^scout: Cannot open .*report\.html in a browser: run again with --allow-run=\S+\n$/,
    );
    assert(Deno.statSync(file).size > 0);
  },
);

await testNeeding(
  "POSIX",
  "scout report --open opens the file, or names the program that it cannot find",
  async () => {
    using log = logWith(...EVENTS);
    const { dir, opened } = fakeOpener();
    using opener = dir;
    const file = log.dir.path("report.html");
    const open = (PATH: string) =>
      reportIn({ env: { PATH }, flags: [OPEN_FLAG] }, log, file, "--open");
    const shown = await open(opener.path(""));
    assertEquals([shown.code, shown.stderr, opened()], [0, "", `${file}\n`]);
    const { code, stderr } = await open(log.dir.path(""));
    assertEquals(code, 1);
    // Before this line, Deno itself reports that the program that opens files is missing.
    assertMatch(stderr, /^scout: Cannot open .*report\.html in a browser: cannot find \S+$/m);
    assert(Deno.statSync(file).size > 0);
  },
);

Deno.test("scout report shows all logs of a directory, with a table by log", async () => {
  using log = logWith();
  const dir = log.dir.path("runs");
  Deno.mkdirSync(dir);
  for (const [name, count] of [["a.jsonl", 1], ["b.jsonl", 3]] as const) {
    const lines = EVENTS.slice(0, count).map((event) => `${JSON.stringify(event)}\n`);
    Deno.writeTextFileSync(`${dir}/${name}`, lines.join(""));
  }
  const { code, stdout, stderr } = await report(
    { ...log, path: dir },
    null,
    "--out",
    "-",
    "--where",
    "cost<2",
  );
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, '<b id="event-count">3</b>');
  assertStringIncludes(stdout, `Log: <bdi>${dir} (a.jsonl, b.jsonl)</bdi>`);
  assertMatch(stdout, /<bdi>b.jsonl<\/bdi><\/th><td class="number">\$0.75</);
});
