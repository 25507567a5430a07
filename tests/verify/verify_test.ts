import { assert, assertEquals, assertRejects } from "@std/assert";
import { gunzipSync, gzipSync } from "node:zlib";
import type { ChainHead } from "@vivarium/scout";
import {
  bareLine,
  CHAIN_START,
  hashMember,
  linkOf,
  NextHash,
  seqMember,
} from "../../src/line/chain.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { gzipFacts, joined } from "../bytes.ts";
import { sampledTest } from "../extent.ts";
import {
  files,
  type LogContent,
  splitLines,
  verified,
  withFile,
  writtenLog,
} from "./chained_log.ts";

const COUNTS = [17, 17, 16];
const LOG = await writtenLog(COUNTS);
const [ACTIVE, MANIFEST] = ["audit.jsonl", "audit.manifest.jsonl"];
const [FIRST = "", SECOND = "", ...OTHERS] = [...LOG.content.keys()]
  .filter((name) => name.endsWith(".gz"));
const encoder = new TextEncoder();

function bytesOf(name: string, content = LOG.content): Uint8Array {
  return content.get(name)!;
}

/** Sees that a change is found, and that the first fault names one of the files. */
async function assertFound(content: LogContent, names: readonly string[], what: string) {
  const { ok, faults } = await verified(content);
  const [first] = faults.map(({ path }) => path.replace("/log/", ""));
  assert(!ok && first !== undefined, `${what} is not found`);
  assert(names.includes(first), `${what}: found in ${first}`);
}

/** The content with a manifest that is true of it, as somebody would make who may write all files. */
function withTrueManifest(content: LogContent): LogContent {
  const lines = new ManifestLines();
  const parts = [...content.keys()].filter((name) => name.endsWith(".gz")).sort().map((archive) => {
    const scan = new SegmentScan(10_000);
    const gzip = bytesOf(archive, content);
    scan.add(gunzipSync(gzip));
    const bytes = lines.next({ archive, ...scan.finish(), ...gzipFacts(gzip), rebuilt: false });
    lines.take(bytes);
    return bytes;
  });
  return withFile(content, MANIFEST, joined(...parts));
}

/** The content with other lines in the file, which may be an archive. */
function withLines(content: LogContent, name: string, lines: readonly Uint8Array[]): LogContent {
  const bytes = joined(...lines);
  return withFile(content, name, name.endsWith(".gz") ? new Uint8Array(gzipSync(bytes)) : bytes);
}

