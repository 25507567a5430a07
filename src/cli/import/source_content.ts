/**
 * The bytes of an imported source: a file, a pipe or standard input.
 *
 * @module
 */
import { readChunks } from "../../platform/chunks.ts";
import { denoFileSystem, kindBehind, openPipe } from "../../platform/deno_file_system.ts";
import { pathFlag, withFlags } from "../../errors.ts";
import { type FileStatus, isSameFile } from "../../platform/file_system.ts";
import { CommandError } from "../command_error.ts";
import { MAX_LINE_BYTES } from "../../options/log_options.ts";
import type { SpooledPart } from "./import_file.ts";

/** A chunk of the bytes of an imported source. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A function that stores the bytes from a pipe in a temporary file, so that they can be read several times. */
export type Spool = (chunks: AsyncIterable<Bytes>) => Promise<SpooledPart>;

/** The bytes of an imported source: a file, a pipe or standard input. */
export interface SourceContent {
  /** The status of a file when it was opened; null for a pipe. */
  readonly status: FileStatus | null;
  /** Number of bytes to read; 0 if the number is unknown. Bytes that are appended to a file later are not read. */
  readonly byteLength: number;
  /** Whether the bytes are compressed with gzip. */
  readonly isCompressed: boolean;
  /** Yields the bytes as they are stored, compressed or not. A file is open only while it is read. */
  read(): AsyncIterable<Bytes>;
  /** Yields the first bytes as they are stored, enough for the longest line. */
  readHead(): AsyncIterable<Bytes>;
}

/** The argument FILE that means standard input and not a file. */
export const STANDARD_INPUT = "-";
const LINE_BREAK = 0x0a;
const GZIP_SIGNATURE: readonly number[] = [0x1f, 0x8b];
const HEAD_BYTES = MAX_LINE_BYTES;
/** Size of the chunks in which a file is read. All records of a chunk are in memory at the same time. */
const CHUNK_BYTES = 64 * 1024;

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
  const status = statusOf(name);
  const { byteLength } = status;
  return {
    status,
    byteLength,
    isCompressed: name.endsWith(".gz"),
    read: () => fileChunks(name, status, byteLength),
    readHead: () => fileChunks(name, status, Math.min(byteLength, HEAD_BYTES)),
  };
}

function statusOf(name: string): FileStatus {
  const handle = orExplained(name, () => denoFileSystem.open(name, "read"));
  try {
    return handle.status();
  } finally {
    handle.close();
  }
}

/**
 * Yields the bytes of a file up to the offset `end`. An import may have thousands of files, so each is open only while
 * it is read.
 *
 * @throws {CommandError} If the file was replaced or truncated since its status was read.
 */
async function* fileChunks(name: string, status: FileStatus, end: number): AsyncGenerator<Bytes> {
  const handle = orExplained(name, () => denoFileSystem.open(name, "read"));
  try {
    const now = handle.status();
    if (!isSameFile(now, status) || now.byteLength < status.byteLength) {
      throw new CommandError(
        `Cannot import ${name}: the file was replaced or truncated during the import; run the same command again`,
        1,
      );
    }
    yield* readChunks(handle, end, { chunkBytes: CHUNK_BYTES });
  } finally {
    handle.close();
  }
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
  if (spool === undefined) return await contentReadOnce(pipe);
  const { handle, from, byteLength } = await spool(pipe);
  const start = new Uint8Array(GZIP_SIGNATURE.length);
  handle.readSync(start, from);
  // The bytes are in the temporary file of the import, which the caller closes.
  return {
    status: null,
    byteLength: byteLength - from,
    isCompressed: isGzip(start),
    read: () => readChunks(handle, byteLength, { from }),
    readHead: () => readChunks(handle, Math.min(byteLength, from + HEAD_BYTES), { from }),
  };
}

/**
 * Returns the content of a pipe that can be read only once.
 *
 * @throws {CommandError} If the bytes are compressed with gzip, because a damaged gzip file has to be read several
 *   times.
 */
async function contentReadOnce(pipe: ReadableStream<Bytes>): Promise<SourceContent> {
  const rest = pipe[Symbol.asyncIterator]();
  // The first line shows the format, so it is read in advance.
  const head: Bytes[] = [];
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    head.push(next.value);
    if (next.value.includes(LINE_BREAK)) break;
  }
  if (isGzip(head[0] ?? new Uint8Array())) {
    throw new CommandError(
      "Cannot check a compressed pipe with --dry-run; decompress it first, for example with zcat",
      2,
    );
  }
  return {
    status: null,
    byteLength: 0,
    isCompressed: false,
    async *read() {
      yield* head;
      for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
    },
    async *readHead() {
      yield* head;
    },
  };
}

function isGzip(start: Uint8Array): boolean {
  return GZIP_SIGNATURE.every((byte, n) => start[n] === byte);
}
