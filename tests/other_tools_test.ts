import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** The glob of the Python report; what each tool prints is the number of each event, in order. */
const READERS: readonly [tool: string, command: string][] = [
  ["gzip", "gzip -t audit_*.jsonl.gz && zcat audit_*.jsonl.gz | cat - audit.jsonl | tr -dc '{\\n'"],
  ["jq", "zcat audit_*.jsonl.gz | cat - audit.jsonl | jq -c .n"],
  [
    "python3",
    `python3 -c '
import glob, gzip, json
for path in sorted(glob.glob("audit_*.jsonl.gz")) + ["audit.jsonl"]:
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        for line in file:
            print(json.loads(line)["n"])
'`,
  ],
];

const COUNT = 300;

for (const [tool, command] of READERS) {
  Deno.test({
    name: `AuditLog leaves files that ${tool} reads, archives by the glob of the Python report`,
    // What is read, not whether the tool is installed, is the point; CI has them all on Linux.
    ignore: !await hasTool(tool),
    async fn() {
      using dir = tempDir();
      await makeLog(dir);
      const args = ["-ec", command];
      const output = await new Deno.Command("sh", { args, cwd: dir.path("") }).output();
      assertEquals(new TextDecoder().decode(output.stderr), "");
      const lines = new TextDecoder().decode(output.stdout).split("\n").slice(0, -1);
      assertEquals(lines, Array.from({ length: COUNT }, (_, n) => tool === "gzip" ? "{" : `${n}`));
    },
  });
}

Deno.test({
  name: "lnav reads times, types and costs by the format of the examples",
  // Few machines have it; what it reads is the format that those of the other tools read too.
  ignore: !await hasTool("lnav"),
  async fn() {
    using dir = tempDir();
    await makeLog(dir);
    const lnav = async (...args: readonly string[]) => {
      const env = { HOME: dir.path("home"), XDG_CONFIG_HOME: dir.path("home") };
      const output = await new Deno.Command("lnav", { args: [...args], cwd: dir.path(""), env })
        .output();
      return new TextDecoder().decode(output.stdout);
    };
    Deno.mkdirSync(dir.path("home"));
    await lnav("-i", fromFileUrl(new URL("../examples/lnav/scout_log.json", import.meta.url)));
    const sql = ";SELECT event, count(*), min(log_level) FROM scout_log GROUP BY event";
    const archives = [...Deno.readDirSync(dir.path(""))].map(({ name }) => name)
      .filter((name) => name.endsWith(".gz"));
    const table = await lnav("-n", "-c", sql, ...archives, "audit.jsonl");
    assertMatch(table, new RegExp(`nav +${COUNT} `));
  },
});

async function makeLog(dir: TempDir): Promise<void> {
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path, rotationSizeBytes: 5_000 });
    for (let n = 0; n < COUNT; n++) await log.log("nav", { n, text: 'é "日本"\n' });
  }
  const archives = [...Deno.readDirSync(dir.path(""))].filter(({ name }) => name.endsWith(".gz"));
  assert(archives.length > 5, `only ${archives.length} archives`);
}

async function hasTool(tool: string): Promise<boolean> {
  if (Deno.build.os === "windows") return false;
  const args = ["-c", `command -v ${tool}`];
  return (await new Deno.Command("sh", { args, stdout: "null" }).output()).success;
}
