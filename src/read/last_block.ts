/**
 * Reads the last events of a log from the last block of the active file. If the block has enough events, the directory
 * is not listed, so the reading takes the same time for a log of any length.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { type Block, tailBlocksOf, UnreadableRestError } from "./blocks.ts";
import type { DamageReport } from "./damage.ts";
import { eventsIn } from "./parse_block.ts";
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
  const { log, limit, maxLineBytes, matches } = options;
  using stack = new DisposableStack();
  const active = log.openActive(stack);
  if (active === null) return null;
  const { byteLength } = active.status();
  let block: Block | undefined;
  try {
    ({ value: block } = await tailBlocksOf(active, byteLength, maxLineBytes).next());
  } catch (error) {
    // The last block cannot be read. After the result null, the caller takes a snapshot of the log and reads its files,
    // and this reading reports the damage.
    if (error instanceof UnreadableRestError) return null;
    throw error;
  }
  if (block === undefined) return null;
  const damaged: Parameters<DamageReport["add"]>[] = [];
  const events = eventsIn(block, {
    ...options,
    onDamage: (line, reason) => damaged.push([log.files.active, line, reason]),
  });
  const found = events.filter(matches);
  if (found.length < limit) return null;
  for (const damage of damaged) options.damage.add(...damage);
  return found.slice(-limit).reverse();
}
