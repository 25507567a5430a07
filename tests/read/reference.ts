/**
 * What reading a log has to come to, done the plain way: all files in memory, everything decoded,
 * every line parsed, each question answered by going through all events. Of the library it takes the
 * parsing of one line and nothing else.
 *
 * @module
 */
import { basename } from "@std/path";
import type { AuditEvent } from "../../src/event.ts";
import type { AccuracyMetrics } from "../../src/metrics/accuracy.ts";
import type { GateMetrics, GateQuery } from "../../src/metrics/gate.ts";
import { LOST, parseLine } from "../../src/line/parse_line.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import { joined } from "../bytes.ts";

/** Bytes of the files of one directory by their paths. */
export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** What one file of a log holds. */
export interface Content {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Of an archive that cannot be decoded to its end, how many bytes of whole lines a reader gets out
   * of it at least; `bytes` is what it gets at most. Null for any other file.
   */
  readonly goodBytesMin: number | null;
  /** Whether it is a gzip file of several members, which a reader may take for damaged or not. */
  readonly isWholeInParts?: boolean;
}

/** A region that could not be read. */
export interface Region {
  readonly path: string;
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Null where the words are those of the decoder. */
  readonly reason: string | null;
}

/** A sum of costs. */
export interface Spend {
  /** The sum, as if computed exactly and rounded once. */
  readonly usd: number;
  /** The sum without the signs. */
  readonly magnitude: number;
}

const HOUR_MS = 3_600_000;
const LINE_BREAK = 0x0a;
/** What the decoder is given at a time: it drops what it made of a slice in which it fails. */
const GZIP_SLICE_BYTES = 4 * 1024;
const GZIP_MAGIC = [0x1f, 0x8b, 0x08];

/** Decodes the files of the log whose active file is at the path, oldest first. */
export async function contentsOf(files: Files, path: string): Promise<Content[]> {
  const contents: Content[] = [];
  for (const name of namesInOrder(files, path)) contents.push(await contentOf(files, name));
  return contents;
}

/** The segments by their stamps, each in the one form that counts, and the active file. */
function namesInOrder(files: Files, path: string): string[] {
  const stem = basename(path, ".jsonl");
  const byStamp = new Map<string, string>();
  for (const file of [...files.keys()].sort()) {
    const [, nameStem, stamp, suffix] = /^(.*)_(\d{8}_\d{6})\.jsonl(\.gz)?$/.exec(basename(file)) ??
      [];
    if (nameStem !== stem || stamp === undefined || !isTime(stamp)) continue;
    // A file with a lock file of its own is another log.
    if (suffix === undefined && files.has(`${file}.lock`)) continue;
    // The sealed form sorts first, and wins unless it is empty.
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

/** What the members of a gzip file hold, if it is nothing but whole ones. */
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

/** What the bytes of a gzip file hold, up to the slice in which they turn out to be damaged. */
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

/** The answers to all questions about one log. */
export class Reference {
  /** Every event, in the order of appending. */
  readonly events: readonly AuditEvent[];
  /** Everything that cannot be read. */
  readonly damage: readonly Region[];

  /** Reads the contents, of an undecodable archive as much as `bytes` has of it. */
  constructor(contents: readonly Content[], maxLineBytes: number) {
    const read = contents.map((content) => readContent(content, maxLineBytes));
    this.events = read.flatMap(({ events }) => events);
    this.damage = read.flatMap(({ damage }) => damage);
  }

  /** The events that the options ask for. */
  query(options: QueryOptions = {}): AuditEvent[] {
    const matching = this.events.filter((event) => isAskedFor(event, options));
    const ordered = options.order === "desc" ? matching.reverse() : matching;
    return ordered.slice(0, options.limit ?? ordered.length);
  }

  /** The last `n` events, oldest first. */
  lastEvents(n: number, options: Pick<QueryOptions, "eventType"> = {}): AuditEvent[] {
    return this.query({ ...options, order: "desc", limit: n }).reverse();
  }

  /** Cost of the last hours. */
  spend(hours: number, nowMs: number): Spend {
    if (hours <= 0) return { usd: 0, magnitude: 0 };
    const sinceMs = nowMs - hours * HOUR_MS;
    const costs = this.events
      .filter(({ ts }) => epochMsOf(ts) >= sinceMs && epochMsOf(ts) <= nowMs)
      .map(({ cost }) => cost)
      .filter((cost): cost is number => typeof cost === "number" && Number.isFinite(cost));
    // The sum of nothing is -0.
    return { usd: Math.sumPrecise(costs) + 0, magnitude: Math.sumPrecise(costs.map(Math.abs)) + 0 };
  }

  /** Accuracy of the navigation since the time. */
  accuracy(since: string | number): AccuracyMetrics {
    const events = this.query({ since });
    const totalNav = events.filter(({ event }) => event === "nav").length;
    const validationFailCount = events.filter(({ event }) => event === "validation_fail").length;
    const pct = totalNav === 0 ? 100 : 100 * (totalNav - validationFailCount) / totalNav;
    return { totalNav, validationFailCount, accuracyPct: rounded(Math.max(0, pct), 2) };
  }

  /** Figures of the gate since the time, or of all. */
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

/** Half is rounded up; 15 digits take away what the division left behind them. */
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

function isAskedFor(event: AuditEvent, options: QueryOptions): boolean {
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

/** The instant of a `ts`; one without an offset is in UTC, and what is no time is NaN. */
function epochMsOf(ts: unknown): number {
  if (typeof ts !== "string") return NaN;
  const hasOffset = /Z$|[+-]\d\d:?\d\d$/i.test(ts);
  return new Date(hasOffset ? ts : `${ts}Z`).getTime();
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
 * The contents with each undecodable archive cut to where a reader gave it up.
 *
 * @throws {RangeError} for a place where none may give up.
 */
export function cutWhereGivenUp(
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
        `${path} holds ${bytes.byteLength} good bytes of lines, of which every reader gets ` +
          `${goodBytesMin}, but was given up at ${end?.byteOffset}`,
      );
    }
    return { ...content, bytes: bytes.subarray(0, end.byteOffset) };
  });
}

/** Whether a reader may give up there: behind a line, or behind a whole event that lacks its line break. */
function isLineEnd(bytes: Uint8Array, end: number): boolean {
  if (end === 0 || bytes[end - 1] === LINE_BREAK) return true;
  const last = bytes.subarray(bytes.lastIndexOf(LINE_BREAK, end - 1) + 1, end);
  const outcome = parseLine(last);
  return end <= bytes.byteLength && outcome !== null && "event" in outcome;
}
