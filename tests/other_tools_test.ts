import { assert, assertEquals } from "@std/assert";
import { AuditLog } from "@vivarium/scout";
import { testNeeding } from "./requirements.ts";
import { runCommand } from "./run_command.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

/**
 * For each tool, a command that reads all files of the log and prints one line per event, in the order of the log. jq
 * and Python print the number of the event; the command with gzip prints "{".
 */
const READERS: readonly [tool: "gzip" | "jq" | "python3", command: string][] = [
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
  await testNeeding(
    tool === "gzip" ? tool : [tool, "gzip"],
    `AuditLog writes files that ${tool} reads, and names archives so that the Python report finds them`,
    async () => {
      using dir = tempDir();
      await makeLog(dir);
      const args = ["-ec", command];
      const { stdout, stderr } = await runCommand("sh", { args, cwd: dir.path("") });
      assertEquals(stderr, "");
      const lines = stdout.split("\n").slice(0, -1);
      assertEquals(lines, Array.from({ length: COUNT }, (_, n) => tool === "gzip" ? "{" : `${n}`));
    },
  );
}

async function makeLog(dir: TempDir): Promise<void> {
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path, rotationSizeBytes: 5_000 });
    for (let n = 0; n < COUNT; n++) await log.log("nav", { n, text: 'é "日本"\n' });
  }
  const archives = [...Deno.readDirSync(dir.path(""))].filter(({ name }) => name.endsWith(".gz"));
  assert(archives.length > 5, `only ${archives.length} archives`);
}
