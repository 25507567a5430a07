/**
 * Several processes share one budget, rotate their log and remove its archives, while some of the processes are killed.
 * The lines are checked by a replay that shares no code with the library.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { gunzipSync } from "node:zlib";
import { sampledTest } from "../extent.ts";
import { programArgs } from "../run_program.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { type Line, replay, type SeenRefusal } from "./replay.ts";

const HOLDS = fromFileUrl(new URL("../programs/holds.ts", import.meta.url));

/** Copies each archive of a log before retention removes it. */
class ArchiveKeeper implements AsyncDisposable {
  readonly #watcher: Deno.FsWatcher;
  readonly #watching: Promise<void>;
  readonly #from: string;
  readonly #to: string;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
    Deno.mkdirSync(to);
    this.#watcher = Deno.watchFs(from, { recursive: false });
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    for await (const _change of this.#watcher) this.#copy();
  }

  #copy(): void {
    for (const { name } of Deno.readDirSync(this.#from)) {
      if (!/^audit_\d+_\d+\.jsonl\.gz$/.test(name) || exists(`${this.#to}/${name}`)) continue;
      Deno.copyFileSync(`${this.#from}/${name}`, `${this.#to}/${name}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher.close();
    await this.#watching;
    this.#copy();
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Returns all lines that the log ever had: of the kept archives, of the segments, and of the active file. */
function linesOf(log: string, kept: string): Line[] {
  const archives = new Set([...Deno.readDirSync(kept)].map(({ name }) => name));
  for (const line of textOf(`${log}/audit.manifest.jsonl`).trimEnd().split("\n")) {
    const { archive } = JSON.parse(line);
    assert(archive === undefined || archives.has(archive), `${archive} was not kept`);
  }
  const sealed = [...Deno.readDirSync(log)].map(({ name }) => name)
    .filter((name) => /^audit_\d+_\d+\.jsonl$/.test(name) && !archives.has(`${name}.gz`));
  const segments = [...archives, ...sealed].sort();
  const paths = segments.map((name) => `${name.endsWith(".gz") ? kept : log}/${name}`);
  // If the last rotation was the last write, there is no active file.
  const active = [`${log}/audit.jsonl`].filter(exists);
  return [...paths, ...active].map(textOf).join("").trimEnd().split("\n")
    .map((line) => JSON.parse(line));
}

function textOf(path: string): string {
  const bytes = Deno.readFileSync(path);
  return new TextDecoder().decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

/** The sizes of a run. */
interface RunSizes {
  readonly processes: number;
  readonly agents: number;
  readonly calls: number;
  readonly usd: number;
}

/**
 * Runs the processes, of which two are killed and started again. Resolves with the number of refused holds in the
 * processes that were not killed.
 */
async function run(dir: TempDir, { processes, agents, calls, usd }: RunSizes): Promise<number> {
  const path = dir.path("log/audit.jsonl");
  const start = (name: string) => {
    const sizes = [agents, calls, usd].map(String);
    const args = programArgs(HOLDS, {
      dir: dir.path(""),
      args: [path, dir.path(`refused_${name}`), ...sizes],
    });
    return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
  };
  const killed = [start("killed_1"), start("killed_2")];
  const others = Array.from({ length: processes - killed.length }, (_, n) => start(`${n}`));
  for (const [n, process] of killed.entries()) {
    // The first output shows that the process was granted some holds; the test then kills it.
    const told = process.stdout.getReader();
    await told.read();
    process.kill("SIGKILL");
    await Promise.all([told.cancel(), process.stderr.cancel(), process.status]);
    others.push(start(`restarted_${n}`));
  }
  const decoder = new TextDecoder();
  let refused = 0;
  for (const { code, stdout, stderr } of await Promise.all(others.map((each) => each.output()))) {
    assertEquals(code, 0, decoder.decode(stderr));
    refused += JSON.parse(decoder.decode(stdout).trim().split("\n").at(-1)!).refused;
  }
  return refused;
}

/**
 * Returns the refused holds that all processes have recorded. Leaves out an incomplete last line, because a killed
 * process may have left one.
 */
function refusalsIn(dir: TempDir): SeenRefusal[] {
  return [...Deno.readDirSync(dir.path(""))].filter(({ name }) => name.startsWith("refused_"))
    .flatMap(({ name }) => textOf(dir.path(name)).split("\n").slice(0, -1))
    .map((line) => JSON.parse(line));
}

await sampledTest(
  "Budgets are not exceeded by several processes that rotate and prune the log, even if some are killed",
  1 / 64,
  async ({ share }) => {
    const sizes = share === 1
      ? { processes: 8, agents: 64, calls: 40, usd: 60 }
      : { processes: 4, agents: 8, calls: 40, usd: 5 };
    using dir = tempDir();
    Deno.mkdirSync(dir.path("log"));
    let refused: number;
    {
      await using _keeper = new ArchiveKeeper(dir.path("log"), dir.path("kept"));
      refused = await run(dir, sizes);
    }
    const limit = BigInt(sizes.usd) * 1_000_000_000n;
    const lines = linesOf(dir.path("log"), dir.path("kept"));
    const found = replay(lines, refusalsIn(dir), limit);
    const { faults, granted, charged, tickets } = found;
    const isWhole = share === 1;
    const counts = `${granted} granted, ${refused} refused, ${charged} charged, ${tickets} tickets`;
    assertEquals(faults.slice(0, 5), [], `${faults.length} faults; ${counts}`);
    assert(refused >= (isWhole ? 1_000 : 100), counts);
    assert(granted >= (isWhole ? 10_000 : 50), counts);
    assert(charged >= limit * 95n / 100n, counts);
    // A hold that waits writes a `budget_wait` line after a second. The short run may end earlier, so only the long run
    // must have such lines.
    assert(!isWhole || tickets >= 100, counts);
  },
);
