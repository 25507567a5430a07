/**
 * Attaches strace to a process, and parses the system calls in its trace.
 *
 * @module
 */

/** A system call, and the paths of its arguments and file descriptors. */
export interface SystemCall {
  name: string;
  paths: string[];
  /** The text after "=" in the trace: the return value of the call, followed by the error if there is one. */
  result: string;
  /** Line of the trace at which the call began. */
  began: number;
  /** Line of the trace at which the call ended; Infinity if it did not end. */
  ended: number;
}

/** Parses a trace made with `-f -qq -y`. Returns the calls in the order in which they began. */
export function systemCalls(trace: string): SystemCall[] {
  const calls: SystemCall[] = [];
  // If a call is interrupted by another thread's call, the trace has two lines for it.
  const unfinished = new Map<string, SystemCall>();
  for (const [line, text] of trace.split("\n").entries()) {
    const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(text) ?? [];
    const resumed = rest.startsWith("<... ") ? unfinished.get(thread) : undefined;
    const call = resumed ?? begun(rest, line);
    if (call === undefined) continue;
    if (resumed === undefined) calls.push(call);
    if (rest.endsWith("<unfinished ...>")) unfinished.set(thread, call);
    else Object.assign(call, { ended: line, result: / = (.*)$/.exec(rest)?.[1] ?? "" });
  }
  return calls;
}

function begun(text: string, line: number): SystemCall | undefined {
  const [, name, args = ""] = /^(\w+)\((.*)$/.exec(text) ?? [];
  if (name === undefined) return undefined;
  const paths = [...args.matchAll(/(?<!AT_FDCWD)<(\/[^>]*)>|"([^"]*)"/g)];
  return {
    name,
    paths: paths.map(([, ofDescriptor, named]) => ofDescriptor ?? named ?? ""),
    result: "",
    began: line,
    ended: Infinity,
  };
}

/** An strace that is attached to a running process. */
export interface Tracer {
  readonly isAttached: boolean;
  /** Resolves when strace has ended. Strace ends after the process ends. */
  readonly ended: Promise<unknown>;
}

/** Attaches strace to a running process. Resolves when strace is attached or has failed to attach; see `isAttached`. */
export async function attach(pid: number, args: readonly string[]): Promise<Tracer> {
  const strace = new Deno.Command("strace", {
    args: ["-f", ...args, "-p", `${pid}`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = Promise.withResolvers<boolean>();
  const saying = strace.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(text) {
        if (text.includes(" attached")) said.resolve(true);
      },
    }),
  ).finally(() => said.resolve(false));
  return { isAttached: await said.promise, ended: Promise.all([saying, strace.status]) };
}

/** Checks whether strace may attach to a process that it has not started. */
export async function mayAttach(): Promise<boolean> {
  const options = { stdin: "piped", stdout: "null" } as const;
  const waiting = new Deno.Command("cat", options).spawn();
  const tracer = await attach(waiting.pid, ["-o", "/dev/null"]);
  await waiting.stdin.close();
  await Promise.all([waiting.status, tracer.ended]);
  return tracer.isAttached;
}
