/**
 * Starts another process that writes to a log.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { programArgs } from "../run_program.ts";

const OBEYS = fromFileUrl(new URL("../programs/obeys.ts", import.meta.url));
const encoder = new TextEncoder();

/** A process that logs an event or rotates the log on request, one request at a time. */
export class OtherWriter implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  /** Starts the process. */
  constructor(path: string) {
    const args = programArgs(OBEYS, { dir: dirname(path), args: [path] });
    const options = { args, stdin: "piped", stdout: "piped" } as const;
    this.#process = new Deno.Command(Deno.execPath(), options).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#answers = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  /** Resolves when the process has logged an event of type `what`, or, for "rotate", has rotated the log. */
  async do(what: string): Promise<void> {
    await this.#input.write(encoder.encode(`${what}\n`));
    assertEquals((await this.#answers.read()).value, "done");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#answers.cancel();
    assertEquals((await this.#process.status).code, 0);
  }
}
