/**
 * The temporary file of an import, in the directory of the log. The file has two purposes:
 *
 * - The import locks the file, so that only one import into the log runs at a time.
 * - The file stores the input from pipes. An import reads its input twice, first to check all records and then to
 *   append them, but a pipe can be read only once.
 *
 * If the process is killed, the next `open()` of the log removes the file.
 *
 * @module
 */
import { dirname } from "../../platform/path.ts";
import { pathFlag, withFlags } from "../../errors.ts";
import { denoFileSystem } from "../../platform/deno_file_system.ts";
import type { FileHandle } from "../../platform/file_system.ts";
import { ensureDirectory } from "../../platform/regular_file.ts";
import { type Claim, tryClaim } from "../../segments/claim.ts";
import { LogDirectory } from "../../segments/log_directory.ts";
import { CommandError } from "../command_error.ts";

/**
 * The part of the temporary file that stores the input from one pipe. It begins at the offset `from` and ends at the
 * offset `byteLength`.
 */
export interface SpooledPart {
  readonly handle: FileHandle;
  readonly from: number;
  readonly byteLength: number;
}

/** The open temporary file of an import. Its disposal removes the file. */
export class ImportFile implements Disposable {
  readonly #path: string;
  readonly #claim: Claim;

  /**
   * Creates and locks the temporary file in the directory of the log. `path` is the path of the log.
   *
   * @throws {CommandError} If another import into the log is running.
   */
  constructor(path: string) {
    const directory = dirname(path);
    const log = new LogDirectory(denoFileSystem, path);
    this.#path = log.files.importing;
    try {
      ensureDirectory(denoFileSystem, directory);
      this.#claim = claimOf(log);
    } catch (error) {
      throw withFlags(error, [pathFlag("read", directory), pathFlag("write", directory)], { path });
    }
  }

  /** Appends the input from a pipe to the file, and resolves with the part of the file that stores the input. */
  async spool(chunks: AsyncIterable<Uint8Array>): Promise<SpooledPart> {
    const { handle } = this.#claim;
    const from = handle.status().byteLength;
    for await (const chunk of chunks) {
      if (handle.appendSync(chunk) < chunk.byteLength) {
        throw new CommandError(
          `Cannot import: the input could not be stored, perhaps because the disk is full; nothing was imported: ${this.#path}`,
          1,
        );
      }
    }
    return { handle, from, byteLength: handle.status().byteLength };
  }

  /** Removes the temporary file, so that another import into the log can begin. */
  [Symbol.dispose](): void {
    this.#claim.release();
  }
}

function claimOf(log: LogDirectory): Claim {
  const claim = tryClaim(log, log.files.importing);
  if (claim !== null) return claim;
  throw new CommandError(
    `Cannot import: another import into this log is running: ${log.files.active}`,
    1,
  );
}
