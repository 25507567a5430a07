/**
 * Runs `killed_writer.ts` in a separate process, and kills it with strace at the n-th call of a kind on the files of
 * its log.
 *
 * strace is attached only after the writer has loaded its modules, because loading takes most of the time, and twice
 * as long under strace. (The filter in the kernel, `--seccomp-bpf`, would help too, but with it strace 6.1 injects no
 * signal.)
 *
 * strace counts the calls of each thread separately, and kills the process when the first thread reaches the n-th
 * call. So the useful values of n go up to the largest count of one thread, and each is a different moment. If one
 * thread makes all calls, each call is one kill point. The call at which the process is killed is not executed.
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

/**
 * The system calls at which a writer is killed. Not every machine has all of them, so strace gets each name with the
 * prefix "?", which makes strace ignore missing ones.
 */
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

/** Time in milliseconds after which a writer counts as hung. A writer normally ends within a second. */
const HUNG_MS = 60_000;
/** V8 runs without its own threads. Starting the process and attaching strace then take a sixth less time. */
const V8_FLAGS = "--v8-flags=--single-threaded";

/** A call at which to kill a writer. */
export interface KillPoint {
  readonly call: string;
  /** Number of the call among those of its kind on the log's files, from 1. */
  readonly nth: number;
  /** Name of the file that the call accessed in a run without a kill; "." is the directory. */
  readonly file: string;
}

/** The calls of a writer on its log's files, recorded without a kill. */
export interface DryRun {
  readonly points: readonly KillPoint[];
  /** Names of the files; "." is the directory. */
  readonly files: readonly string[];
  readonly told: string;
}

/** The result of a run. */
export interface Outcome {
  readonly wasKilled: boolean;
  /** The writer's output, in the form that `killed_writer.ts` describes. */
  readonly told: string;
}

/** Runs a writer in the directory until it ends, and records its calls in the file `trace`. */
export async function dryRun(directory: string, trace: string, plan: Plan): Promise<DryRun> {
  const traced = CALLS.map((call) => `?${call}`).join(",");
  const strace = ["-y", "-o", trace, `-etrace=${traced}`];
  const { wasKilled, told } = await run(directory, plan, { strace });
  if (wasKilled) throw new Violation("other", "a writer was killed unexpectedly");
  const calls = callsIn(Deno.readTextFileSync(trace), directory);
  return { points: killPoints(calls), files: [...new Set(calls.map(({ file }) => file))], told };
}

/** The call at which to kill a writer. */
export interface Until extends Pick<KillPoint, "call" | "nth"> {
  /** Names of the log's files, found by a run without a kill. */
  readonly files: readonly string[];
  /** Time in milliseconds after which the writer counts as hung. */
  readonly hungMs?: number;
}

/**
 * Runs a writer in the directory until it is killed, or until it ends if it does not reach the call.
 *
 * @throws {Violation} If the writer hangs or fails.
 */
export function runUntil(directory: string, plan: Plan, until: Until): Promise<Outcome> {
  const { call, nth, files, hungMs } = until;
  const paths = files.flatMap((file) => ["-P", join(directory, file)]);
  const inject = [`-etrace=${call}`, `-einject=${call}:signal=SIGKILL:when=${nth}`];
  return run(directory, plan, { strace: ["-o", "/dev/null", ...paths, ...inject], hungMs });
}

/** A call on one of the log's files. */
interface Call {
  readonly thread: string;
  readonly call: string;
  readonly file: string;
}

/** Returns the calls of a trace on the directory and its files, in the order in which they began. */
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

/** Returns the kill points: for each kind of call, as many as the busiest thread made. */
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
  const [output, status, stderr] = await Promise.all([
    direct(victim, strace),
    victim.status,
    victim.stderr.text(),
  ]);
  clearTimeout(timer);
  if (isHung) throw new Violation("hung", `a writer did not end; output: ${output.slice(-200)}`);
  const wasKilled = status.signal === "SIGKILL";
  if (wasKilled || status.success) return { wasKilled, told: output };
  throw new Violation("other", `a writer ended with code ${status.code}: ${stderr}`);
}

/** Attaches strace once the writer is ready, then lets the writer begin. Resolves with the writer's whole output. */
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
    // The writer ended before it was ready. The caller of this function checks the exit status of the writer.
    await Promise.all([begin.close(), telling]);
    return told;
  }
  const tracer = await attach(victim.pid, strace);
  await begin.write(new Uint8Array(1));
  await Promise.all([begin.close(), telling, tracer.ended]);
  if (tracer.isAttached) return told;
  throw new Error("Cannot kill writer: strace did not attach");
}
