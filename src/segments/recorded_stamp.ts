/**
 * Finds the newest stamp in the last lines of the manifest. A stamp is the time in the name of a segment or archive.
 *
 * Retention can remove the newest archive because of its age. The name of this archive must not be used again, because
 * the manifest still describes the removed archive by this name. Therefore the stamp of a new segment must be later
 * than the stamps in the manifest.
 *
 * @module
 */
import { readWhole } from "../platform/chunks.ts";
import type { LogDirectory } from "./log_directory.ts";
import { STAMP_MAX_MS } from "./rotation_policy.ts";
import { type Stamp, stampEpochMs } from "./segment_name.ts";

/** Number of bytes to read from the end of the manifest in the first attempt, and the maximum for later attempts. */
const TAIL_BYTES = 64 * 1024;
const TAIL_BYTES_MAX = 16 * 1024 * 1024;

const LINE_BREAK = 0x0a;
/** Matches the start of a manifest line about an archive or about its removal, up to the name of the archive. */
const NAMED = /^\{"v":1,"seq":\d+,"(?:archive|pruned)":"([^"\\]+)"/;

/**
 * Returns the newest stamp (time in the name of an archive) in the last lines of the manifest; undefined if these lines
 * have no stamp.
 */
export function newestRecordedStamp(log: LogDirectory): Stamp | undefined {
  using stack = new DisposableStack();
  const handle = log.open(log.files.manifest, stack);
  if (handle === null) return undefined;
  const { byteLength } = handle.status();
  for (let tail = TAIL_BYTES;; tail *= 4) {
    const from = Math.max(0, byteLength - tail);
    const stamps = stampsIn(readWhole(handle, from, byteLength), from === 0, log);
    if (stamps.length > 0 || from === 0 || tail >= TAIL_BYTES_MAX) return stamps.sort().at(-1);
  }
}

/**
 * Returns the stamps (the times in the names of archives) in the last bytes of a manifest. Skips the first line,
 * because it may be incomplete, unless the bytes are the whole manifest.
 */
function stampsIn(bytes: Uint8Array, isWhole: boolean, { files }: LogDirectory): Stamp[] {
  const text = new TextDecoder().decode(
    isWhole ? bytes : bytes.subarray(bytes.indexOf(LINE_BREAK) + 1),
  );
  return text.split("\n").flatMap((line) => {
    const name = NAMED.exec(line)?.[1];
    const parsed = name === undefined ? null : files.parse(name);
    // A time of the year 9999 in the name of an archive is ignored, because new segments, which need later times in
    // their names, could not be named.
    const isUsable = parsed?.form === "archive" && stampEpochMs(parsed.stamp) <= STAMP_MAX_MS;
    return isUsable ? [parsed.stamp] : [];
  });
}
