/**
 * A `killed_writer.ts` in a process of its own, killed by strace at the n-th call of a kind on the
 * files of its log.
 *
 * strace is let at the writer when its modules are loaded, as loading them is most of what it does
 * and takes twice as long under strace. (The filter in the kernel, `--seccomp-bpf`, would help too, but
 * with it strace 6.1 injects no signal.)
 *
 * strace counts the calls of each thread by itself and kills at the first thread to come to the
 * n-th. So the n that occur are those up to the most calls of one thread, each is another moment, and
 * when one thread makes all calls each call is one. A call that is killed is not carried out.
 *
 * @module
 */
import { fromFileUrl, join } from "@std/path";
import type { Plan } from "../programs/killed_writer.ts";
import { programArgs } from "../run_program.ts";
import { attach } from "../strace.ts";
import { Violation } from "./harness.ts";
import { ACTIVE } from "./real_oracle.ts";

const PROGRAM = fromFileUrl(new URL("../programs/killed_writer.ts", import.meta.url));

/** The calls to be killed at; not every machine has each of them, which "?" allows. */
const CALLS = [
  "write",
  "pwrite64",
  "writev",
  "fsync",
  "fdatasync",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "unlink",
  "unlinkat",
  "open",
  "openat",
  "flock",
  "ftruncate",
];

/** How long a writer may take that needs a second. */
const HUNG_MS = 60_000;
/** Without threads of its own V8 starts, and is looked at by strace, in a sixth less time. */
const V8_FLAGS = "--v8-flags=--single-threaded";

/** A call to be killed at. */
export interface KillPoint {
  readonly call: string;
  /** Which of these calls on the log's files, from 1. */
  readonly nth: number;
  /** Name of the file that it was about when nobody was killed; "." is the directory. */
  readonly file: string;
}

/** What a writer does with its log's files when nobody kills it. */
export interface DryRun {
  readonly points: readonly KillPoint[];
  /** Names of the files; "." is the directory. */
  readonly files: readonly string[];
  readonly told: string;
}

/** What became of a writer. */
export interface Outcome {
  readonly wasKilled: boolean;
  /** What it told; see `killed_writer.ts`. */
  readonly told: string;
}

/** Lets a writer work in the directory to its end, and takes down its calls in the file `trace`. */
export async function dryRun(directory: string, trace: string, plan: Plan): Promise<DryRun> {
  const traced = CALLS.map((call) => `?${call}`).join(",");
  const strace = ["-y", "-o", trace, `-etrace=${traced}`];
  const { wasKilled, told } = await run(directory, plan, { strace });
  if (wasKilled) throw new Violation("other", "a writer died that nobody killed");
  const calls = callsIn(Deno.readTextFileSync(trace), directory);
  return { points: killPoints(calls), files: [...new Set(calls.map(({ file }) => file))], told };
}

/** When to kill a writer. */
export interface Until extends Pick<KillPoint, "call" | "nth"> {
  /** The files of the log, from its dry run. */
  readonly files: readonly string[];
  /** Milliseconds after which it counts as hung. */
  readonly hungMs?: number;
}

/**
 * Lets a writer work in the directory until it is killed, or to its end if it does not come there.
 *
 * @throws {Violation} for one that hangs or fails.
 */
export function runUntil(directory: string, plan: Plan, until: Until): Promise<Outcome> {
  const { call, nth, files, hungMs } = until;
  const paths = files.flatMap((file) => ["-P", join(directory, file)]);
  const inject = [`-etrace=${call}`, `-einject=${call}:signal=SIGKILL:when=${nth}`];
  return run(directory, plan, { strace: ["-o", "/dev/null", ...paths, ...inject], hungMs });
}

/** A call on a file of the log. */
interface Call {
  readonly thread: string;
  readonly call: string;
  readonly file: string;
}

/** The calls of a trace on the directory and what is in it, in the order in which they began. */
export function callsIn(trace: string, directory: string): Call[] {
  return trace.split("\n").flatMap((line) => {
    const [, thread = "", call] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
    if (call === undefined) return [];
    const at = line.indexOf(directory);
    if (at < 0) return [];
    const [, file = "."] = /^\/([^">]+)/.exec(line.slice(at + directory.length)) ?? [];
    return [{ thread, call, file }];
  });
}

/** Each call up to the most that one thread makes of the kind. */
export function killPoints(calls: readonly Call[]): KillPoint[] {
  const byKind = Map.groupBy(calls, ({ call }) => call);
  return [...byKind].flatMap(([call, calls]) => {
    const byThread = [...Map.groupBy(calls, ({ thread }) => thread).values()];
    const most = byThread.reduce((most, calls) => calls.length > most.length ? calls : most, []);
    return most.map(({ file }, index) => ({ call, nth: index + 1, file }));
  });
}

async function run(
  directory: string,
  plan: Plan,
  { strace, hungMs = HUNG_MS }: { strace: readonly string[]; hungMs?: number | undefined },
): Promise<Outcome> {
  const args = [join(directory, ACTIVE), JSON.stringify(plan)];
  const flags = [`--allow-read=${directory}`, `--allow-write=${directory}`, V8_FLAGS];
  const victim = new Deno.Command(Deno.execPath(), {
    args: programArgs(PROGRAM, { dir: directory, args, flags }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isHung = false;
  const timer = setTimeout(() => {
    isHung = true;
    victim.kill("SIGKILL");
  }, hungMs);
  const [told, status, stderr] = await Promise.all([
    direct(victim, strace),
    victim.status,
    victim.stderr.text(),
  ]);
  clearTimeout(timer);
  if (isHung) throw new Violation("hung", `a writer did not end; it told: ${told.slice(-200)}`);
  const wasKilled = status.signal === "SIGKILL";
  if (wasKilled || status.success) return { wasKilled, told };
  throw new Violation("other", `a writer ended with code ${status.code}: ${stderr}`);
}

/** Lets strace at the writer when it is ready, and lets it begin; gives what it told to its end. */
async function direct(victim: Deno.ChildProcess, strace: readonly string[]): Promise<string> {
  const ready = Promise.withResolvers<void>();
  let told = "";
  const telling = victim.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(text) {
        told += text;
        ready.resolve();
      },
    }),
  ).finally(ready.resolve);
  await ready.promise;
  const begin = victim.stdin.getWriter();
  if (told === "") {
    // It died before it was ready, of which its status tells.
    await Promise.all([begin.close(), telling]);
    return told;
  }
  const tracer = await attach(victim.pid, strace);
  await begin.write(new Uint8Array(1));
  await Promise.all([begin.close(), telling, tracer.ended]);
  if (tracer.isAttached) return told;
  throw new Error("strace did not attach to a writer");
}
