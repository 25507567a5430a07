/**
 * A simple reader of a log, whose answers the tests compare with those of the library. The reference holds all files in
 * memory, decodes everything, parses every line and searches all events for each query. The reference shares only the
 * code that parses one line with the library.
 *
 * @module
 */
import { basename } from "@std/path";
import type { UnfinishedSpan } from "@vivarium/scout";
import type { AuditEvent } from "../../src/event.ts";
import type { AccuracyMetrics } from "../../src/metrics/accuracy.ts";
import type { GateMetrics } from "../../src/metrics/gate.ts";
import type { GateQuery } from "../../src/rollup/gate_tally.ts";
import { LOST, parseLine } from "../../src/line/parse_line.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import { joined } from "../bytes.ts";

/** The bytes of the files of one directory, by path. */
export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** The decoded content of one file of a log. */
export interface Content {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * If an archive cannot be decoded to its end: the minimum number of bytes, all of whole lines, that every reader must
   * decode. A reader may decode more, up to all of `bytes`. Null for any other file.
   */
  readonly goodBytesMin: number | null;
  /**
   * `true` if the file is a gzip file of several undamaged members. A reader may or may not report such a file as
   * damaged.
   */
  readonly isWholeInParts?: boolean;
}

/** A range of bytes of a file that could not be read. */
export interface Region {
  readonly path: string;
  readonly byteOffset: number;
  readonly byteLength: number;
  /** The reason why the range could not be read; null if a decoder reports the damage in its own words. */
  readonly reason: string | null;
}

/** A sum of costs. */
export interface Spend {
  /** The sum in USD, as if computed exactly and rounded once. */
  readonly usd: number;
  /** The sum of the absolute costs in USD. The accepted rounding error is relative to this sum. */
  readonly magnitude: number;
}

const HOUR_MS = 3_600_000;
const LINE_BREAK = 0x0a;
/** Number of bytes that the decoder gets in one step. If a step fails, the output of the step is lost. */
const GZIP_SLICE_BYTES = 4 * 1024;
const GZIP_MAGIC = [0x1f, 0x8b, 0x08];

/** Decodes the files of the log with the active file `path`. Resolves with the contents of the files, oldest first. */
export async function contentsOf(files: Files, path: string): Promise<Content[]> {
  const contents: Content[] = [];
  for (const name of namesInOrder(files, path)) contents.push(await contentOf(files, name));
  return contents;
}

/**
 * Returns the paths of the segments in the order of the times in their names, and then the path of the active file. A
 * segment that has an uncompressed file and an archive is returned once.
 */
function namesInOrder(files: Files, path: string): string[] {
  const stem = basename(path, ".jsonl");
  const byStamp = new Map<string, string>();
  for (const file of [...files.keys()].sort()) {
    const [, nameStem, stamp, suffix] = /^(.*)_(\d{8}_\d{6})\.jsonl(\.gz)?$/.exec(basename(file)) ??
      [];
    if (nameStem !== stem || stamp === undefined || !isTime(stamp)) continue;
    // A file that has its own lock file is the active file of another log.
    if (suffix === undefined && files.has(`${file}.lock`)) continue;
    // If a segment has an uncompressed file and an archive, the uncompressed file sorts first. The archive is used only
    // if the uncompressed file is empty.
    const other = byStamp.get(stamp);
    if (other === undefined || files.get(other)!.byteLength === 0) byStamp.set(stamp, file);
  }
  const segments = [...byStamp.keys()].sort().map((stamp) => byStamp.get(stamp)!);
  return files.has(path) ? [...segments, path] : segments;
}

function isTime(stamp: string): boolean {
  const iso = stamp.replace(/(....)(..)(..)_(..)(..)(..)/, "$1-$2-$3T$4:$5:$6.000Z");
  const date = new Date(iso);
  return !Number.isNaN(date.getTime()) && date.toISOString() === iso;
}

