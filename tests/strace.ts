/**
 * Reads what strace saw of a program.
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

/** Whether strace is there; only Linux has it. */
export async function hasStrace(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  try {
    return (await new Deno.Command("strace", { args: ["-V"], stdout: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
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
