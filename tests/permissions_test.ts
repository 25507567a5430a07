import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

const WHOLE_API = fromFileUrl(new URL("./programs/whole_api.ts", import.meta.url));

Deno.test("The whole API works with --allow-read=DIR --allow-write=DIR alone", async () => {
  using dir = tempDir();
  const path = dir.path("deeper/audit.jsonl");
  const result = await runProgram(WHOLE_API, { dir: dir.path(""), args: [path] });
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stderr, "");
  assertEquals(JSON.parse(result.stdout), {
    sessionIsShared: true,
    events: 2,
    last: 1,
    spend: 0.5,
    accuracy: 100,
    gate: 0,
  });
  // Two events are in an archive. The third was logged after the rotation.
  assertEquals(linesOf(path).length, 1);
  assertEquals(linesOf(dir.path("deeper/audit.manifest.jsonl")).length, 1);
});

Deno.test("The whole API works in a missing directory a/b with permissions for a/b alone, even if a is missing too", async () => {
  using dir = tempDir();
  const path = dir.path("a/b/audit.jsonl");
  const directory = dir.path("a/b");
  const flags = [`--allow-read=${directory}`, `--allow-write=${directory}`];
  const result = await runProgram(WHOLE_API, { dir: "", args: [path], flags });
  assertEquals([result.code, result.stderr], [0, ""]);
  assertEquals(linesOf(path).length, 1);
});

Deno.test("AuditLog.open() names the missing flags", async (t) => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const directory = dir.path(".").replace(/[/\\]\.?$/, "");
  for (const flags of [[], [`--allow-read=${directory}`], [`--allow-write=${directory}`]]) {
    await t.step(`with ${flags.join(" ") || "no flag"}`, async () => {
      const result = await runProgram(WHOLE_API, { dir: "", args: [path], flags });
      assertEquals(result.code, 1);
      assertStringIncludes(
        result.stderr,
        `Cannot open audit log: run again with --allow-read=${directory} --allow-write=${directory}`,
      );
    });
  }
});

Deno.test("AuditLog.open() without a path names the environment variable that it must be allowed to read", async () => {
  using dir = tempDir();
  const program = dir.path("main.ts");
  const module = new URL("../mod.ts", import.meta.url);
  Deno.writeTextFileSync(program, `import { AuditLog } from "${module}"; await AuditLog.open();`);
  const result = await runProgram(program, { dir: "", args: [], flags: [] });
  const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
  assertEquals(result.code, 1);
  assertStringIncludes(result.stderr, `run again with --allow-env=${variable}`);
});

Deno.test("Importing the module does not need any permission", async () => {
  using dir = tempDir();
  const program = dir.path("main.ts");
  const module = new URL("../mod.ts", import.meta.url);
  Deno.writeTextFileSync(program, `import * as scout from "${module}"; console.log(typeof scout);`);
  const result = await runProgram(program, { dir: "", args: [], flags: [] });
  assertEquals([result.code, result.stdout], [0, "object\n"], result.stderr);
});
