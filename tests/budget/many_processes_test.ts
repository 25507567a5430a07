/**
 * Several processes share one budget, and some of them are killed. The log is checked by a replay of its lines that
 * shares no code with the library.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { gunzipSync } from "node:zlib";
import { programArgs } from "../run_program.ts";
import { sampledTest } from "../extent.ts";
import { tempDir } from "../temp_dir.ts";

const HOLDS = fromFileUrl(new URL("../programs/holds.ts", import.meta.url));
const LIMIT = 1_000_000_000n;

/** Returns the lines of a log, oldest first. */
function linesIn(dir: string): Record<string, unknown>[] {
  const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  const sealed = names.filter((name) => /^audit_\d+_\d+\.jsonl(\.gz)?$/.test(name));
  // While a segment is archived, it is there in both forms.
  const segments = sealed.filter((name) => !sealed.includes(`${name}.gz`));
  const text = [...segments, "audit.jsonl"].map((name) => {
    const bytes = Deno.readFileSync(`${dir}/${name}`);
    return new TextDecoder().decode(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  }).join("");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

function parts(usd: unknown): bigint {
  return BigInt(Math.round(Number(usd) * 1e9));
}

await sampledTest(
  "Budgets hold for several processes that rotate the log, while some of them are killed",
  1 / 4,
  async (extent) => {
    for (let round = 0; round < extent.of(4); round++) await share(extent.share === 1 ? 4 : 1);
  },
);

/** Runs the processes, and checks their log. */
async function share(scale: number): Promise<void> {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const sizes = [`${12 * scale}`, `${40 * scale}`];
  const start = () => {
    const args = programArgs(HOLDS, { dir: dir.path(""), args: [path, ...sizes] });
    return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
  };
  const killed = start();
  const others = Array.from({ length: 3 + scale }, start);
  // The first process is killed as soon as it has held something.
  const told = killed.stdout.getReader();
  await told.read();
  killed.kill("SIGKILL");
  others.push(start());
  const results = await Promise.all(others.map((each) => each.output()));
  await Promise.all([told.cancel(), killed.stderr.cancel(), killed.status]);
  const decoder = new TextDecoder();
  const counts = results.map(({ code, stdout, stderr }) => {
    assertEquals(code, 0, decoder.decode(stderr));
    const last = decoder.decode(stdout).trim().split("\n").at(-1)!;
    return JSON.parse(last) as { granted: number; refused: number };
  });
  const open = new Map<unknown, bigint>();
  let spent = 0n;
  let most = 0n;
  let granted = 0;
  for (const { event, hold, hold_usd, cost } of linesIn(dir.path(""))) {
    if (event === "budget_hold") {
      granted++;
      open.set(hold, parts(hold_usd));
    } else if (event === "budget_charge") spent += open.get(hold)!;
    else if (cost !== undefined) spent += parts(cost);
    if (event !== "budget_hold") open.delete(hold);
    const held = open.values().reduce((sum, amount) => sum + amount, 0n);
    assert(spent + held <= LIMIT, `${spent} spent and ${held} held`);
    if (spent + held > most) most = spent + held;
  }
  const sum = counts.reduce((sum, each) => sum + each.granted, 0);
  assert(granted >= sum, `${granted} holds in the log, but ${sum} were granted`);
  assert(counts.every(({ refused }) => refused > 0) && most > LIMIT * 95n / 100n, `${most}`);
}
