/**
 * The last events of a log, where the last block of its active file holds as many as are asked for: no
 * directory is listed for them then, so they take no longer the longer the history is.
 *
 * @module
 */
import { openInto } from "../platform/regular_file.ts";
import type { AuditEvent } from "../event.ts";
import { type Block, tailBlocksOf, UnreadableRestError } from "./blocks.ts";
import type { DamageReport } from "./damage.ts";
import { eventsIn } from "./parse_block.ts";
import type { ReadOptions } from "./read_file.ts";

/** Which events, of which active file. */
export interface LastBlockOptions extends ReadOptions {
  readonly path: string;
  readonly limit: number;
  readonly matches: (event: AuditEvent) => boolean;
}

/** Gives the last events that match, the newest first; null where the block has less than the limit. */
export async function lastBlockEvents(options: LastBlockOptions): Promise<AuditEvent[] | null> {
  const { fileSystem, path, limit, maxLineBytes, matches } = options;
  using stack = new DisposableStack();
  const active = openInto(stack, fileSystem, path);
  if (active === null) return null;
  const { byteLength } = active.status();
  let block: Block | undefined;
  try {
    ({ value: block } = await tailBlocksOf(active, byteLength, maxLineBytes).next());
  } catch (error) {
    // Whoever reads the file as one of all tells of it.
    if (error instanceof UnreadableRestError) return null;
    throw error;
  }
  if (block === undefined) return null;
  const damaged: Parameters<DamageReport["add"]>[] = [];
  const events = eventsIn(block, {
    ...options,
    onDamage: (line, reason) => damaged.push([path, line, reason]),
  });
  const found = events.filter(matches);
  if (found.length < limit) return null;
  for (const damage of damaged) options.damage.add(...damage);
  return found.slice(-limit).reverse();
}
