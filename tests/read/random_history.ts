/**
 * Random logs as many programs might leave them: segments in any form, a complete, incomplete or damaged manifest,
 * damaged files, clocks that step, and lines that mislead a text pre-filter.
 *
 * @module
 */
import { basename, resolve } from "@std/path";
import { gzipSync } from "node:zlib";
import type { AuditEvent } from "../../src/event.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import type { ArchiveFacts } from "../../src/segments/manifest_line.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { LogFiles, type Stamp, stampOf } from "../../src/segments/segment_name.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { SimulatedDisk, type SimulatedProcess } from "../faults/simulated_disk.ts";
import type { SeededRandom } from "../seeded_random.ts";
import { epochMsOf, type Files } from "./reference.ts";
import { gzipFacts, joined } from "../bytes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LINE_BREAK = 0x0a;
const encoder = new TextEncoder();

/** Event types to draw from. A type that appears more than once is drawn more often. */
const EVENT_TYPES: readonly unknown[] = [
  ...["nav", "nav", "nav", "nav", "brief", "brief", "budget", "validation_fail", "validation_fail"],
  ...["gate_compress", "gate_compress", "gate_compress", "gate_escalate"],
  ...["__proto__", "constructor", "prüfung 🚀", "na", "navv", "Nav", "", "n\0v", '"nav"', "\ud800"],
  ...[42, null, undefined, ["nav"]],
];
const SESSIONS: readonly unknown[] = ["s1", "s1", "s2", "s2", "s22", "sé\u0007", undefined, 7];
const ODD_TIMES: readonly unknown[] = [
  ...["", "yesterday", "2026-02-30T25:00:00Z", "Z", "2026", "2026-01-20", "20260120T101112Z"],
  ...["Tue, 20 Jan 2026 14:00:00 GMT+0200", "2026-01-20 11:12:13", "+275761-01-01T00:00:00.000Z"],
  ...["2026-01-20 15:12:13+05", "2026-01-20T10:12:13,250Z", "2026-01-20T10:11:60Z"],
  ...[
    "2026-01-20 06:42:13.5-0330",
    "2026-01-20T11:12+01:00[Europe/Berlin]",
    "2026-02-30T10:00:00.000Z",
  ],
  ...[42, null, true, ["2026-01-20T10:11:12Z"], "-000001-01-01T00:00:00Z"],
  // Some parsers read these times as times of the next day.
  ...["2026-01-20T24:00:00.000Z", "2026-02-30T10:11:12.000Z", "2026-02-29T10:11:12.000Z"],
];
/**
 * Values that contain text like the members of an event. They mislead a reader that only searches the text of a line.
 */
const DECOYS: readonly unknown[] = [
  '"event":"nav"',
  '{"event":"nav","cost":5,"ts":"2026-01-20T10:11:12.000Z"}\n',
  'back\\slash, \\"event\\":\\"nav\\", "session_id":"s1"',
  "NaN, -Infinity",
  "ü€😀\u2028",
  { event: "nav", cost: 99, session_id: "s1", ts: "2026-01-20T10:11:12.000Z" },
  [{ event: "gate_escalate" }, "cost", 3],
];
const COST_TEXTS = ["1e-3", "0.10", "1E2", "-0", "1e400", '"0.5"', "[1]", "0.1000000000000000055"];
const NOT_EVENTS = ["42", "[]", '"nav"', "null", "true", "-1.5e3", '[{"event":"nav"}]', " 7 "];
const NOT_JSON = [
  ...["{", "nul", "{'event':'nav'}", '{"event":"nav",}', '{"event":"nav"}}', "]", "{]"],
  ...['{"event":"nav"}{"event":"nav"}', '\u00a0{"event":"nav"}', '{"event":"nav","cost":.5}'],
  ...[
    '{"event":"na\tv"}',
    '{"event":"nav","x":undefined}',
    '{"event":"nav","cost":1e}',
    "\0".repeat(64),
  ],
];
const BLANKS = ["", " ", "\t \r", "\u00a0", "\u2028", "\ufeff"];
const NOT_UTF8 = [[0xff], [0x7b, 0xff, 0x7d], [0xc3], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xfe, 0xff]];

