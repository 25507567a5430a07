/**
 * Recognizes torn lines. A torn line is the first part of a line that a writer of this library did not complete, or
 * NULs in place of a line that a power loss erased. Pure.
 *
 * A line with a hash was written completely, so it is not a torn line. If such a line is damaged, a crash is not the
 * cause.
 *
 * @module
 */
import { CHAIN_START, hashMember, linkOf } from "../line/chain.ts";

const BEGINNING = '{"ts":"';
/**
 * Maximum number of changed bytes in the hash member at the end of a line. A line with more changed bytes does not
 * count as a line with a hash.
 */
const CHANGED_MAX = 4;

const latin1 = new TextDecoder("latin1");

/**
 * Checks whether a line is torn, which means that a crash left it incomplete. The caller passes the line without its
 * line break.
 */
export function isTorn(line: Uint8Array): boolean {
  const start = line.findIndex((byte) => byte !== 0);
  if (start < 0) return true;
  const head = latin1.decode(line.subarray(start, start + BEGINNING.length));
  if (!BEGINNING.startsWith(head)) return false;
  // If the line break of a complete line was changed to another byte, the line seems to continue, and that byte follows
  // the hash. So the line is checked without its last byte.
  return linkOf(line.subarray(0, -1)) === null && !hadHash(line);
}

/** Checks whether the line ends with a hash, of which a few bytes may have been changed. */
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
