/**
 * Second stage of the write path: lines -> batches of whole lines.
 *
 * Lines gather while the next stage is busy and leave together when it asks for more, so batches
 * grow with the load by themselves. A line is never cut.
 *
 * @module
 */
import { checkOptions, type OptionChecks } from "../options/option_checks.ts";
import { LOG_OPTION_CHECKS, MAX_PENDING_BYTES } from "../options/log_options.ts";
import { ByteBuffer } from "./byte_buffer.ts";

const LINE_BREAK = 0x0a;

/** Options of {@linkcode LineBufferStream}. */
export interface LineBufferStreamOptions {
  /** Bytes at which `writable` asks its writer to wait; default 8 MiB. */
  maxPendingBytes?: number;
}

const OPTION_CHECKS: OptionChecks<LineBufferStreamOptions> = {
  maxPendingBytes: LOG_OPTION_CHECKS.maxPendingBytes,
};

/**
 * Turns bytes that hold lines, cut anywhere, into batches that hold whole lines only. What remains
 * without a line break at the end gets one.
 *
 * A batch carries everything that came while the reader was busy. It is a view of a larger buffer, in
 * which other batches are too: copy it before you transfer it to another thread. Cancelling `readable`
 * drops what is buffered and errors `writable`; aborting `writable` drops it and errors `readable`.
 *
 * @example Lines to batches
 * ```ts
 * import { LineBufferStream } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const batches = ReadableStream.from(['{"a":1}\n{"b"', ":2}\n", '{"c":3}'])
 *   .pipeThrough(new TextEncoderStream())
 *   .pipeThrough(new LineBufferStream())
 *   .pipeThrough(new TextDecoderStream());
 * assertEquals((await Array.fromAsync(batches)).join(""), '{"a":1}\n{"b":2}\n{"c":3}\n');
 * ```
 */
export class LineBufferStream
  implements TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  /** Batches of whole lines. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Bytes that hold lines. */
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;

  readonly #maxPendingBytes: number;
  #room: PromiseWithResolvers<void> | undefined;
  #writableController!: WritableStreamDefaultController;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  readonly #lines = new ByteBuffer();
  #unfinishedLine: Uint8Array[] = [];
  /** The batch that the reader has and did not ask beyond: it may or may not be done with it. */
  #handedOut: Uint8Array<ArrayBuffer> | undefined;
  #isWanted = false;
  #isScheduled = false;
  #isEnded = false;

  /** Makes the stage. */
  constructor(options: LineBufferStreamOptions = {}) {
    checkOptions(options, OPTION_CHECKS, "buffer lines");
    this.#maxPendingBytes = options.maxPendingBytes ?? MAX_PENDING_BYTES;
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: (reason) => this.#cancel(reason),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#writableController = controller;
        // abort() waits for a write in progress, which may wait for room: dropping all makes room.
        controller.signal.addEventListener("abort", () => this.#take());
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#end(),
      abort: (reason) => this.#abort(reason),
    });
  }

  /** Bytes buffered or handed out and not done with. */
  get byteLength(): number {
    return this.#lines.byteLength + (this.#handedOut?.byteLength ?? 0);
  }

  /** Puts one whole line into the buffer at once; for callers that cannot wait for `writable`. */
  push(line: string): void {
    this.#lines.addText(line);
    this.#schedule();
  }

  /**
   * Everything that may not have reached the file, in order: the batch that the reader has in hand,
   * which it may just have finished, and a batch of all buffered lines, which it will not get.
   */
  takeUnwritten(): Uint8Array<ArrayBuffer>[] {
    return [this.#handedOut, this.#take()].filter((batch) => batch !== undefined);
  }

  #write(chunk: Uint8Array): Promise<void> | void {
    const end = chunk.lastIndexOf(LINE_BREAK) + 1;
    if (end === 0) {
      if (chunk.byteLength > 0) this.#unfinishedLine.push(chunk);
      return;
    }
    this.#add(...this.#unfinishedLine, chunk.subarray(0, end));
    this.#unfinishedLine = end < chunk.byteLength ? [chunk.subarray(end)] : [];
    if (this.#lines.byteLength >= this.#maxPendingBytes) {
      return (this.#room ??= Promise.withResolvers<void>()).promise;
    }
  }

  #add(...parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#lines.add(part);
    this.#schedule();
  }

  #end(): void {
    if (this.#unfinishedLine.length > 0) {
      this.#add(...this.#unfinishedLine, Uint8Array.of(LINE_BREAK));
    }
    this.#isEnded = true;
    this.#schedule();
  }

  #abort(reason: unknown): void {
    this.#controller.error(reason);
  }

  #cancel(reason: unknown): void {
    this.#take();
    this.#writableController.error(reason);
  }

  #pull(): void {
    this.#handedOut = undefined;
    this.#isWanted = true;
    this.#schedule();
  }

  /** Lets the lines of one turn gather before a batch leaves. */
  #schedule(): void {
    if (this.#isScheduled || !this.#isWanted) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#emit();
    });
  }

  #emit(): void {
    if (!this.#isWanted) return;
    const batch = this.#take();
    if (batch !== undefined) {
      this.#isWanted = false;
      this.#handedOut = batch;
      this.#controller.enqueue(batch);
    } else if (this.#isEnded) {
      this.#isWanted = false;
      this.#controller.close();
    }
  }

  #take(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#lines.byteLength === 0) return undefined;
    const batch = this.#lines.take();
    this.#room?.resolve();
    this.#room = undefined;
    return batch;
  }
}
