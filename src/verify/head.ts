/**
 * The head of a log, as an anchor to be kept elsewhere.
 *
 * @module
 */
import type { ChainLink } from "../line/chain.ts";
import { openInto } from "../platform/regular_file.ts";
import { ChainHistory } from "../segments/chain_history.ts";
import { chainTail } from "../segments/chain_tail.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { Clock } from "../platform/clock.ts";
import { readManifest } from "./manifest_check.ts";
import type { ChainHead } from "./report.ts";
import type { VerifySource } from "./verify_log.ts";

/** Where a log is, and how to read what takes time. */
export interface HeadSource extends VerifySource {
  readonly clock: Clock;
  /** Ends the reading. */
  readonly signal: AbortSignal;
}

/** Tells what a log has come to. */
export async function headOf(source: HeadSource): Promise<ChainHead> {
  await source.beforeRead?.();
  const files = new LogFiles(source.path);
  const link = await lastLink(source, files);
  const { lines, headSha256 } = readManifest(source.fileSystem, files);
  return {
    archives: lines.size,
    manifestSha256: headSha256,
    seq: link?.seq ?? null,
    hash: link?.hash ?? null,
  };
}

async function lastLink(source: HeadSource, files: LogFiles): Promise<ChainLink | null> {
  using stack = new DisposableStack();
  const active = openInto(stack, source.fileSystem, files.active);
  const tail = active === null ? null : chainTail(active, active.status().byteLength);
  if (tail !== null) return tail.link;
  const history = new ChainHistory({ ...source, files });
  await history.prepare();
  return history.last();
}
