import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative, toFileUrl } from "@std/path";
import { REQUIREMENTS } from "./requirements.ts";
import { runCommand } from "./run_command.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

Deno.test("The top level contains exactly the expected files and folders", () => {
  const allowed = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "deno.json",
    "deno.lock",
    "examples",
    "mod.ts",
    "src",
    "tests",
  ];
  const visible = [...Deno.readDirSync(ROOT)].map(({ name }) => name)
    .filter((name) =>
      !name.startsWith(".") && !["node_modules", "bench.json", "bench.svg"].includes(name)
    );
  assertEquals(visible.sort(), allowed);
});

/** Folders whose files every layer may import. They form the lowest layer, together with most files in src/ itself. */
const LEAF_FOLDERS = ["cost", "fields", "line", "options", "platform"];
/** Maximum number of files in src/ itself. With more files, the entry points would be hard to find. */
const ROOT_FILES_MAX = 12;

// The layers that a file may import, by the layer of the file.
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "cli": [
    "cli",
    "fleet",
    "import",
    "llm",
    "report",
    "log",
    "budget",
    "write",
    "verify",
    "stats",
    "read",
    "metrics",
    "segments",
    "rollup",
    "leaf",
  ],
  "report": [
    "report",
    "log",
    "budget",
    "stats",
    "read",
    "metrics",
    "segments",
    "rollup",
    "leaf",
  ],
  "llm": ["llm", "log", "budget", "write", "leaf"],
  "import": ["import", "llm", "leaf"],
  "fleet": ["fleet", "read", "segments", "leaf"],
  "log": ["log", "budget", "write", "verify", "read", "metrics", "segments", "leaf"],
  "budget": ["budget", "write", "read", "segments", "leaf"],
  "stats": ["stats", "read", "segments", "rollup", "leaf"],
  "verify": ["verify", "read", "segments", "rollup", "leaf"],
  "write": ["write", "segments", "leaf"],
  "read": ["read", "segments", "rollup", "leaf"],
  "segments": ["segments", "rollup", "leaf"],
  "rollup": ["rollup", "leaf"],
  "metrics": ["metrics", "rollup", "leaf"],
  "leaf": ["leaf", "package"],
};

/** Returns the source files that a file imports, including imports of types. */
function importsOf(file: string): string[] {
  return [...Deno.readTextFileSync(file).matchAll(/(?:from |import\()"(\.[^"]+)"/g)]
    .map(([, specifier = ""]) => join(dirname(file), specifier));
}

Deno.test("Imports between layers of src point one way, and the folders write and read do not import each other", () => {
  const files = sourceFiles(join(ROOT, "src"));
  assert(files.length > 20, `only ${files.length} files found`);
  for (const file of files) {
    for (const target of importsOf(file)) {
      assert(
        LAYERS[layerOf(file)]!.includes(layerOf(target)),
        `${relative(ROOT, file)} imports ${relative(ROOT, target)}`,
      );
    }
  }
});

Deno.test("No file imports itself through other files", () => {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const circle = path.indexOf(file);
    const names = [...path, file].slice(circle).map((each) => relative(ROOT, each));
    assert(circle < 0, names.join(" imports "));
    if (done.has(file)) return;
    for (const target of importsOf(file)) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of sourceFiles(join(ROOT, "src"))) visit(file, []);
  assert(done.size > 100, `only ${done.size} files found`);
});

Deno.test("The folder src itself contains the entry points and only a few other files", () => {
  const files = [...Deno.readDirSync(join(ROOT, "src"))].filter(({ isFile }) => isFile);
  assert(files.length > 0 && files.length <= ROOT_FILES_MAX, `${files.length} files`);
});

/**
 * Returns the modules that a module loads. Dynamic imports count only if `isFollowed` returns true for the URL of the
 * module with the import.
 */
async function loadedWith(
  module: string,
  isFollowed: (url: string) => boolean = () => false,
): Promise<Set<string>> {
  const { code, stdout, stderr } = await runCommand(Deno.execPath(), {
    args: ["info", "--json", module],
    cwd: ROOT,
  });
  assertEquals(code, 0, stderr);
  const { roots, modules, redirects } = JSON.parse(stdout);
  const loaded = new Set<string>(roots);
  for (const found of loaded) {
    const dependencies = modules.find(({ specifier }: Module) => specifier === found)?.dependencies;
    for (const { code, isDynamic } of dependencies ?? []) {
      if (code !== undefined && (isDynamic !== true || isFollowed(found))) {
        loaded.add(redirects[code.specifier] ?? code.specifier);
      }
    }
  }
  return loaded;
}

interface Module {
  readonly specifier: string;
}

