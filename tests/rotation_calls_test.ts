import { assert, assertEquals } from "@std/assert";
import { basename, fromFileUrl } from "@std/path";
import { testNeeding } from "./requirements.ts";
import { runProgram } from "./run_program.ts";
import { type SystemCall, systemCalls } from "./strace.ts";
import { tempDir } from "./temp_dir.ts";

const SEALS_ONCE = fromFileUrl(new URL("./programs/seals_once.ts", import.meta.url));
const CALLS = "fdatasync,fsync,rename,renameat,renameat2,link,linkat,unlink,unlinkat";

// The system calls of a rotation. Each call must end before the next one begins. Other calls may come in between.
const ORDER = [
  "sync active",
  "rename active sealed",
  "sync directory",
  "sync unfinished",
  "link unfinished archive",
  "sync directory",
  "sync manifest",
  "rename sealed unfinished",
  "unlink unfinished",
  "sync directory",
];

await testNeeding(
  "strace",
  "AuditLog.rotate() syncs each step before the next step relies on it",
  async () => {
    using dir = tempDir();
    const trace = dir.path("trace");
    const result = await runProgram(SEALS_ONCE, {
      dir: dir.path(""),
      args: [dir.path("audit.jsonl")],
      strace: ["-f", "-qq", "-y", "-o", trace, "-e", `trace=${CALLS}`],
    });
    assertEquals(result.code, 0, result.stderr);
    const text = Deno.readTextFileSync(trace);
    const directory = dir.path("");
    const calls = systemCalls(text)
      .filter(({ paths }) => paths.some((path) => `${path}/`.startsWith(directory)));
    assertEquals(calls.filter((call) => call.result !== "0"), [], text);
    let over = -1;
    for (const step of ORDER) {
      const call = calls.find((call) => call.began > over && stepOf(call) === step);
      assert(call !== undefined, `no "${step}" after line ${over + 1} of the trace:\n${text}`);
      over = call.ended;
    }
    const count = (step: string) => calls.filter((call) => stepOf(call) === step).length;
    for (
      const once of ["rename active sealed", "link unfinished archive", "rename sealed unfinished"]
    ) {
      assertEquals(count(once), 1, text);
    }
  },
);

/**
 * Describes a system call by its name and the roles of its files, such as "rename active sealed": the active file is
 * renamed to a segment.
 */
function stepOf({ name, paths }: SystemCall): string {
  const verb = name.replace(/^f(data)?sync$/, "sync").replace(/at2?$/, "");
  return [verb, ...paths.map(roleOf)].join(" ");
}

function roleOf(path: string): string {
  const name = basename(path);
  if (name === "audit.jsonl") return "active";
  if (name === "audit.manifest.jsonl") return "manifest";
  if (name.endsWith(".new.tmp")) return "temporary";
  const [, suffix] = /^audit_\d{8}_\d{6}\.jsonl(.*)$/.exec(name) ?? [];
  if (suffix === undefined) return Deno.statSync(path).isDirectory ? "directory" : name;
  return suffix === "" ? "sealed" : suffix === ".gz" ? "archive" : "unfinished";
}
