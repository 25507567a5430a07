import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { CommandError } from "../../src/cli/command_error.ts";
import { locateLog } from "../../src/cli/log_path.ts";
import { shownText } from "../../src/shown.ts";
import { testNeeding } from "../requirements.ts";
import { denoDir, runProgram } from "../run_program.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { MAIN } from "./run_cli.ts";

const LINE = '{"ts":"2026-02-13T14:00:00.000Z","event":"nav"}\n';

/** Creates a directory that contains files with these names. */
function dirWith(...names: readonly string[]): TempDir {
  const dir = tempDir();
  for (const name of names) Deno.writeTextFileSync(dir.path(name), LINE);
  return dir;
}

const HOLDING_ONE: [files: string[], log: string][] = [
  [["audit.jsonl"], "audit.jsonl"],
  [["audit.jsonl", "other.jsonl"], "audit.jsonl"],
  [["notes.txt", "x.manifest.jsonl"], "audit.jsonl"],
  [["other.jsonl", "other.shipped.jsonl", "other.shipped.jsonl.tmp.lock"], "other.jsonl"],
  [["audit_20260213_143022.jsonl.gz"], "audit.jsonl"],
  [["audit_20260213_143022.jsonl.gz", "other.jsonl"], "audit.jsonl"],
  [["other.jsonl", "other.jsonl.lock", "other.manifest.jsonl"], "other.jsonl"],
  [["other_20260213_143022.jsonl", "other_20260214_143022.jsonl.gz"], "other.jsonl"],
  [["other.log", "other.log.lock", "notes.txt"], "other.log"],
  [["other.jsonl", "a.csv", "b.json.gz"], "other.jsonl"],
];
for (const [files, log] of HOLDING_ONE) {
  Deno.test(`locateLog() finds ${log} in a directory with ${files.join(", ")}`, () => {
    using dir = dirWith(...files);
    const directory = dir.path("");
    for (const name of [directory, directory.replace(/\/$/, ""), `${directory}//`]) {
      const expected = { path: dir.path(log), source: "command line" as const };
      assertEquals(locateLog({ file: name, path: undefined }), expected);
      assertEquals(locateLog({ file: undefined, path: name }), expected);
    }
  });
}

const HOLDING_SEVERAL: [files: string[], message: string][] = [
  [["a.jsonl", "b.jsonl"], "contains several logs; name one: a.jsonl, b.jsonl"],
  [["a.jsonl", "b_20260213_143022.jsonl.gz"], "contains several logs; name one: a.jsonl, b.jsonl"],
  // Windows has no control characters in names.
  Deno.build.os === "windows"
    ? [["a.jsonl", "b\u202e.jsonl"], "name one: a.jsonl, b\\u202e.jsonl"]
    : [["a.jsonl", "\u001b[31mb\u202e.jsonl"], "name one: \\u001b[31mb\\u202e.jsonl, a.jsonl"],
];
for (const [files, message] of HOLDING_SEVERAL) {
  Deno.test(`locateLog() rejects a directory with ${shownText(files.join(", "))}`, () => {
    using dir = dirWith(...files);
    const error = assertThrows(
      () => locateLog({ file: dir.path(""), path: undefined }),
      CommandError,
      message,
    );
    assertEquals(error.exitCode, 2);
  });
}

Deno.test("locateLog() returns the path of a missing file unchanged", () => {
  using dir = dirWith("other.jsonl");
  assertEquals(
    locateLog({ file: dir.path("new.jsonl"), path: undefined }).path,
    dir.path("new.jsonl"),
  );
  assertEquals(locateLog({ file: dir.path("new"), path: undefined }).path, dir.path("new"));
});

await testNeeding(
  "POSIX",
  "locateLog() follows a symbolic link only if it leads to a directory",
  () => {
    using dir = dirWith("other.jsonl");
    using links = tempDir();
    const locate = (name: string) => locateLog({ file: links.path(name), path: undefined }).path;
    Deno.symlinkSync(dir.path(""), links.path("directory"));
    Deno.symlinkSync(dir.path("other.jsonl"), links.path("file"));
    Deno.symlinkSync(dir.path("none"), links.path("dangling"));
    assertEquals(locate("directory"), links.path("directory/other.jsonl"));
    assertEquals(locate("file"), links.path("file"));
    assertEquals(locate("dangling"), links.path("dangling"));
  },
);

Deno.test("locateLog() rejects the argument LOG together with the option --path", () => {
  const error = assertThrows(
    () => locateLog({ file: "a.jsonl", path: "b.jsonl" }),
    CommandError,
    "Cannot choose the log: use either the argument LOG or --path, got a.jsonl and --path b.jsonl",
  );
  assertEquals(error.exitCode, 2);
});

Deno.test("scout uses the path on the command line first, then SCOUT_PATH if it may read it, then the default path", async () => {
  using dir = dirWith("home.jsonl", "variable.jsonl", "argument.jsonl");
  const home = dir.path("home");
  Deno.mkdirSync(`${home}/.scout`, { recursive: true });
  Deno.writeTextFileSync(join(home, ".scout/audit.jsonl"), LINE);
  const variable = dir.path("variable.jsonl");
  // Without DENO_DIR, Deno's cache would be in the other home directory and empty, so the program would download its
  // packages.
  const DENO_DIR = await denoDir();
  const run = async (flags: readonly string[], value: string, ...args: readonly string[]) => {
    const { code, stdout, stderr } = await runProgram(MAIN, {
      dir: "",
      args: ["status", "--tz", "UTC", "--json", ...args],
      flags: [`--allow-read=${dir.path("")}`, ...flags],
      env: { ...Deno.env.toObject(), HOME: home, USERPROFILE: home, SCOUT_PATH: value, DENO_DIR },
    });
    return code === 0 ? JSON.parse(stdout).path : `${code} ${stderr}`;
  };
  const mayRead = "--allow-env=SCOUT_PATH";
  const mayFind = "--allow-env=HOME,USERPROFILE";
  assertEquals(await run([mayRead], variable), variable);
  assertEquals(
    await run([mayRead], variable, dir.path("argument.jsonl")),
    dir.path("argument.jsonl"),
  );
  assertEquals(
    await run([mayRead], variable, "--path", dir.path("argument.jsonl")),
    dir.path("argument.jsonl"),
  );
  assertEquals(await run([mayFind], variable), join(home, ".scout/audit.jsonl"));
  assertEquals(await run([mayRead, mayFind], ""), join(home, ".scout/audit.jsonl"));
  const missing = dir.path("missing.jsonl");
  assertEquals(
    await run([mayRead], missing),
    `1 scout: Cannot find audit log: there is neither an active file nor an archive: ${missing} (from SCOUT_PATH)\n`,
  );
  Deno.removeSync(join(home, ".scout/audit.jsonl"));
  const nowhere = await run([mayFind], variable);
  assertStringIncludes(nowhere, `: ${join(home, ".scout/audit.jsonl")} (the default; `);
  assertStringIncludes(nowhere, "SCOUT_PATH, which needs --allow-env=SCOUT_PATH)");
  assertEquals(
    await run([], variable),
    `2 scout: Cannot find the default log ~/.scout/audit.jsonl: run again with --allow-env=${
      Deno.build.os === "windows" ? "USERPROFILE" : "HOME"
    }, or name the log as the argument\n`,
  );
});