Deno.test("mod.ts and the command line do not load charts and the fleet, but the exports ./report and ./fleet do", async () => {
  for (const module of ["mod.ts", "src/cli/main.ts"]) {
    // The command line loads each command by a dynamic import.
    const loaded = [...await loadedWith(module, (url) => url.endsWith("/src/cli/commands.ts"))];
    assert(loaded.length > 100, `only ${loaded} found`);
    assertEquals(loaded.filter((name) => /echarts|report\/charts|nats|src\/fleet/.test(name)), []);
  }
  for (
    const [module, name] of [["report", /npm:\/*echarts/], ["fleet", /npm:\/*@nats-io/]] as const
  ) {
    const loaded = [...await loadedWith(`src/${module}/mod.ts`)];
    assert(loaded.some((specifier) => name.test(specifier)), loaded.join("\n"));
  }
});

Deno.test("The exports ./llm and ./import load no npm package except zod, which the core loads too", async () => {
  for (const module of ["src/llm/mod.ts", "src/import/mod.ts"]) {
    const loaded = [...await loadedWith(module)];
    assert(loaded.length > 10, `only ${loaded} found`);
    const packages = loaded.filter((name) => name.startsWith("npm:") && !name.includes("deno-std"));
    assertEquals(packages.filter((name) => !/^npm:\/*zod@/.test(name)), [], module);
  }
});

Deno.test("Only deno_file_system.ts uses Deno's file functions", () => {
  const fileCall =
    /Deno\.(open|lstat|stat|mkdir|rename|link|remove(?!Signal)|readDir|read(Text)?File|write(Text)?File|truncate|FsFile)/;
  const naming = sourceFiles(join(ROOT, "src"))
    .filter((file) => fileCall.test(Deno.readTextFileSync(file)))
    // Examples in documentation may use Deno's file functions, so the lines of doc comments are left out.
    .filter((file) => fileCall.test(Deno.readTextFileSync(file).replaceAll(/^\s*\*.*$/gm, "")))
    .map((file) => relative(ROOT, file).replaceAll("\\", "/"));
  assertEquals(naming, ["src/platform/deno_file_system.ts"]);
});

function layerOf(file: string): string {
  const [first = "", second] = relative(join(ROOT, "src"), file).replaceAll("\\", "/").split("/");
  // The only imported file outside of src is deno.json, from which the name and the version are read.
  if (first === "..") return "package";
  if (second !== undefined) return LEAF_FOLDERS.includes(first) ? "leaf" : first;
  return first.startsWith("audit_") ? "log" : "leaf";
}

function sourceFiles(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap((entry) =>
    entry.isDirectory ? sourceFiles(join(dir, entry.name)) : [join(dir, entry.name)]
  );
}

Deno.test("Everything that an export loads is published", async () => {
  const { exports, publish } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const own = toFileUrl(ROOT).href;
  for (const module of Object.values<string>(exports)) {
    const files = [...await loadedWith(module, () => true)]
      .filter((specifier) => specifier.startsWith(own) && !specifier.startsWith(`${own}.std/`))
      .map((specifier) => specifier.slice(own.length));
    assert(files.length > 10, `only ${files}`);
    const isPublished = (file: string) =>
      publish.include.some((path: string) => file === path || file.startsWith(`${path}/`));
    assertEquals(files.filter((file) => !isPublished(file)), [], module);
  }
});

Deno.test("Only requirements.ts skips a test, so that every skip is listed", () => {
  const skips = /\bignore:|\.(ignore|only|skip)\(|\bonly: true|build\.os[^\n]*\)\s*return;/;
  const skipping = sourceFiles(join(ROOT, "tests"))
    .map((file) => relative(ROOT, file).replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".ts") && !file.startsWith("tests/bench/"))
    .filter((file) => skips.test(Deno.readTextFileSync(join(ROOT, file))));
  assertEquals(skipping, ["tests/requirements.ts"]);
});

Deno.test("Every example with a shebang is executable", () => {
  const scripts = [...Deno.readDirSync(join(ROOT, "examples"))]
    .map(({ name }) => join(ROOT, "examples", name))
    .filter((file) => file.endsWith(".ts") && Deno.readTextFileSync(file).startsWith("#!"));
  assert(scripts.length > 10, `only ${scripts}`);
  // Windows has no executable mode.
  const isExecutable = (file: string) => ((Deno.statSync(file).mode ?? 0o111) & 0o111) !== 0;
  assertEquals(scripts.filter((file) => !isExecutable(file)), []);
});

Deno.test("Every test file registers a test", () => {
  const files = sourceFiles(join(ROOT, "tests")).filter((file) => file.endsWith("_test.ts"));
  assert(files.length > 100, `only ${files.length} files found`);
  const registering = /^\s*(?:await )?(?:Deno\.test|\w*[Tt]est\w*)\(/m;
  const empty = files.filter((file) => !registering.test(Deno.readTextFileSync(file)));
  assertEquals(empty, []);
});

Deno.test("A test that runs an uncommon tool names this tool as a requirement", () => {
  const small = new Set(["sh", "cat", "cp"]);
  for (const file of sourceFiles(join(ROOT, "tests")).filter((file) => file.endsWith(".ts"))) {
    if (relative(ROOT, file).replaceAll("\\", "/").startsWith("tests/bench/")) continue;
    const text = Deno.readTextFileSync(file);
    for (const [, tool = ""] of text.matchAll(/(?:runCommand|new Deno\.Command)\(\s*"([^"]+)"/g)) {
      if (small.has(tool)) continue;
      assert(tool in REQUIREMENTS || tool === "unshare", `${file} runs ${tool}`);
    }
  }
});

Deno.test("The documentation does not show internal members", async () => {
  for (
    const module of [
      "mod.ts",
      ...["report", "fleet", "llm", "import"].map((name) => `src/${name}/mod.ts`),
    ]
  ) {
    const args = ["doc", module];
    const env = { NO_COLOR: "1" };
    const { code, stdout, stderr } = await runCommand(Deno.execPath(), { args, cwd: ROOT, env });
    assertEquals(code, 0, stderr);
    assert(stdout.length > 1_000, stdout);
    const internal = stdout.split("\n").filter((line) =>
      /@?internal\b|private constructor|\b(Platform|ResolvedOptions|LogSink|openLogOn)\b/.test(line)
    );
    assertEquals(internal, [], module);
  }
});
