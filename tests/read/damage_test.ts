import { systemClock } from "../../src/platform/clock.ts";
import { assert, assertEquals } from "@std/assert";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { queryLog } from "../../src/read/query.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { SeededRandom } from "../seeded_random.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A damaged region of a file that a query must report. The reason that the query reports must start with `reason`. */
type Region = readonly [byteOffset: number, byteLength: number, reason: string];

const MAX_LINE_BYTES = 1_000;

function lineOf(event: string): string {
  return `{"event":"${event}"}\n`;
}

/** Returns one line for each letter: an event whose type is that letter. */
function linesOf(letters: string): string {
  return [...letters].map(lineOf).join("");
}

function bytesOf(...parts: readonly (string | Uint8Array)[]): Bytes {
  const encoder = new TextEncoder();
  return new Uint8Array(
    parts.flatMap((part) => [...(typeof part === "string" ? encoder.encode(part) : part)]),
  );
}

function gzip(content: string | Uint8Array): Bytes {
  return new Uint8Array(gzipSync(content));
}

/**
 * A log in which the file at `path` is missing; the test creates this file with unusual or damaged content. Each of the
 * existing files contains one event, whose type is one letter.
 */
interface DamagedLog {
  readonly files: LogFiles;
  /** The path at which the test creates the damaged file. */
  readonly path: string;
  /** The types (letters) of the events in the files that are older than the damaged file. */
  readonly before: string;
  /** The types (letters) of the events in the files that are newer than the damaged file. */
  readonly after: string;
}

const PLACES = ["archive", "sealed segment", "active file"] as const;

/**
 * Creates a log in which one file is missing, so that a test can create a damaged file in its place. The archives
 * contain the events a and c, the sealed segments (complete, but not compressed) e and g, and the active file i. The
 * missing file lies between the two archives or between the two segments, or is the active file itself.
 */
function makeLog(dir: TempDir, place: (typeof PLACES)[number]): DamagedLog {
  const files = new LogFiles(dir.path("log.jsonl"));
  Deno.writeFileSync(files.archive("20260101_000001"), gzip(lineOf("a")));
  Deno.writeFileSync(files.archive("20260101_000003"), gzip(lineOf("c")));
  Deno.writeTextFileSync(files.sealed("20260101_000005"), lineOf("e"));
  Deno.writeTextFileSync(files.sealed("20260101_000007"), lineOf("g"));
  if (place === "active file") return { files, path: files.active, before: "aceg", after: "" };
  Deno.writeTextFileSync(files.active, lineOf("i"));
  return place === "archive"
    ? { files, path: files.archive("20260101_000002"), before: "a", after: "cegi" }
    : { files, path: files.sealed("20260101_000006"), before: "ace", after: "gi" };
}

/**
 * Queries the log twice in ascending and twice in descending order, and checks that the answers agree. Resolves with
 * the types (letters) of the events in the damaged file, and with the damaged regions that were reported.
 */
async function readTwice(
  { files, path, before, after }: DamagedLog,
  fileSystem: FileSystem = denoFileSystem,
): Promise<{ letters: string; regions: Region[] }> {
  const [forwards, backwards] = [await read("asc"), await read("desc")];
  assertEquals({ ...backwards, events: backwards.events.reverse() }, forwards);
  const letters = forwards.events.join("");
  assert(letters.startsWith(before) && letters.endsWith(after), letters);
  return {
    letters: letters.slice(before.length, letters.length - after.length),
    regions: forwards.regions,
  };

  async function read(order: "asc" | "desc"): Promise<{ events: string[]; regions: Region[] }> {
    const warnings: string[] = [];
    const warn = (...data: unknown[]) => void warnings.push(data.join(" "));
    const logger = { debug() {}, info() {}, error() {}, warn };
    const log = new LogDirectory(fileSystem, files.active);
    const source = { log, maxLineBytes: MAX_LINE_BYTES, logger, clock: systemClock };
    const query = queryLog(source, { order });
    const events = lettersOf(await query.toArray());
    assertEquals(lettersOf(await query.toArray()), events);
    for (const [index, damage] of query.damage.entries()) {
      assertEquals(damage.path, path);
      const warning = warnings[index] ?? "no warning";
      for (const fact of [path, damage.reason, `at byte ${damage.byteOffset}:`]) {
        assert(warning.includes(fact), `${fact} is not in: ${warning}`);
      }
    }
    assertEquals(warnings.length, query.damage.length);
    const regions = query.damage.map(({ byteOffset, byteLength, reason }): Region => {
      return [byteOffset, byteLength, reason];
    });
    return { events, regions: regions.sort(([left], [right]) => left - right) };
  }
}

/** Returns the type (a letter) of each event, or "-" for an event without a type. */
function lettersOf(events: readonly { readonly event?: unknown }[]): string[] {
  return events.map(({ event }) => typeof event === "string" ? event : "-");
}

function assertRegions(actual: readonly Region[], expected: readonly Region[]): void {
  const cut = actual.map(([byteOffset, byteLength, reason], index) => {
    return [byteOffset, byteLength, reason.slice(0, expected[index]?.[2].length)] as const;
  });
  assertEquals<readonly Region[]>(cut, expected);
}