async function contentOf(files: Files, path: string): Promise<Content> {
  const bytes = files.get(path)!;
  if (!path.endsWith(".gz")) return { path, bytes, goodBytesMin: null };
  const least = await inflated(bytes, GZIP_SLICE_BYTES);
  if (least.isWhole) return { path, bytes: least.bytes, goodBytesMin: null };
  const goodBytesMin = wholeLinesOf(least.bytes).byteLength;
  const members = await inflatedMembers(bytes);
  if (members !== null) return { path, bytes: members, goodBytesMin, isWholeInParts: true };
  return { path, bytes: (await inflated(bytes, 1)).bytes, goodBytesMin };
}

/** Resolves with the content of a gzip file if it consists only of undamaged members, else with null. */
async function inflatedMembers(bytes: Uint8Array<ArrayBuffer>): Promise<
  Uint8Array<ArrayBuffer> | null
> {
  const { bytes: all, isWhole } = await inflated(bytes, GZIP_SLICE_BYTES);
  if (isWhole) return all;
  for (let end = 1; end < bytes.byteLength; end++) {
    if (!GZIP_MAGIC.every((byte, index) => bytes[end + index] === byte)) continue;
    const first = await inflated(bytes.subarray(0, end), GZIP_SLICE_BYTES);
    const rest = first.isWhole ? await inflatedMembers(bytes.subarray(end)) : null;
    if (rest !== null) return joined(first.bytes, rest);
  }
  return null;
}

/** Resolves with the decoded bytes of a gzip file, up to the first slice that cannot be decoded. */
async function inflated(
  bytes: Uint8Array<ArrayBuffer>,
  sliceBytes: number,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; isWhole: boolean }> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let isWhole = true;
  try {
    const stream = ReadableStream.from(slicesOf(bytes, sliceBytes))
      .pipeThrough(new DecompressionStream("gzip"));
    for await (const part of stream) parts.push(part);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    isWhole = false;
  }
  return { bytes: joined(...parts), isWhole };
}

function* slicesOf(
  bytes: Uint8Array<ArrayBuffer>,
  sliceBytes: number,
): Generator<Uint8Array<ArrayBuffer>> {
  for (let start = 0; start < bytes.byteLength; start += sliceBytes) {
    yield bytes.subarray(start, start + sliceBytes);
  }
}

function wholeLinesOf(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.subarray(0, bytes.lastIndexOf(LINE_BREAK) + 1);
}

/** The correct answers to all queries of one log. */
export class Reference {
  /** Every event, in the order of appending. */
  readonly events: readonly AuditEvent[];
  /** Every region that cannot be read. */
  readonly damage: readonly Region[];

  /** Parses the contents of the files. Of a damaged archive, parses all of `bytes`. */
  constructor(contents: readonly Content[], maxLineBytes: number) {
    const read = contents.map((content) => readContent(content, maxLineBytes));
    this.events = read.flatMap(({ events }) => events);
    this.damage = read.flatMap(({ damage }) => damage);
  }

  /** Returns the events that match the options. */
  query(options: QueryOptions = {}): AuditEvent[] {
    const matching = this.events.filter((event) => isMatch(event, options));
    const ordered = options.order === "desc" ? matching.reverse() : matching;
    return ordered.slice(0, options.limit ?? ordered.length);
  }

  /** Returns the last `n` events, oldest first. */
  lastEvents(n: number, options: Pick<QueryOptions, "eventType"> = {}): AuditEvent[] {
    return this.query({ ...options, order: "desc", limit: n }).reverse();
  }

  /** Returns the sum of the costs of the last `hours` hours. */
  spend(hours: number, nowMs: number): Spend {
    if (hours <= 0) return { usd: 0, magnitude: 0 };
    const sinceMs = nowMs - hours * HOUR_MS;
    const costs = this.events
      .filter(({ ts }) => epochMsOf(ts) >= sinceMs && epochMsOf(ts) <= nowMs)
      .map(({ cost }) => cost)
      .filter((cost): cost is number => typeof cost === "number" && Number.isFinite(cost));
    // Math.sumPrecise() returns -0 for an empty list.
    return { usd: Math.sumPrecise(costs) + 0, magnitude: Math.sumPrecise(costs.map(Math.abs)) + 0 };
  }

