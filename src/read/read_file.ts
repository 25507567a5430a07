/**
 * The events of one file of a log, in batches, forwards or backwards. What is wrong with the file is
 * damage, and ends its own part alone.
 *
 * @module
 */
import { openInto } from "../platform/regular_file.ts";
import { readChunks } from "../platform/chunks.ts";
import type { AuditEvent } from "../event.ts";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import {
  type Block,
  blocksOf,
  reversedBlocksOf,
  tailBlocksOf,
  UnreadableRestError,
} from "./blocks.ts";
import type { DamageReport } from "./damage.ts";
import { gunzipped } from "./gunzip.ts";
import type { LineTest } from "./line_test.ts";
import { eventsIn, type LinePlace } from "./parse_block.ts";
import type { SnapshotFile } from "./snapshot.ts";

/** How to read. */
export interface ReadOptions {
  readonly fileSystem: FileSystem;
  readonly maxLineBytes: number;
  readonly damage: DamageReport;
  readonly lineTest: LineTest;
  readonly order: "asc" | "desc";
  /** Where to begin in a file that is not compressed: with a line; default 0. */
  readonly from?: number;
  readonly signal: AbortSignal | undefined;
}

/** Gives the events of the file whose lines pass the test. */
export async function* eventsOf(
  file: SnapshotFile,
  options: ReadOptions,
): AsyncGenerator<AuditEvent[]> {
  const { damage, order, signal } = options;
  const onDamage = (line: LinePlace, reason: string) => damage.add(file.path, line, reason);
  using stack = new DisposableStack();
  let cutEvent: Block | undefined;
  try {
    for await (const block of blocksIn(file, options, stack)) {
      // Here too, as many lines may go by before one is an event that is asked for.
      signal?.throwIfAborted();
      const events = eventsIn(block, { ...options, onDamage });
      if (block.isCut && events.length > 0) cutEvent = block;
      if (events.length > 0) yield order === "asc" ? events : events.reverse();
    }
  } catch (error) {
    if (!(error instanceof UnreadableRestError)) throw error;
    if (error.cause instanceof Deno.errors.NotCapable) throw error.cause;
    const byteOffset = error.byteOffset + (cutEvent?.byteLength ?? 0);
    damage.add(file.path, { byteOffset, byteLength: 0 }, error.message);
  }
}

async function* blocksIn(
  file: SnapshotFile,
  { fileSystem, maxLineBytes, order, from = 0 }: ReadOptions,
  stack: DisposableStack,
): AsyncGenerator<Block> {
  const handle = file.handle ?? openInTurn(fileSystem, file.path, stack);
  const byteLength = file.handle === null ? handle.status().byteLength : file.byteLength;
  if (file.isArchive) {
    const read = () => gunzipped(() => readChunks(handle, byteLength));
    yield* order === "asc" ? blocksOf(read(), maxLineBytes) : reversedBlocksOf(read, maxLineBytes);
  } else {
    yield* order === "asc"
      ? blocksOf(readChunks(handle, byteLength, { from }), maxLineBytes, from)
      : tailBlocksOf(handle, byteLength, maxLineBytes, from);
  }
}

function openInTurn(fileSystem: FileSystem, path: string, stack: DisposableStack): FileHandle {
  let handle: FileHandle | null;
  try {
    handle = openInto(stack, fileSystem, path);
  } catch (cause) {
    throw new UnreadableRestError(0, cause);
  }
  if (handle !== null) return handle;
  throw new UnreadableRestError(0, new Error("it was removed while it was to be read"));
}
