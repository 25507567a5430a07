/**
 * The bytes of an imported source: a file, a pipe or standard input.
 *
 * @module
 */
import { readChunks } from "../platform/chunks.ts";
import { denoFileSystem, kindBehind, openPipe } from "../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../errors.ts";
import type { FileStatus } from "../platform/file_system.ts";
import { CommandError } from "./command_error.ts";
import type { SpooledPart } from "./import_file.ts";

/** A chunk of the bytes of an imported source. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A function that stores the bytes from a pipe in a temporary file, so that they can be read several times. */
export type Spool = (chunks: AsyncIterable<Bytes>) => Promise<SpooledPart>;

/** The bytes of an imported source: a file, a pipe or standard input. */
export interface SourceContent extends Disposable {
  /** The status of a file when it was opened; null for a pipe. */
  readonly status: FileStatus | null;
  /** Number of bytes to read; 0 if the number is unknown. Bytes that are appended to a file later are not read. */
  readonly byteLength: number;
  /** Whether the bytes are compressed with gzip. */
  readonly isCompressed: boolean;
  /** Yields the bytes as they are stored, compressed or not. */
  read(): AsyncIterable<Bytes>;
}

/** The argument FILE that means standard input and not a file. */
export const STANDARD_INPUT = "-";
const GZIP_SIGNATURE: readonly number[] = [0x1f, 0x8b];

/**
 * Opens a source that is to be imported. The bytes from a pipe are stored with `spool`; without `spool`, they can be
 * read only once.
 *
 * @throws {CommandError} If the file does not exist, or is a directory.
 */
export async function openContent(name: string, spool?: Spool): Promise<SourceContent> {
  if (name === STANDARD_INPUT) return await contentOfPipe(Deno.stdin.readable, spool);
  const kind = orExplained(name, () => kindBehind(name));
  if (kind === "directory") {
    throw new CommandError(`Cannot import ${name}: the path is a directory`, 1);
  }
  // A pipe is opened only once. If it were closed and opened again, the process that writes to it could end in between.
  if (kind === "other") return await contentOfPipe(await openPipe(name), spool);
  const handle = orExplained(name, () => denoFileSystem.open(name, "read"));
  const status = handle.status();
  return {
    status,
    byteLength: status.byteLength,
    isCompressed: name.endsWith(".gz"),
    read: () => readChunks(handle, status.byteLength),
    [Symbol.dispose]: () => handle.close(),
  };
}

function orExplained<T>(name: string, access: () => T): T {
  try {
    return access();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new CommandError(`Cannot import ${name}: the file does not exist`, 1);
    }
    throw withFlags(error, [pathFlag("read", name)], { action: `Cannot read ${name}` });
  }
}

async function contentOfPipe(
  pipe: ReadableStream<Bytes>,
  spool: Spool | undefined,
): Promise<SourceContent> {
  if (spool === undefined) {
    const read = () => uncompressed(pipe);
    return { status: null, byteLength: 0, isCompressed: false, read, [Symbol.dispose]() {} };
  }
  const { handle, from, byteLength } = await spool(pipe);
  const start = new Uint8Array(GZIP_SIGNATURE.length);
  handle.readSync(start, from);
  return {
    status: null,
    byteLength: byteLength - from,
    isCompressed: isGzip(start),
    read: () => readChunks(handle, byteLength, { from }),
    // The bytes are in the temporary file of the import, which the caller closes. So disposal has nothing to close.
    [Symbol.dispose]() {},
  };
}

/**
 * Yields the bytes of a pipe that can be read only once.
 *
 * @throws {CommandError} If the bytes are compressed with gzip, because a damaged gzip file has to be read several
 *   times.
 */
async function* uncompressed(pipe: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  let isFirst = true;
  for await (const chunk of pipe) {
    if (isFirst && isGzip(chunk)) {
      throw new CommandError(
        "Cannot check a compressed pipe with --dry-run; decompress it first, for example with zcat",
        2,
      );
    }
    isFirst = false;
    yield chunk;
  }
}

function isGzip(start: Uint8Array): boolean {
  return GZIP_SIGNATURE.every((byte, n) => start[n] === byte);
}
