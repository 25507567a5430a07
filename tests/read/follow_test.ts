import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { basename, fromFileUrl, join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { AuditLog, type Damage } from "@vivarium/scout";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { followLog, type FollowOptions } from "../../src/read/follow.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";

import { systemClock } from "../../src/platform/clock.ts";
import { testNeeding } from "../requirements.ts";
import { programArgs } from "../run_program.ts";
import { type Extent, sampledTest } from "../extent.ts";
import { tempDir } from "../temp_dir.ts";
import {
  AwaitedClock,
  CalledFileSystem,
  Follower,
  lineOf,
  type Place,
  realPlace,
  simulatedPlace,
  sourceOf,
  Writer,
} from "./followed_log.ts";
import { silent } from "../loggers.ts";

const APPENDS_UNTIL_TOLD = fromFileUrl(
  new URL("../programs/appends_until_told.ts", import.meta.url),
);
const FOLLOWS = fromFileUrl(new URL("../programs/follows.ts", import.meta.url));
const SRC = fromFileUrl(new URL("../../src", import.meta.url));

/** The positions at which a follower starts: the words for the test names, and the options. */
const BEGINNINGS: readonly (readonly [string, FollowOptions])[] = [
  ["from now", {}],
  ["from the oldest event", { since: 0 }],
];
const FROM_LAST_TWO: typeof BEGINNINGS[number] = ["from the last two events", { last: 2 }];

// Part one: another process changes the log before any one of the follower's file system calls.

type Step = (writer: Writer) => void;

const STEPS: readonly (readonly [string, Step])[] = [
  ["append", (writer) => writer.append()],
  ["seal", (writer) => writer.seal()],
  ["seal, append", (writer) => {
    writer.seal();
    writer.append();
  }],
  ["append, seal, append", (writer) => {
    writer.append();
    writer.seal();
    writer.append();
  }],
  ["seal, archive", (writer) => {
    writer.seal();
    writer.archive();
  }],
  ["append, seal, archive, append", (writer) => {
    writer.append();
    writer.seal();
    writer.archive();
    writer.append();
  }],
  ["archive", (writer) => writer.archive()],
  ["archive, but do not remove", (writer) => writer.archive({ removes: false })],
  ["seal, append, seal", (writer) => {
    writer.seal();
    writer.append();
    writer.seal();
  }],
  ["seal and append, twice", (writer) => {
    writer.seal();
    writer.append();
    writer.seal();
    writer.append();
  }],
  ["append, seal, append, seal, archive, append", (writer) => {
    writer.append();
    writer.seal();
    writer.append();
    writer.seal();
    writer.archive();
    writer.append();
  }],
  ["die while sealing", (writer) => writer.dieWhileSealing()],
  ["die while sealing, then seal, append", (writer) => {
    writer.dieWhileSealing();
    writer.seal();
    writer.append();
  }],
  ["append, seal, undo it, append", (writer) => {
    writer.append();
    writer.seal();
    writer.unseal();
    writer.append();
  }],
  ["move away", (writer) => void writer.moveAway()],
  ["append, move away, append there, append", (writer) => {
    writer.append();
    const path = writer.moveAway();
    writer.append(path);
    writer.takenAway += writer.written.at(-1)!;
    writer.append();
  }],
  ["move away, append, seal, archive, append", (writer) => {
    writer.moveAway();
    writer.append();
    writer.seal();
    writer.archive();
    writer.append();
  }],
  ["delete", (writer) => writer.delete()],
  ["delete, append", (writer) => {
    writer.delete();
    writer.append();
  }],
];

const ON_REAL_DISK: ReadonlySet<string> = new Set([
  "append, seal, archive, append",
  "move away, append, seal, archive, append",
  "delete, append",
]);

/**
 * Changes that the writer makes, one after the other, in each run of `followWithStep()`. The follower checks the log
 * (polls) after each change.
 */
const COURSE: readonly Step[] = [
  (writer) => {
    writer.append();
    writer.seal();
  },
  (writer) => writer.append(),
  (writer) => {
    writer.append();
    writer.seal();
    writer.archive();
    writer.append();
  },
  (writer) => {
    writer.seal();
    writer.append();
    writer.seal();
    writer.append();
    writer.archive();
  },
  (writer) => {
    writer.moveAway();
    writer.append();
  },
];

/** Writes a log that consists of an archive, a sealed segment and an active file. */
function writeHistory(place: Place): Writer {
  const writer = new Writer(place);
  for (const isArchived of [true, false]) {
    writer.append();
    writer.append();
    writer.seal();
    if (isArchived) writer.archive();
  }
  writer.append();
  return writer;
}

/**
 * Follows a log while another process changes it: `step` runs before the follower's file system call number `at`.
 * Checks that the follower neither loses nor repeats an event. Resolves with `true` if the follower made that many
 * calls. If `since` is set, only the calls count that the follower makes until it has read the history.
 */
async function followWithStep(
  makePlace: () => Place,
  options: FollowOptions,
  { step, at, name }: { step: Step; at: number; name: string },
): Promise<boolean> {
  using place = makePlace();
  const writer = writeHistory(place);
  const called = new CalledFileSystem(place.fileSystem);
  let writtenBefore = writer.written;
  let takenBefore = "";
  called.before = () => {
    if (called.calls.length !== at) return;
    called.before = () => {};
    writtenBefore = writer.written;
    step(writer);
    takenBefore = writer.takenAway;
  };
  await using follower = new Follower(place, options, { called });
  // The follower has determined its start before its constructor returns, so the calls up to here belong to its start.
  const begun = called.calls.length;
  const writtenThen = writer.written;
  // If the step runs during a poll, that poll may miss a change. The next poll detects all changes that the step made.
  const seesEverything = async () => {
    for (let isBefore = true; isBefore;) {
      isBefore = called.calls.length <= at;
      await follower.poll();
      isBefore &&= called.calls.length > at;
    }
  };
  await follower.idle();
  const callsOfHistory = called.calls.length;
  for (const next of COURSE) {
    await seesEverything();
    next(writer);
    await follower.poll();
  }
  await seesEverything();

  const { seen } = follower;
  // If an event is written while the follower starts, the follower may skip this event, but then skips all earlier
  // events too. If a file is moved away during the start, the follower may miss this file. It then starts with the last
  // events before this file.
  const { since, last = 0 } = options;
  const begins = since === undefined ? writtenThen.length - last : 0;
  const mayBegin = since === undefined
    ? (at < begun ? writtenBefore.length : writtenThen.length) - last - takenBefore.length
    : 0;
  const first = seen === "" ? begins : Math.min(writer.written.indexOf(seen.charAt(0)), begins);
  const expected = [...writer.written.slice(first)];
  const what = `${name} before call ${at}: ${seen} of ${writer.written}`;
  assertEquals(seen, [...new Set(seen)].sort().join(""), `duplicate or out of order: ${what}`);
  assert(first >= mayBegin, `too early: ${what}`);
  const missing = expected.filter((letter) =>
    !seen.includes(letter) && !takenBefore.includes(letter)
  );
  assertEquals(missing, [], `lost: ${what}`);
  assertEquals(follower.warnings, [], what);
  return at < (options.since === undefined ? called.calls.length : callsOfHistory);
}

for (const [how, options] of [...BEGINNINGS, FROM_LAST_TWO]) {
  await sampledTest(
    `follow ${how} yields each event once if a writer changes the log between any two of the follower's calls`,
    1 / 6,
    async (extent) => {
      for (const [name, step] of STEPS) {
        const calls = await eachDrawnCall(
          extent,
          (at) => followWithStep(simulatedPlace, options, { step, at, name }),
        );
        assert(calls > (options.since === undefined ? 60 : 20), `only ${calls} calls`);
      }
    },
  );
}

await sampledTest(
  "follow yields each event once on a real disk if a writer changes the log between any two of the follower's calls",
  1 / 6,
  async (extent) => {
    for (const [name, step] of STEPS.filter(([name]) => ON_REAL_DISK.has(name))) {
      const calls = await eachDrawnCall(
        extent,
        (at) => followWithStep(realPlace, {}, { step, at, name }),
      );
      assert(calls > 60, `only ${calls} calls`);
    }
  },
  ["POSIX"],
);

/**
 * Draws some of the call numbers 0, 1, 2 and so on at random, and calls `follow` for each. Resolves with the first
 * drawn number that the follower does not reach because it makes fewer file system calls.
 */
async function eachDrawnCall(
  extent: Extent,
  follow: (at: number) => Promise<boolean>,
): Promise<number> {
  for (let at = 0;; at++) {
    if (extent.isDrawn() && !await follow(at)) return at;
  }
}

// Part two: the events that a follower yields, and its warnings.

Deno.test("follow starts at the first call of next(), not earlier and not later", async () => {
  using place = realPlace();
  const writer = writeHistory(place);
  const called = new CalledFileSystem(place.fileSystem);
  const clock = new AwaitedClock();
  const events = followLog(sourceOf(place, { called, clock }));
  writer.append();
  assertEquals(called.calls, []);
  const iterator = events[Symbol.asyncIterator]();
  writer.append();
  const next = iterator.next();
  writer.append();
  // The follower may first read the log before or after the last append. The timer makes it read the log again.
  clock.untilTimer().then(() => clock.fireTimers());
  assertEquals((await next).value?.event, writer.written.at(-1));
  await iterator.return?.();
});

Deno.test("follow with since applies its filters to the events already in the log and to new events, without a gap", async () => {
  using place = realPlace();
  const writer = new Writer(place);
  const line = (event: string, at: string, session_id = "s") =>
    `${JSON.stringify({ ts: `2026-02-13T14:30:${at}Z`, event, session_id })}\n`;
  writer.appendText(line("a", "01") + line("b", "02") + line("c", "03") + line("x", "03"));
  writer.appendText(`{"event":"d"}\n`);
  const options: FollowOptions = {
    since: "2026-02-13T14:30:02Z",
    eventType: ["a", "b", "c", "e", "f", "g"],
    sessionId: "s",
    where: ({ event }) => event !== "c",
  };
  await using follower = new Follower(place, options);
  await follower.idle();
  assertEquals(follower.seen, "b");
  writer.appendText(line("e", "01") + line("f", "04", "t") + line("x", "04") + line("c", "04"));
  writer.appendText(line("g", "05"));
  await follower.poll();
  assertEquals(follower.seen, "bg");
});

for (
  const [last, options, found] of [
    [0, {}, ""],
    [1, {}, "e"],
    [2, {}, "de"],
    [3, { where: ({ event }) => event !== "d" }, "bce"],
    [2, { eventType: ["a", "c"] }, "ac"],
    [99, {}, "abcde"],
  ] as [number, FollowOptions, string][]
) {
  const what = `the last ${last} events${
    Object.keys(options).map((name) => ` that the option ${name} selects`)
  }`;
  Deno.test(`follow starts with ${what}, whichever files contain them`, async () => {
    using place = realPlace();
    const writer = writeHistory(place);
    await using follower = new Follower(place, { ...options, last });
    await follower.idle();
    assertEquals(follower.seen, found);
    writer.append();
    await follower.poll();
    assertEquals(follower.seen, options.eventType === undefined ? `${found}f` : found);
    assertEquals(follower.warnings, []);
  });
}

Deno.test("follow yields an event whose line was unfinished at the start as soon as the line is complete", async () => {
  using place = realPlace();
  const writer = new Writer(place);
  writer.appendText(lineOf("a") + lineOf("b").slice(0, -5));
  await using follower = new Follower(place, { last: 5 });
  await follower.idle();
  assertEquals(follower.seen, "a");
  writer.appendText(lineOf("b").slice(-5));
  await follower.poll();
  assertEquals([follower.seen, follower.warnings], ["ab", []]);
});

Deno.test("follow skips archives that have no matching events according to the manifest", async () => {
  using place = realPlace();
  const path = place.files.active;
  let now = Date.UTC(2026, 1, 13);
  await using log = await AuditLog.open({ path, now: () => now, logger: silent });
  await log.log("a");
  await log.rotate();
  now += 1_000;
  await log.log("b");
  await log.rotate();
  await using follower = new Follower(place, { since: now });
  await follower.idle();
  assertEquals(follower.seen, "b");
  const opened = follower.called.calls.filter((call) => call.endsWith(".gz") && /^open/.test(call));
  assertEquals(opened.length, 1);
});

for (const [how, options] of BEGINNINGS) {
  Deno.test(`follow ${how} waits until the directory of the log exists, and then until the log exists`, async () => {
    using place = realPlace();
    const log = new LogDirectory(place.fileSystem, join(place.files.directory, "a", "audit.jsonl"));
    const writer = new Writer(log);
    await using follower = new Follower(log, options);
    await follower.poll();
    Deno.mkdirSync(log.files.directory);
    await follower.poll();
    writer.append();
    await follower.poll();
    assertEquals(follower.seen, "a");
  });

  Deno.test(`follow ${how} waits for the active file of a log that has only sealed segments`, async () => {
    using place = realPlace();
    const writer = writeHistory(place);
    writer.seal();
    const before = options.since === undefined ? "" : writer.written;
    await using follower = new Follower(place, options);
    await follower.poll();
    assertEquals(follower.seen, before);
    writer.append();
    writer.seal();
    await follower.poll();
    assertEquals(follower.seen, `${before}${writer.written.at(-1)}`);
  });

  Deno.test(`follow ${how} waits until the unfinished last line has its line break`, async () => {
    using place = realPlace();
    const writer = new Writer(place);
    const [ts = "", event = ""] = lineOf("b").trimEnd().split(",");
    writer.appendText(`${lineOf("a")}${ts}`);
    await using follower = new Follower(place, options);
    await follower.poll();
    writer.appendText(`,${event}`);
    await follower.poll();
    const before = options.since === undefined ? "" : "a";
    assertEquals(follower.seen, before);
    writer.appendText(`\n${lineOf("c")}`);
    await follower.poll();
    assertEquals([follower.seen, follower.warnings], [`${before}bc`, []]);
  });

  Deno.test(`follow ${how} reports a torn last line once, after the next writer has ended the line with a line break`, async () => {
    using place = realPlace();
    const writer = new Writer(place);
    writer.appendText(`${lineOf("a")}{"event":"to`);
    await using follower = new Follower(place, { ...options, eventType: ["a", "b", "c"] });
    await follower.poll();
    assertEquals(follower.warnings, []);
    await using log = await AuditLog.open({ path: place.files.active, logger: silent });
    await log.log("b");
    await follower.poll();
    await log.rotate();
    await log.log("c");
    await follower.poll();
    assertEquals(follower.seen, options.since === undefined ? "bc" : "abc");
    const at = lineOf("a").length;
    const what = `Skipped damage in audit log: not JSON, at byte ${at}: ${place.files.active}`;
    assertEquals(follower.warnings, [what]);
  });
}

Deno.test("follow yields the last event of a sealed file without a final line break, or reports the last line as torn", async () => {
  using place = simulatedPlace();
  const writer = new Writer(place);
  await using follower = new Follower(place, { since: 0 });
  for (const [tail, seen] of [[lineOf("b").trimEnd(), "abc"], [`{"ts":"x`, "abcac"]] as const) {
    writer.appendText(`${lineOf("a")}${tail}`);
    await follower.poll();
    writer.seal();
    writer.appendText(lineOf("c"));
    await follower.poll();
    assertEquals(follower.seen, seen);
  }
  assertEquals(follower.warnings.length, 1);
  assert(
    follower.warnings[0]!.includes(`torn tail, at byte ${2 * lineOf("a").length}`),
    follower.warnings[0],
  );
});

Deno.test("follow reports each damaged line once, in a growing file and in a segment, and continues", async () => {
  using place = realPlace();
  const { files } = place;
  const writer = new Writer(place);
  const long = `{"event":"${"x".repeat(3_000)}"}`;
  await using follower = new Follower(place, { since: 0 });
  await follower.idle();
  writer.appendText(`${lineOf("a")}42\n\n`);
  await follower.poll();
  const longAt = lineOf("a").length + 4;
  for (let start = 0; start < long.length; start += 700) {
    writer.appendText(long.slice(start, start + 700));
    await follower.poll();
  }
  writer.appendText(`\n${lineOf("b")}`);
  await follower.poll();
  writer.seal();
  writer.appendText(`${lineOf("c")}{\n${lineOf("d")}`);
  writer.seal();
  const [, segment = ""] = Deno.readTextFileSync(files.sealed("20260213_000002")).split("\n");
  assertEquals(segment, "{");
  writer.archive();
  writer.appendText(lineOf("e"));
  await follower.poll();
  await follower.poll();
  assertEquals(follower.seen, "abcde");
  const warning = (reason: string, at: number, path: string) =>
    `Skipped damage in audit log: ${reason}, at byte ${at}: ${path}`;
  assertEquals(follower.warnings, [
    warning("not an object", lineOf("a").length, files.active),
    warning("longer than maxLineBytes (1000)", longAt, files.active),
    warning("not JSON", lineOf("c").length, files.archive("20260213_000002")),
  ]);
});

Deno.test("follow does not reread an oversized line while the line grows", async () => {
  using place = simulatedPlace();
  const writer = new Writer(place);
  await using follower = new Follower(place);
  await follower.idle();
  const { calls } = follower.called;
  for (let part = 0; part < 10; part++) {
    writer.appendText("x".repeat(300 * 1024));
    await follower.poll();
  }
  writer.appendText(`\n${lineOf("a")}`);
  await follower.poll();
  assertEquals(follower.seen, "a");
  const reads = calls.filter((call) => call === "handle.read").length;
  assert(reads <= 10 * 2 + 2, `${reads} reads`);
});

Deno.test("follow yields each event once if a writer truncates the file after a failed write", async () => {
  using place = simulatedPlace();
  const writer = new Writer(place);
  writer.appendText(lineOf("a"));
  await using follower = new Follower(place, { since: 0 });
  await follower.idle();
  const { byteLength } = place.fileSystem.status(place.files.active)!;
  // The writer appends a part of a line, which the follower does not yield, and truncates the file again.
  writer.appendText(`{"event":"x`);
  await follower.poll();
  writer.truncate(byteLength);
  writer.appendText(lineOf("b"));
  await follower.poll();
  assertEquals([follower.seen, follower.warnings], ["ab", []]);
  // The writer appends a whole line and a part of another line. The follower yields the event of the whole line,
  // although the writer then truncates both lines.
  writer.appendText(lineOf("y") + lineOf("x").slice(0, 20));
  await follower.poll();
  writer.truncate(byteLength + lineOf("b").length);
  await follower.poll();
  writer.appendText(lineOf("c"));
  await follower.poll();
  assertEquals(follower.seen, "abyc");
  assertEquals(follower.warnings.length, 1);
});

Deno.test("follow reads a file from its start after the file was truncated to 0 bytes", async () => {
  using place = simulatedPlace();
  const writer = new Writer(place);
  await using follower = new Follower(place, { since: 0 });
  writer.appendText(lineOf("a") + lineOf("b"));
  await follower.poll();
  writer.appendText(lineOf("c"));
  await follower.poll();
  writer.truncate(0);
  writer.appendText(lineOf("d"));
  await follower.poll();
  assertEquals(follower.seen, "abcd");
  assertEquals(follower.warnings.length, 1);
});

Deno.test("follow continues with the active file after a writer has renamed it to a segment and back again", async () => {
  using place = simulatedPlace();
  const writer = writeHistory(place);
  await using follower = new Follower(place, { since: 0 });
  for (let round = 0; round < 2; round++) {
    await follower.poll();
    writer.seal();
    await follower.poll();
    writer.unseal();
    await follower.poll();
    writer.append();
  }
  writer.seal();
  writer.append();
  await follower.poll();
  assertEquals(follower.seen, writer.written);
});

Deno.test("follow continues with the active file if a writer seals the file and undoes the sealing between any two calls of the follower", async () => {
  for (let at = 0, calls = 1; at < calls; at++) {
    using place = simulatedPlace();
    const writer = writeHistory(place);
    const called = new CalledFileSystem(place.fileSystem);
    await using follower = new Follower(place, { since: 0 }, { called });
    await follower.idle();
    writer.seal();
    const begun = called.calls.length;
    called.before = () => {
      if (called.calls.length === begun + at) writer.unseal();
    };
    await follower.poll();
    calls = called.calls.length - begun;
    writer.append();
    await follower.poll();
    writer.seal();
    writer.append();
    await follower.poll();
    assertEquals(follower.seen, writer.written, `undone before call ${at}`);
  }
});

Deno.test("follow still reads a file that was moved away, until the new active file has its first line", async () => {
  using place = simulatedPlace();
  const writer = writeHistory(place);
  await using follower = new Follower(place, { since: 0 });
  await follower.poll();
  const path = writer.moveAway();
  await follower.poll();
  // logrotate with "create" creates an empty active file. A writer that had checked the path before that moment still
  // appends to the moved file.
  writer.appendText("");
  await follower.poll();
  writer.append(path);
  writer.append();
  await follower.poll();
  assertEquals(follower.seen, writer.written);
});

Deno.test("follow yields the last line of a file that was moved away, even if the line is written during the next poll", async () => {
  for (let at = 0, calls = 1; at < calls; at++) {
    using place = simulatedPlace();
    const writer = writeHistory(place);
    const called = new CalledFileSystem(place.fileSystem);
    await using follower = new Follower(place, { since: 0 }, { called });
    await follower.idle();
    const path = writer.moveAway();
    const begun = called.calls.length;
    called.before = () => {
      if (called.calls.length !== begun + at) return;
      writer.append(path);
      writer.append();
      writer.seal();
    };
    await follower.poll();
    calls = called.calls.length - begun;
    await follower.poll();
    assertEquals(follower.seen, writer.written, `written before call ${at}`);
  }
});

Deno.test("follow distinguishes a moved file from a later segment, even if the file once had the name of the segment", async () => {
  using place = simulatedPlace();
  const writer = writeHistory(place);
  await using follower = new Follower(place, { since: 0 });
  await follower.poll();
  writer.seal();
  await follower.poll();
  writer.unseal();
  await follower.poll();
  writer.moveAway();
  writer.append();
  writer.seal();
  writer.append();
  await follower.poll();
  assertEquals(follower.seen, writer.written);
});

for (const segment of ["a", "abc"]) {
  Deno.test(`follow distinguishes a moved file with the events "ab" from an archive with the events "${segment}"`, async () => {
    using place = simulatedPlace();
    const writer = new Writer(place);
    const appendAll = (letters: string) => writer.appendText([...letters].map(lineOf).join(""));
    await using follower = new Follower(place, { since: 0 });
    appendAll("ab");
    await follower.poll();
    writer.moveAway();
    appendAll(segment);
    writer.seal();
    writer.archive();
    appendAll("d");
    await follower.poll();
    assertEquals(follower.seen, `ab${segment}d`);
  });
}

Deno.test("follow reports a segment that was removed before it could be read", async () => {
  using place = simulatedPlace();
  const { fileSystem, files } = place;
  const writer = writeHistory(place);
  const called = new CalledFileSystem(fileSystem);
  const archive = files.archive("20260213_000001");
  called.before = () => {
    const isRead = called.upcoming === `status ${basename(files.sealed("20260213_000001"))}`;
    if (isRead && fileSystem.status(archive) !== null) fileSystem.remove(archive);
  };
  await using follower = new Follower(place, { since: 0 }, { called });
  await follower.poll();
  assertEquals(follower.seen, writer.written.slice(2));
  const reason = "the file was removed before it could be read";
  assertEquals(follower.warnings, [
    `Skipped damage in audit log: ${reason}, at byte 0: ${archive}`,
  ]);
});

await testNeeding("POSIX", "follow fails when the path of the log becomes a symlink", async () => {
  using place = realPlace();
  const clock = new AwaitedClock();
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  const next = followLog(sourceOf(place, { called, clock }))[Symbol.asyncIterator]().next();
  await clock.untilTimer();
  assertEquals(called.openWatchers, 1);
  Deno.symlinkSync("nowhere", place.files.active);
  clock.fireTimers();
  await assertRejects(() => next, TypeError, "symlink");
  assertEquals([called.openWatchers, clock.timerDelaysMs.length], [0, 0]);
});

// Part three: how a follower waits for new events.

Deno.test("follow makes two file system calls per poll while nothing happens: one for the path, one for the open file", async () => {
  using place = realPlace();
  const writer = writeHistory(place);
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  await using follower = new Follower(place, {}, { called });
  const expectIdle = async () => {
    await follower.poll();
    called.calls.splice(0);
    assertEquals(follower.clock.timerDelaysMs, [250]);
    for (let poll = 0; poll < 3; poll++) await follower.poll();
    const poll = ["status audit.jsonl", "handle.status"];
    assertEquals(called.calls, [...poll, ...poll, ...poll]);
  };
  await follower.idle();
  await expectIdle();
  writer.append();
  await follower.poll();
  await expectIdle();
  writer.appendText(`{"event":"tor`);
  await follower.poll();
  await expectIdle();
  // Here the follower reads an empty active file, like that of a log that was opened but not written to.
  writer.appendText("\n");
  writer.seal();
  writer.appendText("");
  await follower.poll();
  await expectIdle();
});

Deno.test("If the file that follow reads is archived, follow decodes the archive only once while nothing is written", async () => {
  using place = simulatedPlace();
  const writer = writeHistory(place);
  await using follower = new Follower(place);
  await follower.poll();
  writer.seal();
  writer.archive();
  for (let poll = 0; poll < 5; poll++) await follower.poll();
  const opened = follower.called.calls.filter((call) => /^open .*gz$/.test(call));
  assertEquals(opened.length, 1);
  writer.append();
  await follower.poll();
  assertEquals(follower.seen, writer.written.at(-1));
});

Deno.test("follow reads the log at once, without waiting for the next poll, when the watcher reports a change", async () => {
  using place = realPlace();
  const writer = writeHistory(place);
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  const clock = new AwaitedClock();
  const iterator = followLog(sourceOf(place, { called, clock }))[Symbol.asyncIterator]();
  const next = iterator.next();
  await clock.untilTimer();
  writer.append();
  called.change();
  assertEquals((await next).value?.event, writer.written.at(-1));
  await iterator.return?.();
});

Deno.test("follow checks the log again at once if a file changes during a read", async () => {
  using place = realPlace();
  const writer = new Writer(place);
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  await using follower = new Follower(place, {}, { called });
  writer.append();
  await follower.change();
  called.before = () => {
    if (called.upcoming !== "handle.read" || writer.written.length > 2) return;
    writer.append();
    called.change();
  };
  writer.append();
  await follower.change();
  assertEquals(follower.seen, "abc");
});

Deno.test("follow checks the log again at once if a file changes before the watcher starts", async () => {
  using place = realPlace();
  const writer = new Writer(place);
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  called.before = () => {
    if (called.upcoming.startsWith("watch")) writer.append();
  };
  await using follower = new Follower(place, {}, { called });
  await follower.idle();
  assertEquals(follower.seen, "a");
});

Deno.test("follow tries again to watch the directory after a file of the log appears", async () => {
  using place = realPlace();
  const writer = new Writer(place);
  const called = new CalledFileSystem(place.fileSystem);
  await using follower = new Follower(place, {}, { called });
  await follower.poll();
  await follower.poll();
  assertEquals(called.calls.filter((call) => call.startsWith("watch")).length, 1);
  called.canWatch = true;
  writer.append();
  await follower.poll();
  assertEquals([follower.seen, called.openWatchers], ["a", 1]);
});

Deno.test("follow closes its watcher while next() is not called, and opens a new watcher at the next call", async () => {
  using place = realPlace();
  const writer = new Writer(place);
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  const clock = new AwaitedClock();
  const iterator = followLog(sourceOf(place, { called, clock }))[Symbol.asyncIterator]();
  const takeOne = async () => {
    const next = iterator.next();
    await clock.untilTimer();
    assertEquals(called.openWatchers, 1);
    writer.append();
    called.change();
    await next;
  };
  await takeOne();
  await takeOne();
  assertEquals([called.openWatchers, clock.timerDelaysMs], [1, [250]]);
  clock.fireTimers();
  assertEquals(called.openWatchers, 0);
  await takeOne();
  await iterator.return?.();
  assertEquals([called.openWatchers, clock.timerDelaysMs], [0, []]);
});

for (const [mode, events] of [["loop", ["a", "b", "break"]], ["leave", ["a", "b"]]] as const) {
  for (const watched of ["watched", "unwatched"]) {
    const what = mode === "loop"
      ? "keeps a program running until the loop ends"
      : "lets a program end while next() is not called";
    Deno.test(`follow ${what} (${watched} directory)`, async () => {
      using place = realPlace();
      const { directory, active } = place.files;
      const writer = new Writer(place);
      const [first = "", ...rest] = events;
      writer.appendText(lineOf(first));
      // The program imports a module of the library, so it needs the permission to read the sources.
      const flags = [`--allow-read=${directory},${SRC}`];
      const args = programArgs(FOLLOWS, { dir: directory, args: [active, mode, watched], flags });
      const command = new Deno.Command(Deno.execPath(), { args, stdout: "piped" });
      await using process = command.spawn();
      const printed = linesFrom(process.stdout);
      assertEquals(await printed.next("a"), "a");
      for (const event of rest) {
        await printed.next("waits");
        writer.appendText(lineOf(event));
        assertEquals(await printed.next(event), event);
      }
      await printed.next("nothing");
      assertEquals((await process.status).code, 0);
    });
  }
}

// Part four: how a follow iteration ends.

/** Creates an abort controller, and a function that counts the listeners of its signal. */
function countedAbort(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  return { controller, listeners: () => listeners };
}

/**
 * Creates a log with two events, a follower of this log, and a function that counts the resources that the follower
 * keeps open.
 */
function heldIteration(place: Place) {
  const writer = new Writer(place);
  writer.append();
  writer.seal();
  writer.archive();
  writer.append();
  const called = new CalledFileSystem(place.fileSystem);
  called.canWatch = true;
  const clock = new AwaitedClock();
  const { controller, listeners } = countedAbort();
  const options = { since: 0, signal: controller.signal };
  const events = followLog(sourceOf(place, { called, clock }), options);
  const held = () => [
    called.openHandles,
    called.openWatchers,
    clock.timerDelaysMs.length,
    listeners(),
  ];
  return { events, writer, clock, controller, held };
}

const NOTHING = [0, 0, 0, 0];

for (const last of ["a", "b", "c"]) {
  for (const how of ["a break", "an exception"]) {
    Deno.test(`follow leaves no resource open after ${how} at event "${last}"`, async () => {
      using place = realPlace();
      const { events, writer, clock, held } = heldIteration(place);
      const loop = async () => {
        for await (const { event } of events) {
          if (event === last) {
            assert(held().some((count) => count > 0), "nothing is counted");
            if (how === "a break") break;
            throw new RangeError("from the loop body");
          }
          // After the second event, the follower waits. When its timer runs, append the third event and let the timer
          // expire.
          if (event === "b") {
            clock.untilTimer().then(() => {
              writer.append();
              clock.fireTimers();
            });
          }
        }
      };
      if (how === "a break") await loop();
      else await assertRejects(loop, RangeError, "from the loop body");
      assertEquals(held(), NOTHING);
    });
  }
}

Deno.test("return() ends a follow iteration while a next() is pending", async () => {
  using place = realPlace();
  const { events, clock, held } = heldIteration(place);
  const iterator = events[Symbol.asyncIterator]();
  await iterator.next();
  await iterator.next();
  const waiting = [iterator.next(), iterator.next()];
  await clock.untilTimer();
  assertEquals(held(), [1, 1, 1, 1]);
  const done = { done: true as const, value: undefined };
  assertEquals(await iterator.return?.(), done);
  assertEquals(held(), NOTHING);
  assertEquals(await Promise.all(waiting), [done, done]);
  assertEquals(await iterator.next(), done);
  assertEquals(held(), NOTHING);
});

Deno.test("return() ends a follow iteration that has not started", async () => {
  using place = realPlace();
  const { events, held } = heldIteration(place);
  const iterator = events[Symbol.asyncIterator]();
  await iterator.return?.();
  assertEquals((await iterator.next()).done, true);
  assertEquals(held(), NOTHING);
});

Deno.test("follow rejects with the reason of the signal if it aborts while next() waits", async () => {
  using place = realPlace();
  const { events, clock, controller, held } = heldIteration(place);
  const seen: unknown[] = [];
  const following = (async () => {
    for await (const { event } of events) seen.push(event);
  })();
  await clock.untilTimer();
  assertEquals(held(), [1, 1, 1, 1]);
  const reason = new RangeError("enough");
  controller.abort(reason);
  assertEquals(await thrownBy(following), reason);
  assertEquals([seen, held()], [["a", "b"], NOTHING]);
});

for (const taken of [1, 2]) {
  Deno.test(`follow closes all resources on an abort after event ${taken}, and the following next() rejects`, async () => {
    using place = realPlace();
    const { events, controller, held } = heldIteration(place);
    const iterator = events[Symbol.asyncIterator]();
    for (let event = 0; event < taken; event++) await iterator.next();
    const reason = new RangeError("enough");
    controller.abort(reason);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(held(), NOTHING);
    assertEquals(await thrownBy(iterator.next()), reason);
    assertEquals(held(), NOTHING);
  });
}

Deno.test("follow rejects with the reason of the signal if it aborts while next() reads", async () => {
  using place = realPlace();
  const { events, controller, held } = heldIteration(place);
  const reason = new RangeError("enough");
  const next = events[Symbol.asyncIterator]().next();
  controller.abort(reason);
  assertEquals(await thrownBy(next), reason);
  assertEquals(held(), NOTHING);
});

Deno.test("follow rejects the first next() and opens no file if its signal was aborted before", async () => {
  using place = realPlace();
  const { events, controller, held } = heldIteration(place);
  const reason = new RangeError("enough");
  const iterator = events[Symbol.asyncIterator]();
  controller.abort(reason);
  assertEquals(await thrownBy(iterator.next()), reason);
  assertEquals(held(), NOTHING);
});

Deno.test("follow({ last: Infinity }) starts with every event, even events without a time, and reports damage", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, logger: silent });
  await log.log("a");
  await log.rotate();
  await log.log("b");
  await log.flush();
  Deno.writeTextFileSync(path, '{"event":"untimed"}\n42\n', { append: true });
  await log.log("c");
  const events = log.follow({ last: Infinity });
  assertEquals(events.damage, []);
  const seen: (string | undefined)[] = [];
  for await (const { event } of events) {
    if (seen.push(event) === 4) await log.log("d");
    if (event === "d") break;
  }
  assertEquals(seen, ["a", "b", "untimed", "c", "d"]);
  const [{ byteOffset, ...region }, ...others] = events.damage as [Damage, ...Damage[]];
  assertEquals(region, { path, byteLength: 3, reason: "not an object" });
  assertEquals(Deno.readTextFileSync(path).slice(byteOffset, byteOffset + 3), "42\n");
  assertEquals(others, []);
});

