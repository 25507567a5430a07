/**
 * Reads the events of one file of a log, in batches, forwards or backwards. Read errors and invalid lines are reported
 * as damage and do not throw, so the caller can continue with the next file.
 *
 * @module
 */
import { readChunks } from "../platform/chunks.ts";
import type { Clock } from "../platform/clock.ts";
import type { AuditEvent } from "../event.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { Turns } from "../platform/turns.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import {
  type Block,
  blocksOf,
  reversedBlocksOf,
  tailBlocksOf,
  UnreadableRestError,
} from "./blocks.ts";
import type { DamageReport } from "./damage.ts";
import { gunzipped } from "./gunzip.ts";
import type { LineTexts } from "./line_source.ts";
import type { LineTest } from "./line_test.ts";
import { eventsIn, type LinePlace } from "./parse_block.ts";
import type { SnapshotFile } from "./snapshot.ts";

/** Options of {@linkcode eventsOf}. */
export interface ReadOptions {
  /** The log to which the file belongs. */
  readonly log: LogDirectory;
  /** The clock that divides the reading and the work of the caller into steps, between which other tasks can run. */
  readonly clock: Clock;
  readonly maxLineBytes: number;
  readonly damage: DamageReport;
  readonly lineTest: LineTest;
  readonly order: "asc" | "desc";
  /** Byte offset of the first line to read; 0 by default. An archive is always read from its start. */
  readonly from?: number;
  readonly signal: AbortSignal | undefined;
  /** Receives the text of the line of each event. */
  readonly texts?: LineTexts | undefined;
}

/**
 * Yields the events of a file in batches. Lines that do not pass the pre-filter `lineTest` may be skipped.
 *
 * @throws {Deno.errors.NotCapable} If the read permission for the file is missing.
 */
export async function* eventsOf(
  file: SnapshotFile,
  options: ReadOptions,
): AsyncGenerator<AuditEvent[]> {
  const { damage, order, signal, clock } = options;
  const turns = new Turns(clock);
  const onDamage = (line: LinePlace, reason: string) => damage.add(file.path, line, reason);
  using stack = new DisposableStack();
  let cutEvent: Block | undefined;
  try {
    for await (const block of blocksIn(file, options, stack)) {
      // Check the signal for each block too. The caller checks the signal only between matching events, and many blocks
      // may have no matching event.
      signal?.throwIfAborted();
      // Reads of cached bytes and decoding complete without a turn of the event loop.
      if (turns.isDue) await turns.take();
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
  { log, maxLineBytes, order, from = 0 }: ReadOptions,
  stack: DisposableStack,
): AsyncGenerator<Block> {
  const handle = file.handle ?? openOrThrow(log, file.path, stack);
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

function openOrThrow(log: LogDirectory, path: string, stack: DisposableStack): FileHandle {
  let handle: FileHandle | null;
  try {
    handle = log.open(path, stack);
  } catch (cause) {
    throw new UnreadableRestError(0, cause);
  }
  if (handle !== null) return handle;
  throw new UnreadableRestError(0, new Error("the file was removed before it could be read"));
}