  /** Returns the spans (operations with a logged beginning) that have no end, in the order in which they began. */
  unfinished(): UnfinishedSpan[] {
    const open: AuditEvent[] = [];
    for (const event of this.events) {
      const { event: type, span } = event;
      if (typeof type !== "string" || typeof span !== "string") continue;
      if (type.endsWith("_begin") && type !== "_begin") open.push(event);
      else {
        const begun = open.findLastIndex((begin) =>
          begin.event === `${type}_begin` && begin.span === span
        );
        if (begun >= 0) open.splice(begun, 1);
      }
    }
    return open.map((begin) => {
      const { event, span, parent, ts, session_id, ...fields } = begin;
      const seen = this.events.findLast((event) =>
        typeof session_id === "string" && event.session_id === session_id &&
        typeof event.ts === "string"
      );
      return {
        span: span as string,
        ...typeof parent === "string" ? { parent } : {},
        event: event!.slice(0, -"_begin".length),
        ...typeof ts === "string" ? { ts } : {},
        ...typeof session_id === "string" ? { session_id } : {},
        fields: parent === undefined || typeof parent === "string" ? fields : { parent, ...fields },
        ...seen === undefined ? {} : { lastSeen: seen.ts! },
      };
    });
  }

  /** Returns the expected result of `accuracyMetrics(since)`. */
  accuracy(since: string | number): AccuracyMetrics {
    const events = this.query({ since });
    const totalNav = events.filter(({ event }) => event === "nav").length;
    const validationFailCount = events.filter(({ event }) => event === "validation_fail").length;
    const pct = totalNav === 0 ? 100 : 100 * (totalNav - validationFailCount) / totalNav;
    return { totalNav, validationFailCount, accuracyPct: rounded(Math.max(0, pct), 2) };
  }

  /** Returns the expected result of `gateMetrics()`, for the events since `since` or for all events. */
  gate({ since, lastN = 10 }: { since?: string | number; lastN?: number } = {}): GateMetrics {
    const events = this.query(since === undefined ? {} : { since });
    const decisions = events.map(decisionOf).filter((decision) => decision !== null);
    const passes = events.filter((event) => decisionOf(event)?.outcome === "pass");
    const confidence = Math.sumPrecise(passes.map(({ confidence }) => confidence!));
    const [passCount, total] = [passes.length, decisions.length];
    const pct = (part: number) => total === 0 ? 0 : rounded(100 * part / total, 1);
    return {
      passCount,
      escalateCount: total - passCount,
      total,
      passRatePct: pct(passCount),
      avgConfidence: passCount === 0 ? 0 : rounded(confidence / passCount / 100, 2),
      escalateRatePct: pct(total - passCount),
      lastQueries: decisions.slice(Math.max(0, total - lastN)),
    };
  }
}

/**
 * Rounds half up. The value is the result of a division; rounding it to 15 digits first removes the rounding error of
 * the division.
 */
function rounded(value: number, digits: number): number {
  return Math.round(Number((value * 10 ** digits).toPrecision(15))) / 10 ** digits;
}

function decisionOf({ event, reason, confidence }: AuditEvent): GateQuery | null {
  if (event === "gate_escalate") return { outcome: "escalate", reason: "low_confidence" };
  if (event !== "gate_compress") return null;
  if (reason === "stale_cascade") return { outcome: "escalate", reason: "stale_cache" };
  if (reason === "parse_fail" || reason === "api_error") return null;
  return Number.isFinite(confidence) ? { outcome: "pass", reason: null } : null;
}

function isMatch(event: AuditEvent, options: QueryOptions): boolean {
  const { since, until, eventType, sessionId, where } = options;
  const ms = epochMsOf(event.ts);
  if (since !== undefined && !(ms >= epochMsOfOption(since))) return false;
  if (until !== undefined && !(ms < epochMsOfOption(until))) return false;
  if (eventType !== undefined && ![eventType].flat().includes(event.event!)) return false;
  if (sessionId !== undefined && event.session_id !== sessionId) return false;
  return where === undefined || where(event);
}