Deno.test("follow throws for invalid options when it is called", () => {
  using place = realPlace();
  const called = new CalledFileSystem(place.fileSystem);
  const source = sourceOf(place, { called, clock: new AwaitedClock() });
  assertThrows(() => followLog(source, { since: "yesterday" }), RangeError, "since");
  const eventType = 1 as unknown as string;
  assertThrows(() => followLog(source, { eventType }), TypeError, "eventType");
  for (const last of [-1, 0.5, NaN]) {
    assertThrows(() => followLog(source, { last }), RangeError, "last must be an integer >= 0");
  }
  const last = "2" as unknown as number;
  assertThrows(() => followLog(source, { last }), TypeError, 'or Infinity, got "2"');
  assertThrows(
    () => followLog(source, { last: 1, since: 0 }),
    TypeError,
    "since and last are both set",
  );
  assertEquals(called.calls, []);
});

// Part five: followers that use the real disk, clock and watcher.

Deno.test("FileSystem.watch() reports appends, renames and removals until it is closed", async () => {
  using dir = tempDir();
  let change = Promise.withResolvers<void>();
  const watcher = denoFileSystem.watch(dir.path(""), () => change.resolve());
  assert(watcher !== null);
  for (
    const step of [
      () => Deno.writeTextFileSync(dir.path("a"), "a", { append: true }),
      () => Deno.writeTextFileSync(dir.path("a"), "b", { append: true }),
      () => Deno.renameSync(dir.path("a"), dir.path("b")),
      () => Deno.removeSync(dir.path("b")),
    ]
  ) {
    change = Promise.withResolvers();
    step();
    await change.promise;
  }
  watcher.close();
  watcher.close();
});