function oneOf<T>(random: SeededRandom, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

function chance(random: SeededRandom, percent: number): boolean {
  return random.below(100) < percent;
}

function gzip(bytes: Bytes): Bytes {
  return new Uint8Array(gzipSync(bytes));
}

/** The names and values of an event's members, in order. */
type Members = readonly (readonly [name: string, value: unknown])[];

/** Random lines in the style of this library, of Python and of other programs. */
class RandomLines {
  /**
   * Times of the events that were created so far, in epoch milliseconds. Events without a readable time are left out.
   * Unusual times are listed ten times, so that queries use them more often.
   */
  readonly timesMs: number[] = [];
  readonly #random: SeededRandom;
  readonly #maxLineBytes: number;
  readonly #stepMsMax: number;
  readonly #hasWildCosts: boolean;
  #clockMs: number;
  #count = 0;

  constructor(random: SeededRandom, maxLineBytes: number) {
    this.#random = random;
    this.#maxLineBytes = maxLineBytes;
    this.#clockMs = Date.UTC(2026, 0, 1) + random.below(20 * DAY_MS);
    this.#stepMsMax = oneOf(random, [3, 5_000, 10 * 60_000, 10 * 60_000, 3 * HOUR_MS]);
    this.#hasWildCosts = chance(random, 25);
  }

  /** The current time of the writer's clock, in epoch milliseconds. */
  get clockMs(): number {
    return this.#clockMs;
  }

  /** Sets the writer's clock back or forward by hours or days. */
  stepClock(): void {
    const stepMs = this.#random.below(chance(this.#random, 50) ? 5 * HOUR_MS : 5 * DAY_MS);
    this.#clockMs += chance(this.#random, 75) ? -stepMs : stepMs;
  }

  /** Returns `count` lines and, sometimes, a whole or torn event without a line break after them. */
  some(count: number): Bytes {
    const lines = Array.from({ length: count }, () => this.#line());
    return joined(...lines, this.#ending());
  }

  #ending(): Bytes {
    switch (this.#random.pick({ none: 75, whole: 10, torn: 15 })) {
      case "none":
        return new Uint8Array();
      case "whole":
        return encoder.encode(this.#event());
      case "torn":
        return this.#cut(encoder.encode(this.#event()));
    }
  }

  #cut(bytes: Bytes): Bytes {
    return bytes.subarray(0, this.#random.below(bytes.byteLength));
  }

  #line(): Bytes {
    const random = this.#random;
    if (chance(random, 2)) this.stepClock();
    if (chance(random, 1)) {
      return joined(new Uint8Array(oneOf(random, NOT_UTF8)), encoder.encode("\n"));
    }
    const lineBreak = chance(random, 4) ? "\r\n" : "\n";
    const bom = chance(random, 1) ? "\ufeff" : "";
    return encoder.encode(`${bom}${this.#text()}${lineBreak}`);
  }

  #text(): string {
    const random = this.#random;
    switch (
      random.pick({ event: 86, none: 3, malformed: 4, torn: 2, blank: 2, long: 2, empty: 1 })
    ) {
      case "event":
        return this.#event();
      case "none":
        return oneOf(random, NOT_EVENTS);
      case "malformed":
        return oneOf(random, NOT_JSON);
      case "torn": {
        const text = this.#event();
        return text.slice(0, random.below(text.length));
      }
      case "blank":
        return oneOf(random, BLANKS);
      case "long":
        return this.#long();
      case "empty":
        return "{}";
    }
  }

  /** Returns a line of about the maximum length, or a much longer one. */
  #long(): string {
    const random = this.#random;
    const around = this.#maxLineBytes < 100_000 ? this.#maxLineBytes : 3_000;
    const byteLength = around +
      oneOf(random, chance(random, 10) ? [80_000, 300_000] : [-1, 0, 1, 5_000]);
    if (chance(random, 10)) return " ".repeat(byteLength);
    const text = `${JSON.stringify(Object.fromEntries(this.#record())).slice(0, -1)},"pad":"`;
    const left = byteLength - encoder.encode(text).byteLength - 2;
    return `${text}${"x".repeat(Math.max(0, left))}"}`;
  }

  #event(): string {
    const random = this.#random;
    const record = this.#record();
    const json = JSON.stringify(Object.fromEntries(record));
    const style = {
      ours: 42,
      python: 16,
      spaced: 8,
      escaped: 12,
      turned: 8,
      doubled: 9,
      number: 5,
    };
    switch (random.pick(style)) {
      case "ours":
        return json;
      case "python":
        return pythonJson(Object.fromEntries(record));
      case "spaced":
        return spaced(random, Object.fromEntries(record));
      case "escaped":
        return escaped(random, json);
      case "turned":
        return JSON.stringify(Object.fromEntries(record.toReversed()));
      case "doubled":
        return doubled(random, json);
      case "number":
        return `${json.slice(0, -1)},"cost":${oneOf(random, COST_TEXTS)}}`;
    }
  }

  #record(): Members {
    const random = this.#random;
    const event = oneOf(random, EVENT_TYPES);
    const members: Members = [
      ["ts", this.#ts()],
      ["event", event],
      ["session_id", oneOf(random, SESSIONS)],
      ["cost", this.#cost()],
      ...(String(event).startsWith("gate") ? this.#gateFields() : []),
      ["n", this.#count++],
      [oneOf(random, ["note", "config"]), chance(random, 20) ? oneOf(random, DECOYS) : undefined],
    ];
    return members.filter(([, value]) => value !== undefined);
  }

  #gateFields(): Members {
    const random = this.#random;
    const reasons = [
      undefined,
      undefined,
      "ok",
      "parse_fail",
      "api_error",
      "stale_cascade",
      null,
      5,
    ];
    const confidences = [random.below(101), random.below(200) / 2, undefined, null, "90"];
    return [["reason", oneOf(random, reasons)], ["confidence", oneOf(random, confidences)]];
  }

  #ts(): unknown {
    const random = this.#random;
    this.#clockMs += random.below(this.#stepMsMax + 1);
    let ms = this.#clockMs;
    const kind = random.pick({
      ...{ ours: 64, micro: 7, offset: 7, naive: 7, seconds: 3, lower: 1 },
      ...{ future: 2, none: 5, odd: 5 },
    });
    if (kind === "future") ms += random.below(400 * DAY_MS);
    if (kind === "none") return undefined;
    if (kind === "odd") return this.#oddTs();
    this.timesMs.push(ms);
    const iso = new Date(ms).toISOString();
    switch (kind) {
      case "micro":
        return iso.replace("Z", "456+00:00");
      case "offset":
        return new Date(ms + 2 * HOUR_MS).toISOString().replace("Z", "+02:00");
      case "naive":
        return iso.replace("Z", "999");
      case "seconds":
        return iso.replace(/\.\d+/, "");
      case "lower":
        return iso.toLowerCase();
    }
    return iso;
  }

  #oddTs(): unknown {
    const ts = oneOf(this.#random, ODD_TIMES);
    const ms = epochMsOf(ts);
    // Unusual times are rare in the log. They are listed ten times, so that random queries use them more often.
    if (!Number.isNaN(ms)) this.timesMs.push(...new Array<number>(10).fill(ms));
    return ts;
  }

  #cost(): unknown {
    const random = this.#random;
    const wild = this.#hasWildCosts ? { negative: 6, huge: 1 } : { negative: 0, huge: 0 };
    const tame = { small: 60, none: 20, zero: 3, null: 4, nan: 4, text: 3, other: 2 };
    switch (random.pick({ ...tame, ...wild })) {
      case "small":
        return random.below(10_000) / oneOf(random, [1e3, 1e4, 1e6, 1e7]);
      case "none":
        return undefined;
      case "zero":
        return 0;
      case "null":
        return null;
      case "nan":
        return oneOf(random, [NaN, Infinity, -Infinity]);
      case "text":
        return "0.25";
      case "other":
        return oneOf(random, [true, [0.5], { usd: 1 }]);
      case "negative":
        return -random.below(10_000) / 1e4;
      case "huge":
        return oneOf(random, [1e308, 1e308, -1e308, 1e16]);
    }
  }
}

