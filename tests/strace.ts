/**
 * Attaches strace to a program, and reads the system calls that it saw.
 *
 * @module
 */

/** A system call, with the paths it names, those of its file descriptors included. */
export interface SystemCall {
  name: string;
  paths: string[];
  /** What it returned. */
  result: string;
  /** Line of the trace at which it began. */
  began: number;
  /** Line of the trace at which it was over; Infinity if it never was. */
  ended: number;
}

/** The system calls of a trace made with `-f -qq -y`, in the order in which they began. */
export function systemCalls(trace: string): SystemCall[] {
  const calls: SystemCall[] = [];
  // A call that another thread's call interrupts is on two lines.
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

/** A strace of a running process. */
export interface Tracer {
  readonly isAttached: boolean;
  /** Resolves when it has ended, as it does after the process. */
  readonly ended: Promise<unknown>;
}

/** Lets strace at a running process; resolves once it is attached, or has failed to. */
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

/** Whether strace may look at a process that it has not started itself. */
export async function mayAttach(): Promise<boolean> {
  const options = { stdin: "piped", stdout: "null" } as const;
  const waiting = new Deno.Command("cat", options).spawn();
  const tracer = await attach(waiting.pid, ["-o", "/dev/null"]);
  await waiting.stdin.close();
  await Promise.all([waiting.status, tracer.ended]);
  return tracer.isAttached;
}