Deno.test("FileSystem.watch() returns null for a directory that does not exist", () => {
  using dir = tempDir();
  assertEquals(denoFileSystem.watch(dir.path("nowhere"), () => {}), null);
});

/** Follows the log until it has yielded `count` events of each writer. Resolves with all events that it has yielded. */
async function followUntil(
  path: string,
  { by, count, fileSystem = denoFileSystem }: {
    by: readonly string[];
    count: number;
    fileSystem?: FileSystem;
  },
): Promise<unknown[]> {
  const log = new LogDirectory(fileSystem, path);
  const source = { log, clock: systemClock, maxLineBytes: 10_000, logger: silent };
  const left = new Map(by.map((name) => [name, count]));
  const seen: unknown[] = [];
  for await (const event of followLog(source, { since: 0 })) {
    const name = String(event.by);
    seen.push([name, event.n]);
    left.set(name, left.get(name)! - 1);
    if ([...left.values()].every((events) => events <= 0)) break;
  }
  return seen;
}

for (const watched of ["watched", "unwatched"]) {
  await sampledTest(
    `follow yields all events of two processes that rotate and archive (${watched} directory)`,
    0.2,
    async (extent) => {
      using dir = tempDir();
      const path = dir.path("audit.jsonl");
      const args = programArgs(APPENDS_UNTIL_TOLD, {
        dir: dir.path(""),
        args: [path, "other", "300"],
      });
      const command = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" });
      await using process = command.spawn();
      const printed = linesFrom(process.stdout);
      const options = { path, rotationSizeBytes: 300, lockTimeoutSec: 60, logger: silent };
      await using log = await AuditLog.open(options);
      const count = extent.of(1_000);
      const fileSystem = watched === "watched"
        ? denoFileSystem
        : { ...denoFileSystem, watch: () => null };
      const following = followUntil(path, { by: ["other", "own"], count, fileSystem });

      const other = (async () => {
        for (let n = 0; n < count; n++) assertEquals(await printed.next("a number"), `${n}`);
        await process.stdin.close();
        while (await printed.next("the end") !== undefined);
      })();
      for (let n = 0; n < count; n++) await log.log("nav", { by: "own", n });
      await other;
      assertEquals((await process.status).code, 0);
      const seen = await following;
      await log.flush();
      const events = await log.query().toArray();
      // The other process may have written more events after the follower ended, so only the first events are compared.
      assertEquals(seen, events.map(({ by, n }) => [by, n]).slice(0, seen.length));
      assert(seen.length >= 2 * count);
    },
  );
}

/**
 * Resolves with the very error with which a promise rejects, so that a test can check that it is the expected object.
 */
async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return undefined;
}

/**
 * Returns a reader of the lines that a process prints. `next()` skips lines that say "waits" unless the caller expects
 * such a line.
 */
function linesFrom(stdout: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const lines = stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    .getReader();
  return {
    async next(expected: string): Promise<string | undefined> {
      for (;;) {
        const { value } = await lines.read();
        if (value === undefined || value !== "waits" || expected === "waits") return value;
      }
    },
  };
}
