import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuditLog } from "@vivarium/scout";
import { gunzipSync } from "node:zlib";
import { fieldsOf, type Plan } from "../programs/killed_writer.ts";
import { testNeeding } from "../requirements.ts";
import { SeededRandom } from "../seeded_random.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { type FaultKind, Violation } from "./harness.ts";
import { leaveBehind } from "./real_leftovers.ts";
import { checkRecovered, Promised } from "./real_oracle.ts";
import { callsIn, dryRun, killPoints, runUntil } from "./real_victim.ts";

/** Creates a log with events 0 to 2 in an archive and 3 to 6 in the active file, all acknowledged. */
async function logIn(dir: TempDir): Promise<Promised> {
  const promised = new Promised();
  await using log = await AuditLog.open({
    path: dir.path("audit.jsonl"),
    sessionId: "s",
    now: () => Date.UTC(2026, 1, 13, 14, 30, 22),
  });
  for (let n = 0; n < 7; n++) {
    if (n === 3) await log.rotate();
    await log.log("nav", fieldsOf(n, 10));
    promised.keep(n);
  }
  return promised;
}

/** Rewrites the lines of the active file, which contains events 3 to 6. */
function rewrite(dir: TempDir, change: (lines: string[]) => string[]): void {
  const path = dir.path("audit.jsonl");
  const lines = Deno.readTextFileSync(path).split("\n").slice(0, -1);
  Deno.writeTextFileSync(path, change(lines).map((line) => `${line}\n`).join(""));
}

const ARCHIVE = "audit_20260213_143022.jsonl.gz";

const CANARIES: {
  what: string;
  kind: FaultKind;
  /** Text that the message of the found fault must contain. */
  says: string;
  harm: (dir: TempDir, promised: Promised) => void;
}[] = [
  {
    what: "a lost last event",
    kind: "lost",
    says: "missing acknowledged events: 6",
    harm: (dir) => rewrite(dir, (lines) => lines.slice(0, -1)),
  },
  {
    what: "a lost archive",
    kind: "lost",
    says: "missing acknowledged events: 0,1,2",
    harm: (dir) => Deno.removeSync(dir.path(ARCHIVE)),
  },
  {
    what: "an event missing before a later one",
    kind: "lost",
    says: "missing before later events: 4",
    harm(dir, promised) {
      promised.kept.delete(4);
      rewrite(dir, (lines) => lines.toSpliced(1, 1));
    },
  },
  {
    what: "a duplicated event",
    kind: "doubled",
    says: "duplicates in: 0,1,2,3,4,4,5,6",
    harm: (dir) => rewrite(dir, (lines) => lines.toSpliced(1, 0, lines[1] ?? "")),
  },
  {
    what: "reordered events",
    kind: "reordered",
    says: "out of order: 0,1,2,3,5,4,6",
    harm: (dir) => rewrite(dir, ([a = "", b = "", c = "", ...rest]) => [a, c, b, ...rest]),
  },
  {
    what: "a torn line, closed by a line break",
    kind: "torn",
    says: "1 damaged regions after recovery",
    harm: (dir) => rewrite(dir, (lines) => [...lines, '{"ts":"2026']),
  },
  {
    what: "a torn line that recovery has to close",
    kind: "torn",
    says: "1 damaged regions after recovery",
    harm: (dir) => Deno.writeTextFileSync(dir.path("audit.jsonl"), "{", { append: true }),
  },
  {
    what: "an event whose text is cut",
    kind: "torn",
    says: "incomplete event",
    harm: (dir) => rewrite(dir, (lines) => lines.map((line) => line.replace("éé", "é"))),
  },
  {
    what: "a rejected event",
    kind: "other",
    says: "rejected events: 5",
    harm: (_dir, promised) => {
      promised.refused.add(5);
    },
  },
  {
    what: "an event that was not logged",
    kind: "other",
    says: "events that were not logged: 6",
    harm(_dir, promised) {
      promised.logged.delete(6);
      promised.kept.delete(6);
    },
  },
  {
    what: "a failure in the writer",
    kind: "other",
    says: "failed Error: full",
    harm: (_dir, promised) => promised.take("failed Error: full\n"),
  },
  {
    what: "a file that recovery does not know",
    kind: "other",
    says: "recovery left audit.jsonl.tmp",
    harm: (dir) => Deno.writeTextFileSync(dir.path("audit.jsonl.tmp"), ""),
  },
  {
    what: "a segment that recovery cannot finish",
    kind: "other",
    says: "recovery failed",
    harm(dir) {
      const bytes = gunzipSync(Deno.readFileSync(dir.path(ARCHIVE)));
      Deno.writeFileSync(dir.path("audit_20260213_143022.jsonl"), bytes, { mode: 0o600 });
      Deno.truncateSync(dir.path(ARCHIVE), 20);
    },
  },
];

Deno.test("checkRecovered() finds no fault in a log that contains every promised event", async () => {
  using dir = tempDir();
  await checkRecovered(dir.path(""), await logIn(dir));
});