/** Returns the JSON text that Python's `json.dumps()` writes. */
function pythonJson(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value).replaceAll(/[\u0080-\uffff]/g, unicodeEscape);
  }
  const members = Object.entries(value).map(([name, each]) => `"${name}": ${pythonJson(each)}`);
  return `{${members.join(", ")}}`;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Returns the JSON text with extra white space between its tokens. */
function spaced(random: SeededRandom, value: unknown): string {
  const space = oneOf(random, [" ", "  ", "\t", "\r", " \t "]);
  const text = JSON.stringify(value, null, 1).replaceAll("\n", space).replaceAll(
    '":',
    `"${space}:`,
  );
  // This replacement may alter or break a string that contains a quote and a colon. That is acceptable, because the
  // text is still one line.
  return `${space}${text}${space}`;
}

/** Replaces some letters of names and strings in a JSON text by escapes, which does not change its value. */
function escaped(random: SeededRandom, json: string): string {
  return json.replaceAll(
    /"(?:[^"\\]|\\.)*"/g,
    (string) =>
      string.replaceAll(
        /\\u....|\\.|[a-z0-9:.-]/gi,
        (each) => each.startsWith("\\") || !chance(random, 15) ? each : unicodeEscape(each),
      ),
  );
}

/** Adds members at the beginning of a JSON object. Later members with the same names override them. */
function doubled(random: SeededRandom, json: string): string {
  const before = oneOf(random, [
    '"event":"nav"',
    '"event":"brief","cost":123',
    '"ts":"2026-01-20T10:11:12.000Z","session_id":"s1"',
    '"ts":"1999-01-01T00:00:00.000Z"',
    '"__proto__":{"event":"nav","cost":3}',
    '"config":{"event":"nav","ts":"2026-01-20T10:11:12.000Z","cost":7}',
  ]);
  return json === "{}" ? `{${before}}` : `{${before},${json.slice(1)}`;
}

