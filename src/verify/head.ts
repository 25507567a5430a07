/**
 * Computes the chain head of a log: the hashes of its last lines. A user stores the head outside the log as an anchor,
 * so that a later check detects whether lines were removed or rewritten.
 *
 * @module
 */
import type { ChainLink } from "../line/chain.ts";
import { Turns } from "../platform/turns.ts";
import type { InTurns } from "../segments/archive_content.ts";
import { ChainHistory } from "../segments/chain_history.ts";
import { chainTailInTurns } from "../segments/chain_tail.ts";
import { readManifest } from "./manifest_check.ts";
import type { ChainHead } from "./report.ts";
import type { VerifySource } from "./verify_log.ts";

/** Resolves with the chain head of a log: the hashes of its last chained line and of the last line of its manifest. */
export async function headOf(source: VerifySource & InTurns): Promise<ChainHead> {
  await source.beforeRead?.();
  const link = await lastLink(source);
  const { lines, headSha256 } = await readManifest(source.log, new Turns(source.clock));
  return {
    archives: lines.size,
    manifestSha256: headSha256,
    seq: link?.seq ?? null,
    hash: link?.hash ?? null,
  };
}

async function lastLink(source: VerifySource & InTurns): Promise<ChainLink | null> {
  using stack = new DisposableStack();
  const active = source.log.openActive(stack);
  const turns = new Turns(source.clock);
  const tail = active === null
    ? null
    : await chainTailInTurns(active, active.status().byteLength, turns);
  if (tail !== null) return tail.link;
  const history = new ChainHistory(source.log, source);
  await history.prepare();
  return history.last(await source.log.segmentsInTurns(turns));
}
