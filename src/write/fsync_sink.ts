/**
 * The last stage of the write path, for use without the earlier stages: writes batches of whole lines into a log file.
 *
 * @module
 */
import { checkOptions, type OptionChecks } from "../options/option_checks.ts";
import { type AuditLogOptions, LOG_OPTION_CHECKS, resolveOptions } from "../options/log_options.ts";
import { denoPlatform } from "../platform/platform.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { LogSink } from "./log_sink.ts";

/** Options of {@linkcode FsyncSink.open}. See {@linkcode AuditLogOptions} for units, ranges and defaults. */
export type FsyncSinkOptions = Pick<
  AuditLogOptions,
  | "path"
  | "rotationSizeBytes"
  | "rotationAgeSec"
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
  rotationAgeSec,
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
  rotationAgeSec,
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
 * - A write resolves when its batch is in the kernel. If the batch brings the number of lines that are not yet durable
 *   to `fsyncEveryNLines`, the write resolves when the batch is durable. `close()` resolves when everything is durable.
 * - If a batch fails, the stream is errored, as any `WritableStream` is, and the file holds no part of the batch.
 * - The line with which the file reaches `rotationSizeBytes` is the last line of the file. The file is then renamed to
 *   a segment and compressed into an archive, without delaying writes; `close()` waits for the archive.
 * - Other processes can append to the same log. No line is mixed with a line of another process.
 *
 * @example Write the records of another source; they are durable when the pipe ends
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
   * Opens the file for appending. If the file or its directory does not exist, creates it. Needs
   * `--allow-read=DIR --allow-write=DIR`, where DIR is the directory of the file.
   *
   * @param options The options, or only the path of the file.
   * @returns The sink. If a crashed writer left an incomplete last line, `open()` has added a line break after this
   *   line.
   * @throws {TypeError} If an option is unknown or of the wrong type, or the path is not a regular file with a single
   *   hard link.
   * @throws {RangeError} If an option is out of its range.
   * @throws {Deno.errors.NotCapable} If a permission is missing.
   */
  static async open(options: FsyncSinkOptions | string | URL = {}): Promise<FsyncSink> {
    const isPath = typeof options === "string" || options instanceof URL;
    if (!isPath) checkOptions(options, OPTION_CHECKS, "open sink");
    const { fileSystem, clock } = denoPlatform;
    const resolved = resolveOptions(options);
    const log = new LogDirectory(fileSystem, resolved.path, resolved.logger);
    const sink = await LogSink.open(log, { ...resolved, clock });
    try {
      await sink.recover();
    } catch (error) {
      await sink.abort(error);
      throw error;
    }
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