function epochMsOfOption(time: NonNullable<QueryOptions["since"]>): number {
  return time instanceof Temporal.Instant ? time.epochMilliseconds : new Date(time).getTime();
}

/** Returns the time of a `ts`, or NaN if it is not a time. A time without an offset is in UTC. */
export function epochMsOf(ts: unknown): number {
  if (typeof ts !== "string") return NaN;
  // Temporal does not accept 24:00, the end of a day.
  if (/T24:00:00\.000Z$/.test(ts)) return epochMsOf(ts.replace("T24", "T00")) + 86_400_000;
  // Some programs write a space before the offset, or in place of the offset. Temporal accepts neither.
  const joined = ts.replace(/ (Z?)$/i, "$1");
  for (const text of [joined, `${joined}Z`, `${joined}T00:00Z`]) {
    try {
      return Temporal.Instant.from(text).epochMilliseconds;
    } catch {
      // The text may lack the offset, or the time of day. The next form of the text adds it.
    }
  }
  return NaN;
}

function readContent(
  { path, bytes, goodBytesMin }: Content,
  maxLineBytes: number,
): { events: AuditEvent[]; damage: Region[] } {
  const events: AuditEvent[] = [];
  const damage: Region[] = [];
  for (let start = 0; start < bytes.byteLength;) {
    const lineBreak = bytes.indexOf(LINE_BREAK, start);
    const hasLineBreak = lineBreak >= 0;
    const end = hasLineBreak ? lineBreak : bytes.byteLength;
    const next = hasLineBreak ? end + 1 : end;
    const outcome = end - start + 1 > maxLineBytes
      ? { reason: `longer than maxLineBytes (${maxLineBytes})` }
      : parseLine(bytes.subarray(start, end));
    if (outcome !== null && "event" in outcome) {
      const { event, lostBytes = 0 } = outcome;
      events.push(event);
      if (lostBytes > 0) {
        damage.push({ path, byteOffset: start, byteLength: lostBytes, reason: LOST });
      }
    } else if (outcome !== null) {
      const isTorn = !hasLineBreak && !outcome.reason.startsWith("longer");
      const reason = isTorn ? "torn tail" : outcome.reason;
      damage.push({ path, byteOffset: start, byteLength: next - start, reason });
    }
    start = next;
  }
  if (goodBytesMin !== null) {
    damage.push({ path, byteOffset: bytes.byteLength, byteLength: 0, reason: null });
  }
  return { events, damage };
}

/**
 * Truncates each damaged archive to the byte at which a reader stopped decoding it.
 *
 * @throws {RangeError} If the reader did not report the archive, or stopped within a line or before the byte
 *   `goodBytesMin`.
 */
export function cutWhereReaderStopped(
  contents: readonly Content[],
  damage: readonly Omit<Region, "reason">[],
): Content[] {
  return contents.map((content) => {
    const { path, bytes, goodBytesMin, isWholeInParts = false } = content;
    if (goodBytesMin === null) return content;
    const end = damage.find((region) => region.path === path && region.byteLength === 0);
    if (end === undefined && isWholeInParts) return { path, bytes, goodBytesMin: null };
    if (end === undefined || !isLineEnd(bytes, end.byteOffset) || end.byteOffset < goodBytesMin) {
      throw new RangeError(
        `The reader has to decode between ${goodBytesMin} and ${bytes.byteLength} bytes of ${path}, ` +
          `but stopped at byte ${end?.byteOffset}`,
      );
    }
    return { ...content, bytes: bytes.subarray(0, end.byteOffset) };
  });
}

/** Checks whether the byte offset `end` follows a whole line, or a whole event without its line break. */
function isLineEnd(bytes: Uint8Array, end: number): boolean {
  if (end === 0 || bytes[end - 1] === LINE_BREAK) return true;
  const last = bytes.subarray(bytes.lastIndexOf(LINE_BREAK, end - 1) + 1, end);
  const outcome = parseLine(last);
  return end <= bytes.byteLength && outcome !== null && "event" in outcome;
}
