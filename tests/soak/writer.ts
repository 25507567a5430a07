/**
 * A writer process of a soak test, which its supervisor stops and kills.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { programArgs } from "../run_program.ts";
import type { Milestone } from "./fate.ts";

const SOAK_WRITER = fromFileUrl(new URL("../programs/soak_writer.ts", import.meta.url));

/** The outcomes of the events of a writer, as the writer reported them. */
export interface Account {
  /** Name of the writer, the `by` of its events. */
  by: string;
  acknowledged: Set<number>;
  /** Events whose calls rejected, so they must not be in the log. */
  refused: Set<number>;
  /** Messages of the writer's failures, except lock timeouts. */
  failures: string[];
}

/** Options of a {@linkcode SoakWriter}. */
export interface WriterOptions {
  directory: string;
  path: string;
  by: string;
  seed: string;
  rotationSizeBytes: number;
  /** Is true if the lines form a hash chain. */
  chain: boolean;
  /** Called when the writer reports an acknowledged event. */
  onAcknowledged: () => void;
}

/** A running writer process. */
export class SoakWriter {
  readonly account: Account;
  /** Resolves when the process has ended and all of its reports have been read. */
  readonly ended: Promise<void>;
  readonly #process: Deno.ChildProcess;
  readonly #onAcknowledged: () => void;
  readonly #counts: Record<Milestone, number> = { opening: 0, rotating: 0, acknowledged: 0 };
  #awaited: { milestone: Milestone; count: number; resolve: () => void } | undefined;
  #wasKilled = false;

  /** Starts the process. */
  constructor(options: WriterOptions) {
    const { directory, path, by, seed, rotationSizeBytes, chain, onAcknowledged } = options;
    this.account = { by, acknowledged: new Set(), refused: new Set(), failures: [] };
    this.#onAcknowledged = onAcknowledged;
    const args = programArgs(SOAK_WRITER, {
      dir: directory,
      args: [path, by, seed, `${rotationSizeBytes}`, chain ? "chain" : ""],
    });
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#process = new Deno.Command(Deno.execPath(), { args, ...piped }).spawn();
    this.ended = this.#follow();
  }

  /** Resolves when the writer has reported the milestone `count` times, or has ended. */
  async reached(milestone: Milestone, count: number): Promise<void> {
    if (this.#counts[milestone] >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#awaited = { milestone, count, resolve };
    await Promise.race([promise, this.ended]);
  }

  /** Stops or continues the process. Does nothing if it has ended. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#send(signal);
  }

  /** Kills the process. Does nothing if it has ended. */
  kill(): void {
    this.#wasKilled = true;
    this.#send("SIGKILL");
  }

  /** Asks the writer to end, by closing its standard input. */
  async tellToEnd(): Promise<void> {
    try {
      await this.#process.stdin.close();
    } catch (error) {
      // The input is closed already, or the process has ended. #follow() reports a failure of the process.
      if (!(error instanceof Deno.errors.BrokenPipe || error instanceof TypeError)) throw error;
    }
  }

  #send(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      // The error means "Child process has already terminated".
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #follow(): Promise<void> {
    const [, stderr, status] = await Promise.all([
      this.#takeIn(),
      this.#process.stderr.text(),
      this.#process.status,
    ]);
    await this.tellToEnd();
    const wasOurKill = this.#wasKilled && status.signal === "SIGKILL";
    if (!status.success && !wasOurKill) {
      const manner = status.signal ?? `code ${status.code}`;
      this.account.failures.push(`the writer ended with ${manner}: ${stderr}`);
    }
  }

  async #takeIn(): Promise<void> {
    const lines = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    const [what = "", detail = "", phase] = line.split(" ", 3);
    if (what === "failed") this.account.failures.push(line);
    else if (what === "refused" && phase !== "sync") this.account.refused.add(Number(detail));
    else if (what === "acknowledged") {
      this.account.acknowledged.add(Number(detail));
      this.#onAcknowledged();
    }
    if (what in this.#counts) this.#count(what as Milestone);
  }

  #count(milestone: Milestone): void {
    const count = ++this.#counts[milestone];
    const awaited = this.#awaited;
    if (awaited?.milestone === milestone && count >= awaited.count) awaited.resolve();
  }
}
