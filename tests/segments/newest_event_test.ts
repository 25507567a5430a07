import { assert, assertEquals } from "@std/assert";
import type { FileHandle } from "../../src/platform/file_system.ts";
import { NewestEvent } from "../../src/segments/newest_event.ts";
import { STAMP_MAX_MS } from "../../src/segments/rotation_policy.ts";
import { eventEpochMs } from "../../src/time.ts";
import { SeededRandom } from "../seeded_random.ts";
import { diskWith, files } from "./log_on_disk.ts";

/** Number of bytes per read: a few lines of most texts here, and more than the longest random line. */
const CHUNK_BYTES = 600;
const NOW = Date.UTC(2026, 1, 13, 14, 30, 22, 123);
const encoder = new TextEncoder();

function oneOf<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

/**
 * Returns the time of the newest event, found by parsing every line. Ignores times that cannot be in the name of a
 * segment, such as times after the year 9999.
 */
function newestOf(text: string): number {
  const times = text.split("\n").map(timeOf)
    .filter((ms) => ms >= 0 && ms <= STAMP_MAX_MS);
  return Math.max(-Infinity, ...times);
}

function timeOf(line: string): number {
  try {
    return eventEpochMs(JSON.parse(line)?.ts);
  } catch {
    // The line is not JSON, so it has no time.
    return NaN;
  }
}

function secondOf(epochMs: number): number {
  return Math.floor(epochMs / 1000);
}

/** Returns a time in a random notation, often near `NOW`. */
function randomTs(random: SeededRandom): string {
  const ms = oneOf(random, [
    NOW + random.below(100_000),
    NOW + random.below(100_000),
    random.below(2_000),
    -1 - random.below(2_000),
    STAMP_MAX_MS - 1_000 + random.below(2_000),
  ]);
  const iso = new Date(ms).toISOString();
  return oneOf(random, [
    iso,
    iso,
    iso.slice(0, -1),
    iso.replace("Z", "456"),
    iso.replace("Z", "456Z"),
    iso.replace("Z", "+02:00"),
    // A time in this form has the same length as a time that this library writes, but no Z at the end.
    iso.replace(/\.\d+Z/, "+0200"),
    iso.slice(0, 10),
    "2026-02-30T14:30:22.123Z",
    "9999-99-99T99:99:99.999Z",
  ]);
}

function randomLine(random: SeededRandom): string {
  const ts = randomTs(random);
  const line = JSON.stringify({ ts, event: "nav" });
  return oneOf(random, [
    line,
    line,
    line.replaceAll(":", ": ").replace(ts.replaceAll(":", ": "), ts),
    JSON.stringify({ event: "nav", ts }),
    line.slice(0, random.below(`{"ts":"${ts}`.length)),
    line.slice(3),
    `[${line}]`,
    '{"ts":42}',
    "",
    "{}",
  ]);
}

/** Returns a line as another program may write it, sometimes a long one. */
function foreignLine(random: SeededRandom): string {
  const line = randomLine(random);
  return random.below(4) > 0 ? line : `${line.slice(0, -1)},"more":"${"é".repeat(200)}"}`;
}

function openWith(text: string): FileHandle {
  return diskWith({ [files.active]: text }).process().open(files.active, "read");
}

Deno.test("NewestEvent finds the same event as parsing every line does (seeds 1 to 300)", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const text = Array.from({ length: random.below(20) }, () => `${foreignLine(random)}\n`).join(
      "",
    );
    const handle = openWith(text);
    const newest = new NewestEvent(CHUNK_BYTES);
    const byteLength = handle.status().byteLength;
    const found = newest.readUpTo(handle, byteLength);
    assertEquals(secondOf(found), secondOf(newestOf(text)), `seed ${seed}: ${text}`);
    assertEquals(newest.readUpTo(handle, byteLength), found, `seed ${seed}, read twice`);
    const caughtUp = new NewestEvent(CHUNK_BYTES);
    await caughtUp.catchUp(handle, random.below(byteLength + 1));
    assertEquals(caughtUp.readUpTo(handle, byteLength), found, `seed ${seed}, caught up`);
  }
});

