/**
 * The last stage of the write path for use on its own: batches of whole lines -> a log file.
 *
 * @module
 */
import { checkOptions, type OptionChecks } from "../options/option_checks.ts";
import { type AuditLogOptions, LOG_OPTION_CHECKS, resolveOptions } from "../options/log_options.ts";
import { denoPlatform } from "../platform/platform.ts";
import { LogSink } from "./log_sink.ts";

/** Options of {@linkcode FsyncSink.open}. */
export type FsyncSinkOptions = Pick<
  AuditLogOptions,
  | "path"
  | "rotationSizeBytes"
  | "fsyncEveryNLines"
  | "fsyncIntervalSec"
  | "lockTimeoutSec"
  | "maxLineBytes"
  | "now"
  | "logger"
>;

const {
  path,
  rotationSizeBytes,
  fsyncEveryNLines,
  fsyncIntervalSec,
  lockTimeoutSec,
  maxLineBytes,
  now,
  logger,
} = LOG_OPTION_CHECKS;
const OPTION_CHECKS: OptionChecks<FsyncSinkOptions> = {
  path,
  rotationSizeBytes,
  fsyncEveryNLines,
  fsyncIntervalSec,
  lockTimeoutSec,
  maxLineBytes,
  now,
  logger,
};

/**
 * Appends batches of whole lines to a log file.
 *
 * - A write resolves when its batch is in the kernel, and when it is durable if the batch makes
 *   `fsyncEveryNLines` lines not yet durable; `close()` resolves when everything is durable.
 * - A batch that fails errors the stream, like with any `WritableStream`; nothing of it is in the file.
 * - With the first line that makes the file `rotationSizeBytes` long it becomes a segment, which is
 *   archived after the writes; `close()` waits for that.
 * - Other processes may append to the file meanwhile; no line is mixed with one of theirs.
 *
 * @example Records of another source, durable when the pipe ends
 * ```ts
 * import { FsyncSink, LineBufferStream, SerializeStream } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await ReadableStream.from([{ event: "nav", cost: 0.002 }, { event: "brief" }])
 *   .pipeThrough(new SerializeStream())
 *   .pipeThrough(new LineBufferStream())
 *   .pipeTo(await FsyncSink.open(path));
 * assertEquals(Deno.readTextFileSync(path).split("\n").length, 3);
 * ```
 */
export class FsyncSink extends WritableStream<Uint8Array<ArrayBuffer>> {
  /**
   * Opens the file for appending, and creates it and its directory if there is none. Needs
   * `--allow-read=DIR --allow-write=DIR`.
   *
   * @param options The options, or the path alone.
   * @returns The sink, after a torn last line of a crashed writer was closed off.
   * @throws {TypeError} If an option is unknown or of the wrong type, or the path holds anything but a plain file.
   * @throws {RangeError} If an option is out of its range.
   */
  static async open(options: FsyncSinkOptions | string | URL = {}): Promise<FsyncSink> {
    const isPath = typeof options === "string" || options instanceof URL;
    if (!isPath) checkOptions(options, OPTION_CHECKS, "open sink");
    const sink = new LogSink(denoPlatform, resolveOptions(options));
    await sink.recover();
    return new FsyncSink(sink);
  }

  /** @ignore */
  private constructor(sink: LogSink) {
    const writer = sink.getWriter();
    super({
      write: (batch) => writer.write(batch),
      close: () => writer.close(),
      abort: (reason) => writer.abort(reason),
    });
  }
}
