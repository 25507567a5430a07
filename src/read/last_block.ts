/**
 * Reads the last events of a log from the last block of the active file. If the block has enough events, the directory
 * is not listed, so the reading takes the same time for a log of any length.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { type Block, tailBlocksOf, UnreadableRestError } from "./blocks.ts";
import type { DamageReport } from "./damage.ts";
import type { FileHandle } from "../platform/file_system.ts";
import { LineTest } from "./line_test.ts";
import { eventsIn, type ParseOptions } from "./parse_block.ts";
import type { ReadOptions } from "./read_file.ts";

/** Options of {@linkcode lastBlockEvents}. */
export interface LastBlockOptions extends ReadOptions {
  readonly limit: number;
  readonly matches: (event: AuditEvent) => boolean;
}

/**
 * Resolves with the last `limit` matching events of the log, newest first. Resolves with null if the last block has
 * fewer matching events, is missing or cannot be read.
 */
export async function lastBlockEvents(options: LastBlockOptions): Promise<AuditEvent[] | null> {
  const { log, limit, matches } = options;
  using stack = new DisposableStack();
  const active = log.openActive(stack);
  if (active === null) return null;
  const damaged: Parameters<DamageReport["add"]>[] = [];
  const events = await eventsAtEnd(active, active.status().byteLength, {
    ...options,
    onDamage: (line, reason) => damaged.push([log.files.active, line, reason]),
  });
  const found = events.filter(matches);
  if (found.length < limit) return null;
  for (const damage of damaged) options.damage.add(...damage);
  return found.slice(-limit).reverse();
}

/**
 * Resolves with the events in the last block of the active file, oldest first, before the file is read as a whole.
 * Damage is not reported, because the reading of the whole file reports it.
 *
 * @param active The active file, and its length up to which it is read as a whole.
 */
export function newestEvents(
  { handle, byteLength }: { readonly handle: FileHandle; readonly byteLength: number },
  maxLineBytes: number,
): Promise<AuditEvent[]> {
  const lineTest = new LineTest({});
  return eventsAtEnd(handle, byteLength, { maxLineBytes, lineTest, onDamage() {} });
}

/**
 * Resolves with the events in the last block of a file, oldest first. Resolves with no events if the block cannot be
 * read: a reading of the whole file reports the damage.
 */
async function eventsAtEnd(
  handle: FileHandle,
  byteLength: number,
  options: ParseOptions,
): Promise<AuditEvent[]> {
  let block: Block | undefined;
  try {
    ({ value: block } = await tailBlocksOf(handle, byteLength, options.maxLineBytes).next());
  } catch (error) {
    if (error instanceof UnreadableRestError) return [];
    throw error;
  }
  return block === undefined ? [] : eventsIn(block, options);
}
