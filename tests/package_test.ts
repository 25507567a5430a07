import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { longTest } from "./extent.ts";
import { type CommandResult, runCommand } from "./run_command.ts";
import { denoDir } from "./run_program.ts";
import { linesOf, type TempDir, tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const PROGRAM = `
import { AuditLog } from "@vivarium/scout";

const [path] = Deno.args;
await using log = await AuditLog.open(path === undefined ? {} : { path });
await log.log("nav", { cost: 0.5 });
await log.rotate();
console.log(log.path, await log.hourlySpend());
`;

const REPORT_PROGRAM = `
import { AuditReader } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";

await using reader = await AuditReader.open({ path: "log/audit.jsonl" });
console.log((await renderReport(reader)).trimEnd());
`;

function deno(
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<CommandResult> {
  const env = { NO_COLOR: "1", ...options.env };
  return runCommand(Deno.execPath(), { args, cwd: options.cwd, env });
}

/** Returns a report without the time at which it was made, in which two reports of one log differ. */
function withoutMadeTime(page: string): string {
  const text = page.replace(/Made <time [^>]*>[^<]*<\/time>/, "");
  assert(text !== page, page);
  return text;
}

/** Returns the paths of the files that would be published, relative to the top level. */
async function publishedFiles(): Promise<string[]> {
  const { code, stderr } = await deno(["publish", "--dry-run", "--allow-dirty"], { cwd: ROOT });
  assertEquals(code, 0, stderr);
  return [...stderr.matchAll(/^ +(file:\S+) \(/gm)].map(([, url]) =>
    relative(ROOT, fromFileUrl(url!)).replaceAll("\\", "/")
  );
}

function copy(file: string, to: string): void {
  Deno.mkdirSync(dirname(to), { recursive: true });
  Deno.copyFileSync(join(ROOT, file), to);
}

/** Creates a project that depends on the package as published, and programs that use the package. */
function makeProject(dir: TempDir, files: readonly string[]): void {
  for (const file of files) copy(file, dir.path(`package/${file}`));
  // A published package has no workspace members.
  const { workspace = [], ...published } = JSON.parse(
    Deno.readTextFileSync(dir.path("package/deno.json")),
  );
  Deno.writeTextFileSync(dir.path("package/deno.json"), JSON.stringify(published));
  for (const member of workspace) {
    copy(`${member}/deno.json`, dir.path(`${member}/deno.json`));
    const { exports } = JSON.parse(Deno.readTextFileSync(join(ROOT, member, "deno.json")));
    const exported = typeof exports === "string" ? [exports] : Object.values<string>(exports);
    for (const file of exported) {
      copy(join(member, file), dir.path(join(member, file)));
    }
  }
  copy("deno.lock", dir.path("deno.lock"));
  Deno.writeTextFileSync(
    dir.path("deno.json"),
    JSON.stringify({
      workspace: ["./package", ...workspace],
      imports: { "@vivarium/scout": `jsr:@vivarium/scout@^${published.version}` },
    }),
  );
  Deno.writeTextFileSync(dir.path("main.ts"), PROGRAM);
  Deno.writeTextFileSync(dir.path("report.ts"), REPORT_PROGRAM);
}

await longTest("The package contains only the files that its users need", async () => {
  const files = await publishedFiles();
  const others = files.filter((file) => !file.startsWith("src/"));
  assertEquals(others, ["CHANGELOG.md", "LICENSE", "README.md", "deno.json", "mod.ts"]);
  assert(files.includes("src/cli/main.ts") && files.includes("src/report/mod.ts"));
});

await longTest(
  "The package works in another project: with a path, at the default path, as a command, as a report",
  async (t) => {
    using dir = tempDir();
    makeProject(dir, await publishedFiles());
    const cwd = dir.path("");
    const env = { DENO_DIR: await denoDir() };
    const allow = (path: string) => [`--allow-read=${path}`, `--allow-write=${path}`];

    await t.step("with a path and the two scoped permissions", async () => {
      const args = ["run", "--check", "--no-prompt", ...allow("log"), "main.ts", "log/audit.jsonl"];
      const { code, stdout, stderr } = await deno(args, { cwd, env });
      assertEquals(code, 0, stderr);
      assertEquals(stdout, `${dir.path("log/audit.jsonl")} 0.5\n`);
      assertEquals(linesOf(dir.path("log/audit.manifest.jsonl")).length, 1);
    });

    await t.step("without a path, in the home directory", async () => {
      const home = dir.path("home");
      const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
      const flags = [...allow(join(home, ".scout")), `--allow-env=${variable}`];
      Deno.mkdirSync(home);
      const args = ["run", "--no-prompt", ...flags, "main.ts"];
      const { code, stdout, stderr } = await deno(args, { cwd, env: { ...env, [variable]: home } });
      assertEquals([code, stderr], [0, ""]);
      assertEquals(stdout, `${join(home, ".scout", "audit.jsonl")} 0.5\n`);
    });

    await t.step("as a command with --allow-read of the log's directory", async () => {
      const args = ["spend", "--path", "log/audit.jsonl", "--json"];
      const cli = ["run", "--no-prompt", "--allow-read=log", "jsr:@vivarium/scout/cli", ...args];
      const { code, stdout, stderr } = await deno(cli, { cwd, env });
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout).usd, 0.5);
    });

    await t.step("as a report, rendered by the export and by the command", async () => {
      const args = ["run", "--check", "--no-prompt", "--allow-read=log", "report.ts"];
      const rendered = await deno(args, { cwd, env });
      assertEquals(rendered.code, 0, rendered.stderr);
      const cli = ["run", "--no-prompt", "--allow-read=log", "jsr:@vivarium/scout/cli", "report"];
      const look = ["--path", "log/audit.jsonl", "--out", "-", "--tz", "UTC"];
      const printed = await deno([...cli, ...look], { cwd, env });
      assertEquals([printed.code, printed.stderr], [0, ""]);
      assertEquals(withoutMadeTime(printed.stdout), withoutMadeTime(rendered.stdout));
      assert(printed.stdout.includes('<b id="usd">$0.50</b>'), printed.stdout);
    });
  },
);