Deno.test("NewestEvent combines appended lines with lines of other writers (seeds 1 to 300)", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const newest = new NewestEvent(CHUNK_BYTES);
    let text = "";
    for (let step = random.below(12); step > 0; step--) {
      const isOurs = random.below(4) > 0;
      const batch = Array.from({ length: 1 + random.below(4) }, () => {
        return `${isOurs ? randomLine(random) : foreignLine(random)}\n`;
      }).join("");
      if (isOurs) newest.appended(encoder.encode(text).byteLength, encoder.encode(batch));
      text += batch;
      if (random.below(4) > 0) continue;
      const handle = openWith(text);
      const found = newest.readUpTo(handle, handle.status().byteLength);
      assertEquals(secondOf(found), secondOf(newestOf(text)), `seed ${seed}: ${text}`);
    }
  }
});

Deno.test("NewestEvent.boundMs is not earlier than any event of the file, or is undefined (seeds 1 to 300)", () => {
  let bounds = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const text = Array.from({ length: random.below(20) }, () => {
      const hidden = `"ts":"${new Date(NOW + random.below(1e10)).toISOString()}"`;
      const line = foreignLine(random);
      return random.below(4) > 0 ? line : line.replace(
        /.$/,
        oneOf(random, [
          `,${hidden}}`,
          `,${hidden.replace("t", "\\u0074")}}`,
        ]),
      );
    }).join("\n") + "\n";
    const newest = new NewestEvent(CHUNK_BYTES);
    const handle = openWith(text);
    newest.readUpTo(handle, handle.status().byteLength);
    const { boundMs } = newest;
    const newestMs = Math.max(-Infinity, ...text.split("\n").map(timeOf).filter((ms) => ms === ms));
    assert(boundMs === undefined || newestMs <= boundMs, `seed ${seed}: ${boundMs} for ${text}`);
    if (boundMs === undefined) {
      assert(newestMs > STAMP_MAX_MS, `seed ${seed}: no bound for ${text}`);
    } else bounds++;
  }
  assert(bounds > 100, `${bounds} bounds`);
});

Deno.test("NewestEvent.boundMs is undefined after a line longer than one read, until resume() continues at a mark of another writer after this line", () => {
  const long = `{"ts":"2026-03-01T00:00:00.000Z","x":"${"x".repeat(3 * CHUNK_BYTES)}"}\n`;
  const newest = new NewestEvent(CHUNK_BYTES);
  const handle = openWith(`${long}\n`);
  newest.readUpTo(handle, long.length);
  assertEquals(newest.boundMs, undefined);
  newest.resume(handle, { byteLength: long.length, boundMs: NOW });
  assertEquals(newest.boundMs, undefined);
  newest.resume(handle, { byteLength: long.length + 1, boundMs: Date.UTC(2026, 2, 1) + 999 });
  assertEquals([newest.boundMs, newest.byteLength], [Date.UTC(2026, 2, 1) + 999, long.length + 1]);
});

Deno.test("NewestEvent.forgetUnlessIn() resets the tracker if the file was truncated and has grown beyond its former length", () => {
  // `forgetUnlessIn()` compares the last 256 bytes of the part that was read. The padding is longer, so these bytes are
  // the same in every line.
  const x = "x".repeat(300);
  const line = (ms: number) => `${JSON.stringify({ ts: new Date(ms).toISOString(), x })}\n`;
  const DAY_MS = 86_400_000;
  const known = line(NOW).repeat(5);
  const regrown = line(NOW + DAY_MS) + line(NOW).repeat(2) + line(NOW - DAY_MS).repeat(5);
  const ways: [what: string, know: (newest: NewestEvent) => void][] = [
    ["read", (newest) => void newest.readUpTo(openWith(known), known.length)],
    ["appended", (newest) => newest.appended(0, encoder.encode(known))],
    [
      "resumed",
      (newest) => newest.resume(openWith(known), { byteLength: known.length, boundMs: NOW }),
    ],
  ];
  for (const [what, know] of ways) {
    const newest = new NewestEvent(CHUNK_BYTES);
    know(newest);
    newest.forgetUnlessIn(openWith(known + line(NOW)));
    assertEquals(newest.byteLength, known.length, what);
    const handle = openWith(regrown);
    newest.forgetUnlessIn(handle);
    assertEquals(newest.byteLength, 0, what);
    assertEquals(newest.readUpTo(handle, regrown.length), NOW + DAY_MS, what);
  }
});

Deno.test("NewestEvent does not read lines that were passed to appended()", () => {
  const line = `${JSON.stringify({ ts: new Date(NOW).toISOString() })}\n`;
  const disk = diskWith({ [files.active]: line.repeat(3) });
  const process = disk.process();
  const handle = process.open(files.active, "read");
  const newest = new NewestEvent(CHUNK_BYTES);
  newest.appended(0, encoder.encode(line));
  newest.appended(line.length, encoder.encode(line.repeat(2)));
  assertEquals(newest.readUpTo(handle, 3 * line.length), NOW);
  assertEquals(process.calls.map(({ name }) => name), ["open"]);
});

