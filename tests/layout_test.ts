import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

Deno.test("The top level holds what belongs there and nothing else", () => {
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

// What a file may import, by the layer that it is in; leaves are the files directly in src/.
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "cli": ["cli", "log", "write", "verify", "read", "metrics", "segments", "leaf", "package"],
  "log": ["log", "write", "verify", "read", "metrics", "segments", "leaf"],
  "verify": ["verify", "read", "segments", "leaf"],
  "write": ["write", "segments", "leaf"],
  "read": ["read", "segments", "leaf"],
  "segments": ["segments", "leaf"],
  "metrics": ["metrics", "leaf"],
  "leaf": ["leaf"],
};

Deno.test("Imports point one way, and write and read never meet", () => {
  const files = sourceFiles(join(ROOT, "src"));
  assert(files.length > 20, `only ${files.length} files found`);
  for (const file of files) {
    for (const [, specifier = ""] of Deno.readTextFileSync(file).matchAll(/from "(\.[^"]+)"/g)) {
      const target = join(dirname(file), specifier);
      assert(
        LAYERS[layerOf(file)]!.includes(layerOf(target)),
        `${relative(ROOT, file)} imports ${relative(ROOT, target)}`,
      );
    }
  }
});

Deno.test("Only deno_file_system.ts names Deno's file calls", () => {
  const fileCall =
    /Deno\.(open|lstat|stat|mkdir|rename|link|remove(?!Signal)|readDir|read(Text)?File|write(Text)?File|truncate|FsFile)/;
  const naming = sourceFiles(join(ROOT, "src"))
    .filter((file) => fileCall.test(Deno.readTextFileSync(file)))
    // Examples in documentation are the reader's code.
    .filter((file) => fileCall.test(Deno.readTextFileSync(file).replaceAll(/^\s*\*.*$/gm, "")))
    .map((file) => relative(ROOT, file).replaceAll("\\", "/"));
  assertEquals(naming, ["src/deno_file_system.ts"]);
});

function layerOf(file: string): string {
  const [first = "", second] = relative(join(ROOT, "src"), file).replaceAll("\\", "/").split("/");
  // Of the top level: its name and version.
  if (first === "..") return "package";
  if (second !== undefined) return first;
  return ["audit_log.ts", "audit_reader.ts"].includes(first) ? "log" : "leaf";
}

function sourceFiles(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap((entry) =>
    entry.isDirectory ? sourceFiles(join(dir, entry.name)) : [join(dir, entry.name)]
  );
}