const TOO_LONG = `longer than maxLineBytes (${MAX_LINE_BYTES})`;

/** Returns a line of exactly `byteLength` bytes: an event that a long text fills up. */
function longLine(event: string, byteLength: number): string {
  const line = (text: string) => `{"event":"${event}","text":"${text}"}\n`;
  return line("x".repeat(byteLength - line("").length));
}

// For each case: the content of the damaged file, the types (letters) of the events that a query must read from it, and
// the damaged regions that the query must report.
const CONTENTS: readonly [what: string, content: Bytes, letters: string, regions: Region[]][] = [
  ["no content", bytesOf(), "", []],
  ["a BOM", bytesOf("\ufeff", linesOf("xy")), "xy", []],
  ["a BOM before damage", bytesOf("\ufeff", lineOf("x"), "42\n"), "x", [[17, 3, "not an object"]]],
  ["CRLF line ends", bytesOf(linesOf("xy").replaceAll("\n", "\r\n")), "xy", []],
  ["blank lines", bytesOf("\n \n", lineOf("x"), "\t\r\n\n", lineOf("y"), "\n"), "xy", []],
  ["an event without fields", bytesOf(lineOf("x"), "{}\n", lineOf("y")), "x-y", []],
  ["a number", bytesOf(lineOf("x"), "42\n", lineOf("y")), "xy", [[14, 3, "not an object"]]],
  ["a list", bytesOf("[]\n", linesOf("xy")), "xy", [[0, 3, "not an object"]]],
  ["two objects in a line", bytesOf("{}{}\n", lineOf("x")), "x", [[0, 5, "not JSON"]]],
  [
    "a line of NULs",
    bytesOf(lineOf("x"), "\0".repeat(500), "\n", lineOf("y")),
    "xy",
    [[14, 501, "not JSON"]],
  ],
  [
    "NULs and no line break before an event",
    bytesOf(lineOf("x"), "\0".repeat(500), lineOf("y")),
    "xy",
    [[14, 500, "lost: NUL bytes"]],
  ],
  [
    "a line of NULs that is too long",
    bytesOf(lineOf("x"), "\0".repeat(4_096), "\n", lineOf("y")),
    "xy",
    [[14, 4_097, TOO_LONG]],
  ],
  [
    "NULs at the end",
    bytesOf(linesOf("xy"), "\0".repeat(600)),
    "xy",
    [[28, 600, "torn tail"]],
  ],
  [
    "a tail of NULs that is too long",
    bytesOf(linesOf("xy"), "\0".repeat(4_096)),
    "xy",
    [[28, 4_096, TOO_LONG]],
  ],
  [
    "bytes that are not UTF-8",
    bytesOf(lineOf("é"), `{"event":"`, Uint8Array.of(0xff, 0xc3), '"}\n', lineOf("y")),
    "éy",
    [[15, 15, "not UTF-8"]],
  ],
  [
    "several damaged lines",
    bytesOf("42\n", lineOf("x"), Uint8Array.of(0x80), "\n", "}\n", lineOf("y"), "{"),
    "xy",
    [[0, 3, "not an object"], [17, 2, "not UTF-8"], [19, 2, "not JSON"], [35, 1, "torn tail"]],
  ],
  [
    "a line of the maximum length",
    bytesOf(longLine("x", MAX_LINE_BYTES), lineOf("y")),
    "xy",
    [],
  ],
  [
    "a line that is one byte too long",
    bytesOf(lineOf("x"), longLine("y", MAX_LINE_BYTES + 1), lineOf("z")),
    "xz",
    [[14, 1_001, TOO_LONG]],
  ],
  [
    "a line of a megabyte",
    bytesOf(lineOf("x"), longLine("y", 1 << 20), lineOf("z")),
    "xz",
    [[14, 1 << 20, TOO_LONG]],
  ],
  ["a torn tail", bytesOf(linesOf("xy"), '{"eve'), "xy", [[28, 5, "torn tail"]]],
  ["a tail torn within a character", bytesOf(lineOf("x"), Uint8Array.of(0xc3)), "x", [[
    14,
    1,
    "torn tail",
  ]]],
  ["an event without its line break", bytesOf(linesOf("xy").slice(0, -1)), "xy", []],
];

for (const place of PLACES) {
  for (const [what, content, letters, regions] of CONTENTS) {
    Deno.test(
      `queryLog() reads the valid lines of an ${place} with ${what}`.replace("an s", "a s"),
      async () => {
        using dir = tempDir();
        const log = makeLog(dir, place);
        Deno.writeFileSync(log.path, place === "archive" ? gzip(content) : content);
        const actual = await readTwice(log);
        assertEquals(actual.letters, letters);
        assertRegions(actual.regions, regions);
      },
    );
  }

  Deno.test(
    `queryLog() continues after an ${place} that cannot be read`.replace("an s", "a s"),
    async () => {
      using dir = tempDir();
      const log = makeLog(dir, place);
      Deno.writeFileSync(
        log.path,
        place === "archive" ? gzip(lineOf("x")) : bytesOf(lineOf("x")),
      );
      const failing: FileSystem = {
        ...denoFileSystem,
        open(path, access) {
          const handle = denoFileSystem.open(path, access);
          if (path === log.path) {
            handle.read = () => Promise.reject(new Error("Input/output error"));
          }
          return handle;
        },
      };
      const { letters, regions } = await readTwice(log, failing);
      assertEquals(letters, "");
      assertRegions(regions, [[0, 0, "Input/output error"]]);
    },
  );
}