for (const { what, kind, says, harm } of CANARIES) {
  Deno.test(`checkRecovered() detects ${what}`, async () => {
    using dir = tempDir();
    const promised = await logIn(dir);
    harm(dir, promised);
    const violation = await assertRejects(
      () => checkRecovered(dir.path(""), promised),
      Violation,
      says,
    );
    assertEquals(violation.kind, kind, violation.message);
  });
}

Deno.test("checkRecovered() detects that recovery has removed an incomplete line, which must stay as evidence", async () => {
  using dir = tempDir();
  const promised = await logIn(dir);
  const check = () => checkRecovered(dir.path(""), promised, { tornLines: ["{"] });
  const violation = await assertRejects(check, Violation);
  assertEquals(violation.kind, "torn");
});

Deno.test("checkRecovered() finds no fault in the logs of crashed writers that leaveBehind() creates", async () => {
  const what = new Set<string>();
  for (const nth of [0, 1]) {
    using dir = tempDir();
    const leftovers = await leaveBehind(dir.path(""), { nth, random: new SeededRandom(nth) });
    for (const left of leftovers.what.split(", ")) what.add(left);
    const promised = new Promised();
    for (let n = 0; n < leftovers.events; n++) promised.keep(n);
    await checkRecovered(dir.path(""), promised, leftovers);
  }
  assertEquals(what.size, 12, [...what].join(", "));
});

Deno.test("Promised.take() ignores an incomplete line of the writer's output, and counts all events before a flush as promised", () => {
  const promised = new Promised();
  promised.take("ready\nlogged 0\nlogged 1\nrefused 1\nlogged 2\ndurable 2\nlogged 3\nacknow");
  promised.take("logged 4\nacknowledged 4\nacknowledged 40");
  assertEquals([...promised.logged], [0, 1, 2, 3, 4]);
  assertEquals([...promised.kept], [0, 2, 4]);
  assertEquals([...promised.refused], [1]);
});

Deno.test("killPoints() returns each system call that one thread makes on the files of the log", () => {
  const trace = [
    '7 openat(AT_FDCWD</w>, "/d/x", O_RDONLY|O_DIRECTORY) = 3</d/x>',
    '7 write(4</d/x/audit.jsonl>, "...", 5) = 5',
    "8 fsync(3</d/x> <unfinished ...>",
    '7 write(5</d/other>, "...", 5) = 5',
    "8 <... fsync resumed>) = 0",
    "9 fsync(3</d/x>) = 0",
    '7 write(4</d/x/audit.jsonl.lock>, "...", 5) = 5',
    "7 +++ exited with 0 +++",
  ].join("\n");
  assertEquals(killPoints(callsIn(trace, "/d/x")), [
    { call: "openat", nth: 1, file: "." },
    { call: "write", nth: 1, file: "audit.jsonl" },
    { call: "write", nth: 2, file: "audit.jsonl.lock" },
    { call: "fsync", nth: 1, file: "." },
  ]);
});

const PLAN: Plan = {
  rotationSizeBytes: 10_000,
  fsyncEveryNLines: 10,
  onOneThread: true,
  writesBehind: false,
  firstEvent: 0,
  steps: [{ do: "awaited", events: [1, 1, 1] }],
};

await testNeeding(
  "ptrace",
  "runUntil() and checkRecovered() detect a writer that acknowledges events before it writes them",
  async () => {
    using dir = tempDir();
    const plan: Plan = { ...PLAN, writesBehind: true };
    Deno.mkdirSync(dir.path("killed"));
    const files = ["audit.jsonl"];
    const { wasKilled, told } = await runUntil(dir.path("killed"), plan, {
      call: "write",
      nth: 1,
      files,
    });
    assert(wasKilled);
    const promised = new Promised();
    promised.take(told);
    const check = () => checkRecovered(dir.path("killed"), promised);
    assertEquals((await assertRejects(check, Violation)).kind, "lost");
  },
);

await testNeeding(
  "ptrace",
  "runUntil() kills a writer at a call, before the call takes effect",
  async () => {
    using dir = tempDir();
    const plan: Plan = { ...PLAN, steps: [...PLAN.steps, { do: "rotate" }] };
    const at = (name: string) => {
      Deno.mkdirSync(dir.path(name));
      return dir.path(name);
    };
    const { points, files, told } = await dryRun(at("dry"), dir.path("trace"), plan);
    assertEquals(told.match(/acknowledged/g)?.length, 3);
    const ofEvents = points.filter(({ call, file }) => call === "write" && file === "audit.jsonl");
    const second = ofEvents[1];
    assert(second !== undefined);
    const killed = await runUntil(at("killed"), plan, { ...second, files });
    assert(killed.wasKilled);
    assertEquals(killed.told, "ready\nlogged 0\nacknowledged 0\nlogged 1\n");
    assertEquals(Deno.readTextFileSync(dir.path("killed/audit.jsonl")).match(/\n/g)?.length, 1);
    const promised = new Promised();
    promised.take(killed.told);
    await checkRecovered(dir.path("killed"), promised);

    const { wasKilled } = await runUntil(at("ended"), plan, { call: "linkat", nth: 2, files });
    assertEquals(wasKilled, false);
    const violation = await assertRejects(
      () => runUntil(at("hung"), plan, { ...second, files, hungMs: 1 }),
      Violation,
    );
    assertEquals(violation.kind, "hung");
  },
);