function linesOf(name: string, content = LOG.content): Uint8Array[] {
  const bytes = bytesOf(name, content);
  return splitLines(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

/** A line that follows another one in the chain: a hash takes no secret, so anybody can forge it. */
function forgedLine(members: string, before: { seq: number; hash: string }): Uint8Array {
  const numbered = `{"ts":"2026-02-13T01:00:00.000Z",${members}${seqMember(before.seq + 1)}`;
  const hash = new NextHash(before).of(encoder.encode(`${numbered}}`));
  return encoder.encode(`${numbered}${hashMember(hash)}}\n`);
}

Deno.test("verify() finds no fault in a chained log of three segments", async () => {
  const report = await verified(LOG.content, LOG.head);
  assertEquals(report.faults, []);
  assertEquals([report.ok, report.archives, report.lines], [true, 2, 50]);
  assertEquals([LOG.head.archives, LOG.head.seq, OTHERS], [2, 49, []]);
});

for (const name of [ACTIVE, MANIFEST, FIRST, SECOND]) {
  await sampledTest(`verify() finds every flipped bit in ${name}`, 1 / 16, async (extent) => {
    const bytes = bytesOf(name);
    assert(bytes.byteLength > 500, `only ${bytes.byteLength} bytes`);
    for (let index = 0; index < bytes.byteLength; index++) {
      for (let bit = 0; bit < 8; bit++) {
        if (!extent.isDrawn()) continue;
        const flipped = bytes.slice();
        flipped[index]! ^= 1 << bit;
        const { ok, faults } = await verified(withFile(LOG.content, name, flipped));
        const what = `bit ${bit} of byte ${index}`;
        assert(!ok, `${what} is not found`);
        // A line of the manifest whose archive has another name tells of one that is not there.
        const isNamed = faults.some(({ path }) => path === `/log/${name}`) ||
          name === MANIFEST && faults.every(({ path }) => path.endsWith(".gz"));
        assert(isNamed, `${what} is found in ${faults.map(({ path }) => path)}`);
      }
    }
  });
}

/** What can be done to the lines of a file: the name, the lines, and the first line that shows it. */
function* lineChanges(
  lines: readonly Uint8Array[],
): Generator<[what: string, changed: Uint8Array[]]> {
  const foreign = encoder.encode('{"ts":"2026-02-13T00:00:05.000Z","event":"nav"}\n');
  for (const [index, line] of lines.entries()) {
    const before = lines.slice(0, index);
    const behind = lines.slice(index + 1);
    yield [`line ${index + 1} deleted`, [...before, ...behind]];
    yield [`line ${index + 1} doubled`, [...before, line, line, ...behind]];
    yield [`a line put in before ${index + 1}`, [...before, foreign, line, ...behind]];
    yield [`a line put in behind ${index + 1}`, [...before, line, foreign, ...behind]];
    yield [`an empty line behind ${index + 1}`, [...before, line, encoder.encode("\n"), ...behind]];
    yield [`line ${index + 1} again at the end`, [...lines, line]];
    const [next] = behind;
    if (next !== undefined) {
      yield [`lines ${index + 1} and ${index + 2} swapped`, [
        ...before,
        next,
        line,
        ...behind.slice(1),
      ]];
    }
    const edited = new TextDecoder().decode(line).replace('"nav"', '"bav"');
    yield [`line ${index + 1} edited`, [...before, encoder.encode(edited), ...behind]];
  }
}

for (const name of [FIRST, SECOND, ACTIVE]) {
  Deno.test(`verify() finds every line of ${name} that is deleted, put in, doubled, swapped or edited`, async () => {
    let changes = 0;
    for (const [what, changed] of lineChanges(linesOf(name))) {
      changes++;
      const content = withLines(LOG.content, name, changed);
      // Without the newest event there is an older log, which only an anchor tells from the newer one.
      const isOlder = name === ACTIVE && what === `line ${COUNTS[2]} deleted`;
      if (isOlder) assert(!(await verified(content, LOG.head)).ok, what);
      else await assertFound(content, [name], what);
    }
    assert(changes > 100, `only ${changes} changes`);
  });
}

for (const name of [FIRST, SECOND]) {
  Deno.test(`verify() finds it by the chain of the lines when the manifest is made true of ${name}`, async () => {
    for (const [what, changed] of lineChanges(linesOf(name))) {
      const content = withTrueManifest(withLines(LOG.content, name, changed));
      const isAtEnd = what === `a line put in behind ${COUNTS[0]}` ||
        what === `an empty line behind ${COUNTS[0]}`;
      // What stands at the end of a file is not in the chain: that is what the manifest is for, and the anchor.
      if (isAtEnd) assert(!(await verified(content, LOG.head)).ok, what);
      else await assertFound(content, [name, SECOND, ACTIVE], what);
    }
  });
}

Deno.test("verify() finds segments that are removed, swapped, replaced, renamed or put in", async () => {
  const { content } = LOG;
  const [first, second, active] = [FIRST, SECOND, ACTIVE].map((name) => bytesOf(name)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const later = "audit_20260301_000000.jsonl.gz";
  const earlier = "audit_20260101_000000.jsonl.gz";
  const other = new Uint8Array(gzipSync(joined(...linesOf(FIRST).slice(1))));
  const changes: [what: string, content: LogContent, named: string][] = [
    ["the first removed", withFile(content, FIRST, null), FIRST],
    ["the second removed", withFile(content, SECOND, null), SECOND],
    ["swapped", withFile(withFile(content, FIRST, second), SECOND, first), FIRST],
    ["replaced by another", withFile(content, FIRST, other), FIRST],
    ["replaced by one of its time", withFile(content, SECOND, first), SECOND],
    ["compressed anew", withLines(content, FIRST, linesOf(FIRST)), FIRST],
    ["renamed to be the newest", withFile(withFile(content, FIRST, null), later, first), FIRST],
    [
      "renamed to be the oldest",
      withFile(withFile(content, SECOND, null), earlier, second),
      earlier,
    ],
    ["put in", withFile(content, earlier, second), earlier],
    ["put in as the newest", withFile(content, later, second), later],
    ["empty", withFile(content, FIRST, new Uint8Array()), FIRST],
    ["the active one replaced", withFile(content, ACTIVE, joined(...linesOf(SECOND))), ACTIVE],
    [
      "unpacked",
      withFile(withFile(content, FIRST, null), FIRST.slice(0, -3), active),
      "audit_20260213_000018.jsonl",
    ],
  ];
  for (const [what, changed, named] of changes) await assertFound(changed, [named], what);
});

Deno.test("verify() finds lines of the manifest that are removed, swapped, replaced, doubled or put in", async () => {
  const { content } = LOG;
  const [a, b] = splitLines(bytesOf(MANIFEST)) as [Uint8Array, Uint8Array];
  const all = [MANIFEST, FIRST, SECOND];
  const changes: [what: string, lines: Uint8Array[]][] = [
    ["all removed", []],
    ["the first removed", [b]],
    ["the last removed", [a]],
    ["swapped", [b, a]],
    ["doubled", [a, b, b]],
    ["the first doubled", [a, a, b]],
    ["put in", [a, encoder.encode("{}\n"), b]],
    ["put in at the end", [a, b, encoder.encode("{}\n")]],
    ["an empty line", [a, b, encoder.encode("\n")]],
  ];
  for (const [what, lines] of changes) {
    await assertFound(withFile(content, MANIFEST, joined(...lines)), all, what);
  }
  await assertFound(withFile(content, MANIFEST, null), all, "no manifest");
  // A line that is made as this library makes it, and tells of the same archive again or of none.
  for (const archive of [SECOND, "audit_20260214_000000.jsonl.gz"]) {
    const lines = new ManifestLines();
    lines.take(joined(a, b));
    const facts = lines.byArchive.get(SECOND)!;
    const forged = joined(a, b, lines.next({ ...facts, archive }));
    await assertFound(withFile(content, MANIFEST, forged), [archive], `a line for ${archive}`);
  }
});

Deno.test("verify() names file, line and offset of the first fault", async () => {
  const lines = linesOf(ACTIVE);
  lines[4] = encoder.encode(
    new TextDecoder().decode(lines[4]).replace('"cost":0.004', '"cost":0.001'),
  );
  const { faults } = await verified(withLines(LOG.content, ACTIVE, lines));
  assertEquals(faults, [{
    path: files.active,
    line: 5,
    byteOffset: joined(...lines.slice(0, 4)).byteLength,
    reason: "it, or what is before it, was changed: its hash is another one",
  }]);
});

Deno.test("verify() tells of every fault, and goes on behind each", async () => {
  const lines = linesOf(ACTIVE);
  const changed = lines.filter((_, index) => index !== 2 && index !== 9);
  changed[5] = encoder.encode(new TextDecoder().decode(changed[5]).replace('"nav"', '"bav"'));
  const { faults } = await verified(withLines(LOG.content, ACTIVE, changed));
  assertEquals(faults.map(({ line, reason }) => [line, reason]), [
    [3, "a line is missing before it: its seq is 37 after 35"],
    [6, "it, or what is before it, was changed: its hash is another one"],
    [9, "a line is missing before it: its seq is 44 after 42"],
  ]);
});

// What a chain of hashes cannot show: whoever may write the files can also compute them.
Deno.test("verify() needs an anchor to miss the newest events, and says so", async () => {
  const lines = linesOf(ACTIVE);
  for (let k = 1; k <= lines.length; k++) {
    const content = withLines(LOG.content, ACTIVE, lines.slice(0, -k));
    const without = await verified(content);
    assertEquals([without.ok, without.faults], [true, []], `${k} removed`);
    assert(without.notShown.some((sentence) => sentence.includes("newest events")));
    const { ok, faults: [fault] } = await verified(content, LOG.head);
    assertEquals([ok, fault?.path], [false, files.active], `${k} removed`);
  }
  const archive = withTrueManifest(withFile(withFile(LOG.content, ACTIVE, null), SECOND, null));
  assertEquals((await verified(archive)).ok, true);
  const { faults } = await verified(archive, LOG.head);
  assertEquals(faults.map(({ path }) => path), [files.manifest, files.active]);
});

Deno.test("verify() needs an anchor to tell a log that was written anew, and says so", async () => {
  const anew = await writtenLog([17, 17, 16], { chain: true, sessionId: "t" });
  assertEquals((await verified(anew.content)).ok, true);
  const { ok, faults } = await verified(anew.content, LOG.head);
  assertEquals(ok, false);
  assertEquals(faults.map(({ path }) => path), [files.active, files.manifest]);
});

Deno.test("verify() cannot tell who appended an event, and says so", async () => {
  const lines = linesOf(ACTIVE);
  const last = linkOf(lines.at(-1)!.subarray(0, -1))!;
  const forged = forgedLine('"event":"nav"', last);
  const { ok, notShown } = await verified(
    withLines(LOG.content, ACTIVE, [...lines, forged]),
    LOG.head,
  );
  assertEquals(ok, true);
  assert(notShown.some((sentence) => sentence.includes("another process")));
});

Deno.test("verify() takes what a crash leaves at the end for what it is, and says so", async () => {
  const lines = linesOf(ACTIVE);
  const last = lines.at(-1)!;
  const tails = [
    ...Array.from({ length: last.byteLength - 2 }, (_, index) => last.subarray(0, index + 1)),
    new Uint8Array(20),
    joined(new Uint8Array(20), last.subarray(0, 40)),
  ];
  for (const [index, tail] of tails.entries()) {
    for (const end of ["", "\n"]) {
      const torn = joined(tail, encoder.encode(end));
      const content = withLines(LOG.content, ACTIVE, [...lines.slice(0, -1), torn]);
      const { faults, notShown } = await verified(content);
      assertEquals(faults, [], `tail ${index}`);
      assert(notShown.some((sentence) => sentence.includes("torn")), `tail ${index}`);
    }
  }
  // What this library never writes is no torn line of it.
  await assertFound(
    withLines(LOG.content, ACTIVE, [...lines, encoder.encode("note to self")]),
    [ACTIVE],
    "a note",
  );
});

Deno.test("verify() lets the next line in the chain vouch for what stands before it", async () => {
  const lines = linesOf(ACTIVE);
  const last = linkOf(lines.at(-1)!.subarray(0, -1))!;
  const between = encoder.encode('{"ts":"2026-02-\n{"event":"of Python"}\n');
  const numbered = `{"ts":"2026-02-13T01:00:00.000Z","event":"nav"${seqMember(last.seq + 1)}`;
  const next = new NextHash(last);
  next.addBetween(between);
  const hash = next.of(encoder.encode(`${numbered}}`));
  const line = encoder.encode(`${numbered}${hashMember(hash)}}\n`);
  assertEquals(
    (await verified(withLines(LOG.content, ACTIVE, [...lines, between, line]))).faults,
    [],
  );
  const { faults: [fault] } = await verified(withLines(LOG.content, ACTIVE, [...lines, line]));
  assertEquals(fault?.line, lines.length + 1);
});

Deno.test("verify() of a log without a chain goes by the manifest, and says what is in none", async () => {
  const log = await writtenLog([5, 5, 5], {});
  const report = await verified(log.content, log.head);
  assertEquals(report.faults, []);
  assert(report.notShown.some((sentence) => sentence.includes("5 lines")));
  assertEquals([log.head.seq, log.head.hash], [null, null]);
  const [archive = ""] = [...log.content.keys()].filter((name) => name.endsWith(".gz"));
  const changed = linesOf(archive, log.content).slice(1);
  await assertFound(withLines(log.content, archive, changed), [archive], "a line less");
});

Deno.test("verify() finds a changed copy in the place of a segment, which readers would take first", async () => {
  const log = await writtenLog([5, 5], {});
  const [archive = ""] = [...log.content.keys()].filter((name) => name.endsWith(".gz"));
  const sealed = archive.slice(0, -".gz".length);
  const lines = linesOf(archive, log.content);
  const copy = withFile(log.content, sealed, joined(...lines));
  assertEquals((await verified(copy)).faults, []);
  await assertFound(withFile(copy, sealed, joined(...lines.slice(1))), [sealed], "a line less");
});

Deno.test("verify() of what the Python class wrote has nothing to go by, and says so", async () => {
  const log = await writtenLog([5, 5], {});
  const { ok, notShown } = await verified(withFile(log.content, MANIFEST, null));
  assertEquals(ok, true);
  assert(notShown.some((sentence) => sentence.includes("10 lines")));
});

Deno.test("verify() of a log that is not there finds nothing", async () => {
  const report = await verified(new Map());
  assertEquals(report, { ok: true, archives: 0, lines: 0, bytes: 0, faults: [], notShown: [] });
});

Deno.test("verify() refuses an anchor that is no head, naming it", async () => {
  const anchors = [{ ...LOG.head, seq: -1 }, { ...LOG.head, hash: null }, { archives: "1" }];
  for (const anchor of anchors) {
    await assertRejects(
      () => verified(LOG.content, anchor as unknown as ChainHead),
      TypeError,
      JSON.stringify(anchor),
    );
  }
});

Deno.test("verify() lists at most a thousand faults, and counts the others", async () => {
  const line = linesOf(ACTIVE)[0]!;
  const lines = [...linesOf(ACTIVE), ...Array.from({ length: 1_500 }, () => line)];
  const { faults } = await verified(withLines(LOG.content, ACTIVE, lines));
  assertEquals([faults.length, faults.at(-1)?.reason], [1_001, "500 more faults are not listed"]);
});

Deno.test("The hash of a line is what its documentation says", () => {
  const [first, second] = linesOf(FIRST).map((line) => line.subarray(0, -1));
  const link = linkOf(first!)!;
  assertEquals(new NextHash(CHAIN_START).of(bareLine(first!)), link.hash);
  assertEquals(new NextHash(link).of(bareLine(second!)), linkOf(second!)!.hash);
});