const WHOLE = gzip(linesOf("xyz"));
const TRAILER_BYTES = 8;

/**
 * Unusual or damaged archives. For each: a function that creates the archive at a path, the types (letters) of the
 * events that a query must read from it, and the damaged regions that the query must report.
 */
const ARCHIVES: readonly [
  what: string,
  make: (path: string) => void,
  letters: string,
  regions: Region[],
][] = [
  ["of three gzip members", file(WHOLE, gzip(lineOf("u")), WHOLE), "xyzuxyz", []],
  [
    "in which one gzip member ends within a line and the next member continues the line",
    file(gzip('{"eve'), gzip('nt":"x"}\n')),
    "x",
    [],
  ],
  ["of a gzip member and an empty gzip member", file(WHOLE, gzip("")), "xyz", []],
  [
    "with a damaged line in its second gzip member",
    file(WHOLE, gzip(`42\n${lineOf("u")}`)),
    "xyzu",
    [[42, 3, "not an object"]],
  ],
  ["with bytes after its end", file(WHOLE, "more"), "xyz", [[
    42,
    0,
    "bytes follow the end of the gzip file",
  ]]],
  [
    "with NULs after its end",
    file(WHOLE, new Uint8Array(9_000)),
    "xyz",
    [[42, 0, "bytes follow the end of the gzip file"]],
  ],
  [
    "whose checksum does not match",
    file(flipped(WHOLE, (WHOLE.length - TRAILER_BYTES) * 8)),
    "xyz",
    [[42, 0, "the checksum of the gzip file does not match"]],
  ],
  [
    "without its trailer",
    file(WHOLE.slice(0, -TRAILER_BYTES)),
    "xyz",
    [[42, 0, "the gzip file is truncated"]],
  ],
  [
    "whose second gzip member is truncated",
    file(WHOLE, WHOLE.slice(0, -TRAILER_BYTES)),
    "xyzxyz",
    [[84, 0, "the gzip file is truncated"]],
  ],
  [
    "with a damaged line and with bytes after its end",
    file(gzip(`42\n${lineOf("u")}`), "more"),
    "u",
    [[0, 3, "not an object"], [17, 0, "bytes follow the end of the gzip file"]],
  ],
  ["that is plain text", file(linesOf("xyz")), "", [[0, 0, "the file is not a gzip file"]]],
  ["that is empty", file(), "", [[0, 0, "the file is empty, not a gzip file"]]],
  ["that is a directory", (path) => Deno.mkdirSync(path), "", [[0, 0, ""]]],
];

function file(...parts: readonly (string | Uint8Array)[]): (path: string) => void {
  return (path) => Deno.writeFileSync(path, bytesOf(...parts));
}

function flipped(bytes: Bytes, bit: number): Bytes {
  const copy = bytes.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

for (const [what, make, letters, regions] of ARCHIVES) {
  Deno.test(`queryLog() reads the valid lines of an archive ${what}`, async () => {
    using dir = tempDir();
    const log = makeLog(dir, "archive");
    make(log.path);
    const actual = await readTwice(log);
    assertEquals(actual.letters, letters);
    assertRegions(actual.regions, regions);
  });
}

Deno.test("queryLog() reads the complete lines of an archive that is truncated at any byte", async () => {
  using dir = tempDir();
  const log = makeLog(dir, "archive");
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const whole = gzip(linesOf(letters));
  for (let length = 1; length < whole.byteLength; length++) {
    Deno.writeFileSync(log.path, whole.subarray(0, length));
    const text = gunzipSync(whole.subarray(0, length), { finishFlush: constants.Z_SYNC_FLUSH });
    const lines = Math.floor(text.byteLength / lineOf("x").length);
    const actual = await readTwice(log);
    assertEquals(actual.letters, letters.slice(0, lines), `cut to ${length}`);
    assertRegions(actual.regions, [[lines * lineOf("x").length, 0, "the gzip file is truncated"]]);
  }
});

Deno.test("queryLog() reports damage, or returns all events, if a bit of an archive is flipped", async () => {
  using dir = tempDir();
  const log = makeLog(dir, "archive");
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const whole = gzip(linesOf(letters));
  const random = new SeededRandom(1);
  for (let round = 0; round < 100; round++) {
    const bit = random.below(whole.byteLength * 8);
    Deno.writeFileSync(log.path, flipped(whole, bit));
    const actual = await readTwice(log);
    if (actual.regions.length === 0) assertEquals(actual.letters, letters, `bit ${bit}`);
  }
});