/** A random log on a simulated disk, and random changes of it. */
export class RandomHistory {
  /** The disk with the log, in `/log`. */
  readonly disk: SimulatedDisk = new SimulatedDisk();
  /** The path of the active file. */
  readonly path: string;
  /** The option `maxLineBytes` (maximum line length in bytes) with which readers must open the log. */
  readonly maxLineBytes: number;
  /** The current time of the reader, in epoch milliseconds. */
  nowMs: number;
  /** Number of segments that another program, and not an `AuditLog`, has removed. */
  removals = 0;
  /** The files and the changes so far, for the message of a failed test. */
  readonly story: string[] = [];
  /**
   * An archive with a flipped bit, which was changed after its manifest line was written; null if there is none. `held`
   * is the original content. A reader may answer from the manifest line, which describes the original content.
   */
  rotten: { readonly path: string; readonly held: Bytes } | null = null;

  readonly #random: SeededRandom;
  readonly #files = new LogFiles(resolve("/log/audit.jsonl"));
  readonly #process: SimulatedProcess;
  readonly #lines: RandomLines;
  /** The data for the manifest lines of the archives, such as their sizes and digests. */
  readonly #facts: ArchiveFacts[] = [];
  #stampMs: number;

  /** Creates a random log. */
  constructor(random: SeededRandom) {
    this.#random = random;
    this.path = this.#files.active;
    this.maxLineBytes = chance(random, 8)
      ? 70_000
      : oneOf(random, [400, 400, 1_000, 16 * 1024 * 1024]);
    this.#process = this.disk.process();
    this.#lines = new RandomLines(random, this.maxLineBytes);
    this.#stampMs = this.#lines.clockMs;
    this.disk.plant(this.#files.directory, "directory");
    for (let left = random.below(7); left > 0; left--) this.#addSegment();
    this.#writeManifest();
    if (chance(random, 85)) this.#write(this.path, this.#lines.some(this.#activeLineCount()));
    if (chance(random, 10)) this.#addStrangers();
    this.nowMs = this.#someNow();
  }

  /**
   * Returns a random time in epoch milliseconds: the time of an event, a time close to one, or a time far from all
   * events.
   */
  someTime(): number {
    const random = this.#random;
    const { timesMs, clockMs } = this.#lines;
    if (timesMs.length === 0 || chance(random, 10)) {
      return clockMs + oneOf(random, [-60, -1, 0, 1, 500]) * DAY_MS;
    }
    return oneOf(random, timesMs) + oneOf(random, [0, 0, 0, -1, 1, -HOUR_MS, 10 * 60_000]);
  }

  /** Returns the current bytes of all files, by path. */
  files(): Files {
    return new Map(
      this.#process.list(this.#files.directory).map((name) => {
        const path = this.#files.at(name);
        return [path, new Uint8Array(this.disk.readFile(path))];
      }),
    );
  }

  /** Changes the log or the clock at random. */
  change(): void {
    switch (
      this.#random.pick({
        append: 35,
        time: 15,
        seal: 15,
        archive: 15,
        cut: 12,
        remove: 2,
        swap: 3,
      })
    ) {
      case "append":
        return this.#append();
      case "time":
        return this.#passTime();
      case "seal":
        return this.#seal();
      case "archive":
        return this.#archiveOne();
      case "cut":
        return this.#cutActive();
      case "remove":
        return this.#removeOldest();
      case "swap":
        return this.#swapActive();
    }
  }

  #write(path: string, bytes: Bytes): void {
    this.disk.writeFile(path, bytes);
    this.story.push(`${basename(path)}: ${bytes.byteLength} bytes`);
  }

  #activeLineCount(): number {
    return chance(this.#random, 8) ? 1_500 + this.#random.below(1_500) : this.#random.below(60);
  }

  #nextStamp(): Stamp {
    this.#stampMs += 1_000 * (1 + this.#random.below(100_000));
    return stampOf(this.#stampMs);
  }

  #addSegment(): void {
    const random = this.#random;
    const stamp = this.#nextStamp();
    if (chance(random, 20)) this.#lines.stepClock();
    const raw = this.#lines.some(random.below(chance(random, 5) ? 300 : 40));
    const form = random.pick({ archive: 62, sealed: 18, both: 14, conflict: 6 });
    if (form !== "archive") this.#write(this.#files.sealed(stamp), raw);
    if (form === "conflict") this.#addArchive(stamp, this.#lines.some(random.below(20)));
    else if (form !== "sealed") this.#addArchive(stamp, raw);
  }

  /**
   * Adds an archive of the bytes `raw`, and the data for its manifest line. The archive may be damaged. The data may be
   * missing or describe other content.
   */
  #addArchive(stamp: Stamp, raw: Bytes): void {
    const random = this.#random;
    const path = this.#files.archive(stamp);
    const good = gzip(raw);
    const fact = this.#factOf(path, raw, good);
    const kind = random.pick({ good: 74, flip: 6, cut: 6, members: 4, trailing: 5, replaced: 5 });
    if (kind === "replaced") {
      const other = this.#lines.some(1 + random.below(20));
      const old = this.#factOf(path, other, gzip(other));
      if (old.gzip_bytes !== fact.gzip_bytes) this.#facts.push(old);
      this.story.push("replaced:");
      return this.#write(path, good);
    }
    this.#facts.push(fact);
    this.story.push(`${kind}:`);
    this.#write(path, kind === "good" ? good : this.#damaged(kind, { path, raw, good }));
  }

  #damaged(
    kind: "flip" | "cut" | "members" | "trailing",
    { path, raw, good }: { path: string; raw: Bytes; good: Bytes },
  ): Bytes {
    const random = this.#random;
    const at = random.below(good.byteLength);
    switch (kind) {
      case "cut":
        return good.subarray(0, at);
      case "trailing":
        return joined(
          good,
          new Uint8Array(1 + random.below(20)).fill(oneOf(random, [0, 0x1f, 0x41])),
        );
      case "members": {
        const middle = random.below(raw.byteLength + 1);
        return joined(gzip(raw.subarray(0, middle)), gzip(raw.subarray(middle)));
      }
      case "flip": {
        // One archive with a flipped bit is enough, because each further one would double the number of accepted
        // answers.
        if (this.rotten !== null) return good;
        this.rotten = { path, held: raw };
        const bytes = good.slice();
        bytes[at]! ^= 1 << random.below(8);
        return bytes;
      }
    }
  }

  #factOf(path: string, raw: Bytes, gzipped: Bytes): ArchiveFacts {
    const scan = new SegmentScan(this.maxLineBytes);
    scan.add(raw);
    const rebuilt = chance(this.#random, 10);
    return { archive: basename(path), ...scan.finish(), ...gzipFacts(gzipped), rebuilt };
  }

  #writeManifest(): void {
    const random = this.#random;
    const kind = random.pick({ none: 18, whole: 55, behind: 15, damaged: 12 });
    this.story.push(`manifest ${kind}:`);
    if (kind === "none") return;
    const isListed = () => kind !== "behind" || chance(random, 60);
    const bytes = linesOfManifest(this.#facts.filter(isListed));
    this.#write(this.#files.manifest, kind === "damaged" ? this.#spoiled(bytes) : bytes);
  }

  #spoiled(manifest: Bytes): Bytes {
    const random = this.#random;
    const at = random.below(manifest.byteLength + 1);
    switch (random.pick({ cut: 40, garbage: 30, changed: 30 })) {
      case "cut":
        return manifest.subarray(0, at);
      case "garbage":
        return joined(manifest.subarray(0, at), encoder.encode("42\n"), manifest.subarray(at));
      case "changed": {
        const bytes = manifest.slice();
        // Each line of the manifest has the digest of the line before. A change of the last line therefore cannot be
        // detected, so only earlier lines are changed.
        const lastLine = manifest.subarray(0, -1).lastIndexOf(LINE_BREAK) + 1;
        if (at < lastLine) bytes[at]! ^= 1 << random.below(7);
        return bytes;
      }
    }
  }

  /** Adds files whose names resemble the names of segments, but which do not belong to the log. */
  #addStrangers(): void {
    const lines = encoder.encode('{"event":"nav","cost":1000,"stranger":true}\n');
    const { directory } = this.#files;
    const names = ["audit_20260230_000000.jsonl", "audit_old.jsonl", "other_20260101_000000.jsonl"];
    const stamp = this.#nextStamp();
    names.push(`audit_${stamp}.jsonl`, `audit_${stamp}.jsonl.lock`);
    names.push(`audit_${this.#nextStamp()}.jsonl.gz.tmp`, "audit.jsonl.lock", "audit.jsonl.gz");
    for (const name of names) this.#write(`${directory}/${name}`, lines);
  }

  #someNow(): number {
    const random = this.#random;
    const timeMs = this.someTime();
    switch (random.pick({ event: 30, behind: 30, latest: 20, after: 15, any: 5 })) {
      case "event":
        return timeMs;
      case "behind":
        return timeMs + oneOf(random, [1, 1, 24, 24 * 30, 0.5, 0.1]) * HOUR_MS;
      case "latest":
        return this.#lines.clockMs;
      case "after":
        return this.#lines.clockMs + random.below(2 * DAY_MS);
      case "any":
        return Date.UTC(2026, 0, 1) + random.below(90 * DAY_MS);
    }
  }

  #active(): Bytes {
    const isThere = this.#process.status(this.path) !== null;
    return isThere ? new Uint8Array(this.disk.readFile(this.path)) : new Uint8Array();
  }

  /** Appends lines. If the last line has no line break, most writers append the line break first. */
  #append(): void {
    const random = this.#random;
    const active = this.#active();
    const isTorn = active.byteLength > 0 && active.at(-1) !== 0x0a;
    const closing = isTorn && chance(random, 70) ? encoder.encode("\n") : new Uint8Array();
    const rest = oneOf(random, ["", "", "", '"}\n', "}\n", " \n", "7\n"]);
    const lines = this.#lines.some(random.below(8));
    this.story.push("append:");
    this.#write(this.path, joined(active, closing, encoder.encode(rest), lines));
  }

  #passTime(): void {
    const random = this.#random;
    const stepMs = oneOf(random, [
      0,
      1,
      60_000,
      20 * 60_000,
      HOUR_MS,
      DAY_MS,
      -HOUR_MS,
      -3 * DAY_MS,
    ]);
    this.nowMs = chance(random, 30) ? this.#someNow() : this.nowMs + stepMs;
    this.story.push(`now is ${new Date(this.nowMs).toISOString()}`);
  }

  #seal(): void {
    if (this.#process.status(this.path) === null) return;
    const sealed = this.#files.sealed(this.#nextStamp());
    this.#process.rename(this.path, sealed);
    this.story.push(`sealed as ${basename(sealed)}`);
    if (chance(this.#random, 60)) this.#write(this.path, this.#lines.some(this.#random.below(8)));
  }

  #archiveOne(): void {
    const random = this.#random;
    const sealed = [...this.files().keys()].filter((path) => /_\d{6}\.jsonl$/.test(path));
    const path = sealed[random.below(sealed.length)];
    const { stamp } = this.#files.parse(basename(path ?? "")) ?? {};
    if (path === undefined || stamp === undefined) return;
    const archive = this.#files.archive(stamp);
    if (this.#process.status(archive) === null && !this.files().has(`${path}.lock`)) {
      const raw = new Uint8Array(this.disk.readFile(path));
      this.#write(archive, gzip(raw));
      if (chance(random, 75)) this.#addToManifest(this.#factOf(archive, raw, gzip(raw)));
      if (chance(random, 80)) this.#process.remove(path);
    }
  }

  #addToManifest(fact: ArchiveFacts): void {
    const isThere = this.#process.status(this.#files.manifest) !== null;
    const bytes = isThere ? this.disk.readFile(this.#files.manifest) : new Uint8Array();
    const lines = new ManifestLines();
    lines.take(bytes);
    this.#write(
      this.#files.manifest,
      joined(bytes.subarray(0, lines.byteLength), lines.next(fact)),
    );
  }

  /** Truncates the active file, as a writer does after a failed write. Sometimes another writer then appends lines. */
  #cutActive(): void {
    const random = this.#random;
    const active = this.#active();
    if (active.byteLength === 0) return;
    const at = active.byteLength - random.below(Math.min(active.byteLength, 2_000) + 1);
    const kept = active.subarray(0, chance(random, 70) ? active.lastIndexOf(0x0a, at) + 1 : at);
    const more = chance(random, 60) ? this.#lines.some(random.below(12)) : new Uint8Array();
    this.story.push(`cut to ${kept.byteLength} bytes:`);
    this.#write(this.path, joined(kept, more));
  }

  #removeOldest(): void {
    const segments = [...this.files().keys()].filter((path) => /_\d{6}\.jsonl(\.gz)?$/.test(path));
    const oldest = segments.sort()[0];
    if (oldest === undefined) return;
    this.#process.remove(oldest);
    this.removals++;
    this.story.push(`removed ${basename(oldest)}`);
  }

  /** Replaces the active file by another file with other lines. */
  #swapActive(): void {
    if (this.#process.status(this.path) !== null) this.#process.remove(this.path);
    this.story.push("swapped:");
    this.#write(this.path, this.#lines.some(this.#random.below(30)));
  }
}

