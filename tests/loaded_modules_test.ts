/**
 * Tests which modules a program loads, because each module that it does not need delays its start.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const PROGRAM = join(ROOT, "tests", "programs", "loads.ts");

/** The modules that a program has loaded. */
interface Loaded {
  /** The files of this library, as paths below its directory. */
  readonly files: string[];
  /** The npm packages, except those that this repository uses in place of `@std` packages. */
  readonly packages: string[];
  /** The built-in modules of Node.js that take long to load. */
  readonly builtIns: string[];
}

/** The built-in modules that take half as long to load as an empty program runs, or longer. */
const SLOW_BUILT_INS = ["crypto", "fs", "process", "zlib"];

/** Runs `loads.ts` and returns the modules that were loaded for its action. */
async function loadedBy(action: readonly string[], dir: string): Promise<Loaded> {
  const flags = [`--allow-read=${dir}`, `--allow-write=${dir}`, "--allow-sys"];
  const { code, stdout, stderr } = await runProgram(PROGRAM, { dir, args: action, flags });
  assertEquals(code, 0, stderr);
  const urls: string[] = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  const own = new URL("..", import.meta.url).href;
  return {
    files: urls.filter((url) => url.startsWith(`${own}src/`) || url === `${own}mod.ts`)
      .map((url) => url.slice(own.length)),
    packages: matched(urls, /\/registry\.npmjs\.org\/((?:@[^/]+\/)?[^/]+)\//)
      .filter((name) => name !== "deno-std"),
    builtIns: matched(urls, /^ext:deno_node\/(\w+)\.(?:ts|js|mjs)$/)
      .filter((name) => SLOW_BUILT_INS.includes(name)),
  };
}

/** Returns what the first group of a pattern matches in the texts: each match once, in alphabetical order. */
function matched(texts: readonly string[], pattern: RegExp): string[] {
  return [...new Set(texts.flatMap((text) => pattern.exec(text)?.[1] ?? []))].sort();
}

const OPTIQUE = "@optique/core";
const WIDTHS = ["ansi-regex", "get-east-asian-width", "string-width", "strip-ansi"];
const COMMANDS = /^src\/(cli|report|fleet|llm|import)\//;
const NOT_FOR_READING =
  /^src\/(audit_log\.ts|write|report|fleet|llm|import|cli\/import|cli\/runner)/;

/** What a program may load for one action. */
interface Limits {
  /** The maximum number of files of this library. If fewer are loaded, lower it. */
  readonly filesMax: number;
  /** Files of this library that must not be loaded. */
  readonly forbidden: RegExp;
  readonly packages: readonly string[];
}

const LIMITS: readonly [action: readonly string[], limits: Limits][] = [
  [["import"], { filesMax: 164, forbidden: COMMANDS, packages: [] }],
  [["log", "LOG"], { filesMax: 165, forbidden: COMMANDS, packages: ["zod"] }],
  ...([["spend", 120], ["status", 129], ["tail", 118], ["query", 117]] as const).map((
    [command, filesMax],
  ): [string[], Limits] => [
    ["scout", command, "LOG"],
    { filesMax, forbidden: NOT_FOR_READING, packages: [OPTIQUE, ...WIDTHS] },
  ]),
];

for (const [action, { filesMax, forbidden, packages }] of LIMITS) {
  const name = action[0] === "import" ? 'import "."' : action.join(" ");
  Deno.test(`The action ${name} loads few modules, and none of the slow built-in modules`, async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    if (action[0] === "scout") Deno.writeTextFileSync(path, EVENT);
    const args = action.map((arg) => arg === "LOG" ? path : arg);
    const loaded = await loadedBy(args, dir.path(""));
    assertEquals(loaded.files.filter((file) => forbidden.test(file)), []);
    assertEquals([loaded.packages, loaded.builtIns], [packages, []]);
    const { length } = loaded.files;
    assert(length > 90 && length <= filesMax, `${length} files:\n${loaded.files.join("\n")}`);
  });
}

const EVENT = '{"ts":"2026-02-13T14:30:22.123Z","event":"nav","cost":0.002,"model":"small"}\n';

Deno.test("The list of loaded modules contains node:crypto if a log is verified", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  Deno.writeTextFileSync(path, EVENT);
  const { builtIns } = await loadedBy(["scout", "verify", path], dir.path(""));
  assert(builtIns.includes("crypto"), builtIns.join());
});
