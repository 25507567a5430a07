/**
 * Whether a line that is no event looks like what a crash leaves of one of ours: its beginning, or the
 * NULs of a disk that lost it. Pure.
 *
 * A line that has its hash was whole once, so what is wrong with it is no crash's doing.
 *
 * @module
 */
import { CHAIN_START, hashMember, linkOf } from "../line/chain.ts";

const BEGINNING = '{"ts":"';
/** How many bytes of the end of a line may differ from one that has its hash, and it had one. */
const CHANGED_MAX = 4;

const latin1 = new TextDecoder("latin1");

/** Tells it of a line that is given without its line break. */
export function isTorn(line: Uint8Array): boolean {
  const start = line.findIndex((byte) => byte !== 0);
  if (start < 0) return true;
  const head = latin1.decode(line.subarray(start, start + BEGINNING.length));
  if (!BEGINNING.startsWith(head)) return false;
  // Another byte in the place of the line break makes the line one longer.
  return linkOf(line.subarray(0, -1)) === null && !hadHash(line);
}

/** Whether the end is that of a line with its hash, but for a few bytes. */
function hadHash(line: Uint8Array): boolean {
  const member = `${hashMember(CHAIN_START.hash)}}`;
  const last = latin1.decode(line.subarray(-member.length));
  if (last.length < member.length) return false;
  let changed = 0;
  for (let index = 0; index < member.length; index++) {
    const isDigit = member[index] === "0";
    const isSame = isDigit ? /[0-9a-f]/.test(last[index]!) : last[index] === member[index];
    if (!isSame) changed++;
  }
  return changed <= CHANGED_MAX;
}
