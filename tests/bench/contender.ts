/**
 * Contenders: processes that the benchmark measures. Each contender runs one library, is warmed up, and executes one
 * round per request. So rounds of different libraries can alternate, and no library shares a heap with another.
 *
 * Requests and answers are JSON lines, one request at a time. This file has no imports, because the programs in
 * `peers/`, which use it, have their own dependencies.
 *
 * @module
 */

/** One round (execution) of a workload. */
export interface Round {
  /** Name of the workload in the contender's program. */
  readonly workload: string;
  /** Path of the log to write or read, in a separate directory. */
  readonly path: string;
  /** Number of events to write. */
  readonly events: number;
  /** Other parameters of the workload. */
  readonly [name: string]: string | number;
}

/** The figures that a round has measured: times in milliseconds, memory in bytes. */
export type Outcome = Readonly<Record<string, number>>;

/** The workloads of a contender (a process under measurement), by name. */
export type Workloads = Readonly<Record<string, (round: Round) => Outcome | Promise<Outcome>>>;

/** Executes requested rounds until standard input ends. */
export async function takeTurns(workloads: Workloads): Promise<void> {
  let request = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    request += chunk;
    if (!request.endsWith("\n")) continue;
    const round: Round = JSON.parse(request);
    request = "";
    const run = workloads[round.workload];
    if (run === undefined) {
      throw new RangeError(`Cannot run workload: unknown name "${round.workload}"`);
    }
    console.log(JSON.stringify(await run(round)));
  }
}

/** Resolves with the milliseconds that the work takes. */
export async function timed(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** The process of a contender, seen from the benchmark, which sends it requests. */
export class Contender implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  /** Starts the program with the arguments for `deno run`. */
  constructor(program: URL, args: readonly string[]) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", ...args, program.href],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#requests = this.#process.stdin.getWriter();
    this.#answers = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Lets the process execute a round. Resolves with the figures that the round has measured. */
  async run(round: Round): Promise<Outcome> {
    await this.#requests.write(new TextEncoder().encode(`${JSON.stringify(round)}\n`));
    let answer = "";
    while (!answer.endsWith("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) {
        throw new Error(
          `Cannot finish round: the measured process has exited during ${JSON.stringify(round)}`,
        );
      }
      answer += value;
    }
    return JSON.parse(answer);
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#requests.close();
    await this.#process.status;
  }
}
