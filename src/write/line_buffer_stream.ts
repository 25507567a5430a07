/**
 * The second stage of the write path: collects lines into batches of whole lines.
 *
 * Lines are buffered while the next stage is busy, and leave in one batch when that stage asks for more. So batches
 * grow with the load. A line is never cut.
 *
 * @module
 */
import { checkOptions, type OptionChecks } from "../options/option_checks.ts";
import { LOG_OPTION_CHECKS, MAX_PENDING_BYTES } from "../options/log_options.ts";
import { ByteBuffer } from "./byte_buffer.ts";

const LINE_BREAK = 0x0a;

/** Options of {@linkcode LineBufferStream}. */
export interface LineBufferStreamOptions {
  /**
   * Number of buffered bytes, an integer >= 0, at which a write to `writable` starts to wait until the reader takes the
   * lines. The default is 8 MiB.
   *
   * @default {8_388_608}
   */
  maxPendingBytes?: number;
}

const OPTION_CHECKS: OptionChecks<LineBufferStreamOptions> = {
  maxPendingBytes: LOG_OPTION_CHECKS.maxPendingBytes,
};

/**
 * Turns chunks of lines, cut anywhere, into batches of whole lines. If the last line has no line break, the stream adds
 * a line break.
 *
 * A batch contains all lines that arrived while the reader was busy. Batches are views of a shared buffer: copy a batch
 * before you transfer it to another thread. Cancelling `readable` drops the buffered lines and errors `writable`.
 * Aborting `writable` drops the buffered lines and errors `readable`.
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
  /** Chunks of lines, which may be cut anywhere. */
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;

  readonly #maxPendingBytes: number;
  #room: PromiseWithResolvers<void> | undefined;
  #writableController!: WritableStreamDefaultController;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  readonly #lines = new ByteBuffer();
  #unfinishedLine: Uint8Array[] = [];
  /**
   * The last batch that the reader received. Until the reader asks for more, the reader may still be writing this
   * batch.
   */
  #handedOut: Uint8Array<ArrayBuffer> | undefined;
  #isWanted = false;
  #isScheduled = false;
  #isEnded = false;

  /**
   * Creates the transform stream.
   *
   * @param options The options.
   * @throws {TypeError} If an option is unknown or of the wrong type.
   * @throws {RangeError} If an option is out of its range.
   */
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
        // abort() waits for a pending write, which may wait for room in the buffer. The lines are dropped to make room,
        // because otherwise the abort would never end.
        controller.signal.addEventListener("abort", () => this.#take());
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#end(),
      abort: (reason) => this.#abort(reason),
    });
  }

  /**
   * Number of bytes in the buffer and in the batch that the reader received last. That batch counts until the reader
   * asks for more.
   *
   * @returns The number of bytes.
   */
  get byteLength(): number {
    return this.#lines.byteLength + (this.#handedOut?.byteLength ?? 0);
  }

  /**
   * Checks whether {@linkcode byteLength} is larger than a number of bytes. Takes less time than reading it, because the
   * lines need not be encoded yet.
   *
   * @param bytes The number of bytes.
   * @returns Whether it is larger.
   * @ignore
   */
  exceeds(bytes: number): boolean {
    return this.#lines.exceeds(bytes - (this.#handedOut?.byteLength ?? 0));
  }

  /**
   * Adds a whole line to the buffer synchronously, for callers that cannot wait for `writable`.
   *
   * @param line The line, with its line break.
   */
  push(line: string): void {
    this.#lines.addText(line);
    this.#schedule();
  }

  /**
   * Returns every batch that may not have reached the file, and empties the buffer.
   *
   * @returns At most two batches: the batch that the reader received last, which the reader may have written already,
   *   and a batch of all buffered lines, which the reader will not receive.
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

  /** Emits a batch after the running synchronous code, so that the batch contains all lines that this code adds. */
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