/**
 * Creates a disk with an archive of the text and a manifest. The writer of the manifest line skipped lines that are
 * longer than `maxLineBytes`.
 */
export function archivedBy(
  { maxLineBytes }: { maxLineBytes: number },
  text: string,
): SimulatedDisk {
  const files = new LogFiles(resolve("/log/audit.jsonl"));
  const path = files.archive("20260213_150001");
  const raw = encoder.encode(text);
  const bytes = gzip(raw);
  const scan = new SegmentScan(maxLineBytes);
  scan.add(raw);
  const facts = { archive: basename(path), ...scan.finish(), ...gzipFacts(bytes) };
  const disk = new SimulatedDisk();
  disk.writeFile(path, bytes);
  disk.writeFile(files.manifest, linesOfManifest([{ ...facts, rebuilt: false }]));
  return disk;
}

function linesOfManifest(facts: readonly ArchiveFacts[]): Bytes {
  const lines = new ManifestLines();
  const parts = facts.map((fact) => {
    const bytes = lines.next(fact);
    lines.take(bytes);
    return bytes;
  });
  return joined(...parts);
}

/** Returns a random combination of query options. */
export function randomQuery(random: SeededRandom, history: RandomHistory): QueryOptions {
  const options: QueryOptions = {};
  if (chance(random, 40)) options.since = anyForm(random, history.someTime());
  if (chance(random, 40)) options.until = anyForm(random, history.someTime());
  if (chance(random, 40)) options.eventType = randomTypes(random);
  if (chance(random, 20)) {
    options.sessionId = oneOf(random, ["s1", "s2", "s22", "sé\u0007", "none"]);
  }
  if (chance(random, 15)) options.where = oneOf(random, [hasEvenN, hasCost]);
  if (chance(random, 70)) options.order = oneOf(random, ["asc", "desc", "desc"]);
  if (chance(random, 50)) options.limit = oneOf(random, [0, 1, 1, 2, 5, 20, 100, 10_000]);
  return options;
}

/** Returns one event type or a list of up to three types. Some of them are the type of no event. */
export function randomTypes(random: SeededRandom): string | string[] {
  const names = [...EVENT_TYPES.filter((type) => typeof type === "string"), "absent", "nav"];
  if (chance(random, 60)) return oneOf(random, names);
  return Array.from({ length: random.below(4) }, () => oneOf(random, names));
}

function hasEvenN({ n }: AuditEvent): boolean {
  return typeof n === "number" && n % 2 === 0;
}

function hasCost({ cost }: AuditEvent): boolean {
  return typeof cost === "number";
}

function anyForm(random: SeededRandom, epochMs: number): NonNullable<QueryOptions["since"]> {
  const iso = new Date(epochMs).toISOString();
  const local = new Date(epochMs + 2 * HOUR_MS).toISOString().replace("Z", "+02:00");
  const instant = Temporal.Instant.fromEpochMilliseconds(epochMs);
  return oneOf(random, [epochMs, new Date(epochMs), iso, local, instant]);
}