Deno.test("NewestEvent reads lines of other writers only once", () => {
  const [early, late] = [NOW, NOW + 5_000].map((ms) =>
    `${JSON.stringify({ ts: new Date(ms).toISOString() })}\n`
  ) as [string, string];
  const handle = openWith(late + early + early);
  const newest = new NewestEvent(CHUNK_BYTES);
  newest.appended(late.length, encoder.encode(early));
  assertEquals(newest.readUpTo(handle, late.length), NOW + 5_000);
  newest.appended(late.length, encoder.encode(early));
  newest.appended(late.length + early.length, encoder.encode(early));
  assertEquals(newest.readUpTo(openWith(""), late.length + 2 * early.length), NOW + 5_000);
});

Deno.test("NewestEvent finds a line that spans two reads", () => {
  const short = `${JSON.stringify({ ts: new Date(NOW).toISOString(), n: "x".repeat(90) })}\n`;
  // The newest line is longer than the rest of the first read, so it spans two reads.
  const newestLine = `{"event":"nav","ts":"2026-03-01T00:00:00Z","n":"${"x".repeat(140)}"}\n`;
  assert(short.length < newestLine.length && newestLine.length <= CHUNK_BYTES);
  const text = short.repeat(Math.floor((CHUNK_BYTES - 1) / short.length)) + newestLine + short;
  const newest = new NewestEvent(CHUNK_BYTES);
  assertEquals(newest.readUpTo(openWith(text), text.length), Date.UTC(2026, 2, 1));
});

Deno.test("NewestEvent.catchUp() continues after lines that readUpTo() has read in the meantime", async () => {
  const line = (second: number) =>
    `${JSON.stringify({ ts: new Date(NOW + 1_000 * second).toISOString() })}\n`;
  const text = [1, 2, 3].map(line).join("");
  const newest = new NewestEvent(line(1).length);
  const handle = openWith(text);
  const caughtUp = newest.catchUp(handle, text.length);
  assertEquals(newest.readUpTo(handle, 2 * line(1).length), NOW + 2_000);
  await caughtUp;
  assertEquals([newest.byteLength, newest.readUpTo(handle, text.length)], [
    text.length,
    NOW + 3_000,
  ]);
});

for (const place of ["first", "in the middle", "last"]) {
  Deno.test(`NewestEvent finds the time of a line of this library that is longer than a chunk (position: ${place})`, () => {
    const short = `${JSON.stringify({ ts: new Date(NOW).toISOString() })}\n`;
    const long = `{"ts":"2026-03-01T00:00:00.000Z","x":"${"x".repeat(3 * CHUNK_BYTES)}"}\n`;
    const text = (place === "first" ? "" : short) + long + (place === "last" ? "" : short);
    const newest = new NewestEvent(CHUNK_BYTES);
    assertEquals(newest.readUpTo(openWith(text), text.length), Date.UTC(2026, 2, 1));
    assertEquals(newest.byteLength, text.length);
  });
}

Deno.test("NewestEvent.readUpTo() returns -Infinity if no line has a time", () => {
  const newest = new NewestEvent(CHUNK_BYTES);
  newest.appended(0, encoder.encode('{"event":"nav"}\n\n42\n{"ts":"soon"}\n'));
  assertEquals(newest.readUpTo(openWith(""), 0), -Infinity);
});

for (
  const [older, newer] of [
    ["2026-02-13T10:00:00.000Z", '"2026-02-13 14:30:22.123Z"'],
    ["2026-02-13T10:00:00.000Z", '"2027-02-13 19:30:22,00+05"'],
    ["2026-02-12T10:00:00.000Z", '"2026-02-13","event":"zzZ"'],
  ] as const
) {
  Deno.test(`NewestEvent parses the time in {"ts":${newer}}`, () => {
    const text = `{"ts":"${older}"}\n{"ts":${newer}}\n`;
    const handle = diskWith({ "/log/a": text }).process().open("/log/a", "read");
    const found = new NewestEvent().readUpTo(handle, text.length);
    const { ts } = JSON.parse(`{"ts":${newer}}`);
    assertEquals(found, eventEpochMs(ts));
  });
}
