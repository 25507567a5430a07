/**
 * Processes that are measured: each runs one library, warm, and does a round whenever it is asked,
 * so that rounds of different libraries can take turns and none shares another's heap.
 *
 * It is spoken to in JSON lines, one request at a time. This file imports nothing, as the peers run
 * it with dependencies of their own.
 *
 * @module
 */

/** One round of a workload. */
export interface Round {
  /** Which of the contender's workloads. */
  readonly workload: string;
  /** The log that is written or read, which lies in a directory of its own. */
  readonly path: string;
  /** Events to write. */
  readonly events: number;
  /** Further figures that the workload wants. */
  readonly [name: string]: string | number;
}

/** What a round came to; times in milliseconds, memory in bytes. */
export type Outcome = Readonly<Record<string, number>>;

/** The workloads of a contender by name. */
export type Workloads = Readonly<Record<string, (round: Round) => Outcome | Promise<Outcome>>>;

/** Does rounds as they are asked for, until standard input ends. */
export async function takeTurns(workloads: Workloads): Promise<void> {
  let request = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    request += chunk;
    if (!request.endsWith("\n")) continue;
    const round: Round = JSON.parse(request);
    request = "";
    const run = workloads[round.workload];
    if (run === undefined) throw new RangeError(`Cannot run workload: ${round.workload}`);
    console.log(JSON.stringify(await run(round)));
  }
}

/** Milliseconds that the work takes. */
export async function timed(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** A process that waits for its turns. */
export class Contender implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  /** Starts the program, with the arguments of `deno run` that it needs. */
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

  /** Has it do a round. */
  async run(round: Round): Promise<Outcome> {
    await this.#requests.write(new TextEncoder().encode(`${JSON.stringify(round)}\n`));
    let answer = "";
    while (!answer.endsWith("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error(`A contender has ended in a round: ${JSON.stringify(round)}`);
      answer += value;
    }
    return JSON.parse(answer);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#requests.close();
    await this.#process.status;
  }
}
