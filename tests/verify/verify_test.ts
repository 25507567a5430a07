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
import { rollupDigest, rollupOf, withoutLastEvent } from "../faults/rollup_bytes.ts";
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
const [FIRST_ROLLUP, SECOND_ROLLUP] = [rollupName(FIRST), rollupName(SECOND)];
const encoder = new TextEncoder();

/** Returns the name of the file with the sums of an archive. */
function rollupName(archive: string): string {
  return archive.replace(/\.gz$/, ".rollup");
}

function bytesOf(name: string, content = LOG.content): Uint8Array {
  return content.get(name)!;
}

/** Asserts that verify() finds the change of the log, and that the first fault names one of the files. */
async function assertFound(content: LogContent, names: readonly string[], what: string) {
  const { ok, faults } = await verified(content);
  const [first] = faults.map(({ path }) => path.replace("/log/", ""));
  assert(!ok && first !== undefined, `${what} is not found`);
  assert(names.includes(first), `${what}: found in ${first}`);
}

/**
 * Returns the content with a manifest (list of archives) and rollups (sums of an archive) that match the archives, as
 * an attacker who can write all files would forge them.
 */
function withTrueManifest(content: LogContent): LogContent {
  const lines = new ManifestLines();
  const forged = new Map(content);
  const parts = [...content.keys()].filter((name) => name.endsWith(".gz")).sort().map((archive) => {
    const scan = new SegmentScan(10_000);
    const gzip = bytesOf(archive, content);
    scan.add(gunzipSync(gzip));
    const summary = scan.finish();
    const { digest: rollup_sha256, bytes: rollup } = rollupOf(gunzipSync(gzip))!;
    forged.set(rollupName(archive), rollup);
    const facts = { archive, ...summary, ...gzipFacts(gzip), rollup_sha256, rebuilt: false };
    const bytes = lines.next(facts);
    lines.take(bytes);
    return bytes;
  });
  return withFile(forged, MANIFEST, joined(...parts));
}

/** Returns the content with other lines in a file, which may be an archive. */
function withLines(content: LogContent, name: string, lines: readonly Uint8Array[]): LogContent {
  const bytes = joined(...lines);
  return withFile(content, name, name.endsWith(".gz") ? new Uint8Array(gzipSync(bytes)) : bytes);
}

function linesOf(name: string, content = LOG.content): Uint8Array[] {
  const bytes = bytesOf(name, content);
  return splitLines(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

/** Returns a line that continues the chain after `before`. The hash has no secret, so anyone can forge it. */
function forgedLine(members: string, before: { seq: number; hash: string }): Uint8Array {
  const numbered = `{"ts":"2026-02-13T01:00:00.000Z",${members}${seqMember(before.seq + 1)}`;
  const hash = new NextHash(before).of(encoder.encode(`${numbered}}`));
  return encoder.encode(`${numbered}${hashMember(hash)}}\n`);
}

Deno.test("verify() finds no fault in an unchanged log of three files with a hash chain", async () => {
  const report = await verified(LOG.content, LOG.head);
  assertEquals(report.faults, []);
  assertEquals([report.ok, report.archives, report.lines], [true, 2, 50]);
  assertEquals([LOG.head.archives, LOG.head.seq, OTHERS], [2, 49, []]);
});

for (const name of [ACTIVE, MANIFEST, FIRST, SECOND, FIRST_ROLLUP, SECOND_ROLLUP]) {
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
        // The flipped bit may be in the name of an archive in the manifest: then verify() reports that archive as
        // missing. If the bit is in the digest of a rollup, verify() reports that the rollup differs from the manifest.
        const isNamed = faults.some(({ path }) => path === `/log/${name}`) ||
          name === MANIFEST && faults.every(({ path }) => /\.(?:gz|rollup)$/.test(path));
        assert(isNamed, `${what} is found in ${faults.map(({ path }) => path)}`);
      }
    }
  });
}

Deno.test("verify() finds rollups (the sums of an archive) that differ from their archives, and accepts that rollups are missing", async () => {
  const { content } = LOG;
  const [rollup, other] = [bytesOf(SECOND_ROLLUP), bytesOf(FIRST_ROLLUP)];
  const short = withoutLastEvent(gunzipSync(bytesOf(SECOND)));
  // This manifest can be forged without a trace, because no later line covers the hash of its last line.
  const forgedWith = (bytes: Uint8Array): LogContent => {
    const manifest = new TextDecoder().decode(bytesOf(MANIFEST));
    const forged = manifest.replace(rollupDigest(rollup), rollupDigest(bytes));
    return withFile(withFile(content, SECOND_ROLLUP, bytes), MANIFEST, encoder.encode(forged));
  };
  const changes: [what: string, content: LogContent][] = [
    ["an event missing", withFile(content, SECOND_ROLLUP, short)],
    ["that of the first", withFile(content, SECOND_ROLLUP, other)],
    ["cut", withFile(content, SECOND_ROLLUP, rollup.slice(0, -1))],
    ["empty", withFile(content, SECOND_ROLLUP, new Uint8Array())],
    ["longer", withFile(content, SECOND_ROLLUP, joined(rollup, encoder.encode("\n")))],
    ["an event missing, with a forged manifest", forgedWith(short)],
    ["that of the first, with a forged manifest", forgedWith(other)],
  ];
  for (const [what, changed] of changes) await assertFound(changed, [SECOND_ROLLUP], what);
  const withoutRollups = withFile(withFile(content, FIRST_ROLLUP, null), SECOND_ROLLUP, null);
  assertEquals((await verified(withoutRollups)).faults, []);
  assertEquals((await verified(withTrueManifest(content))).faults, []);
});

/** Yields the possible changes to the lines of a file: a description, and the changed lines. */
function* lineChanges(
  lines: readonly Uint8Array[],
): Generator<[what: string, changed: Uint8Array[]]> {
  const foreign = encoder.encode('{"ts":"2026-02-13T00:00:05.000Z","event":"nav"}\n');
  for (const [index, line] of lines.entries()) {
    const before = lines.slice(0, index);
    const after = lines.slice(index + 1);
    yield [`line ${index + 1} removed`, [...before, ...after]];
    yield [`line ${index + 1} duplicated`, [...before, line, line, ...after]];
    yield [`a line inserted before ${index + 1}`, [...before, foreign, line, ...after]];
    yield [`a line inserted after ${index + 1}`, [...before, line, foreign, ...after]];
    yield [`an empty line after ${index + 1}`, [...before, line, encoder.encode("\n"), ...after]];
    yield [`line ${index + 1} repeated at the end`, [...lines, line]];
    const [next] = after;
    if (next !== undefined) {
      yield [`lines ${index + 1} and ${index + 2} swapped`, [
        ...before,
        next,
        line,
        ...after.slice(1),
      ]];
    }
    const edited = new TextDecoder().decode(line).replace('"nav"', '"bav"');
    yield [`line ${index + 1} edited`, [...before, encoder.encode(edited), ...after]];
  }
}

for (const name of [FIRST, SECOND, ACTIVE]) {
  Deno.test(`verify() finds every line of ${name} that is removed, inserted, duplicated, swapped or edited`, async () => {
    let changes = 0;
    for (const [what, changed] of lineChanges(linesOf(name))) {
      changes++;
      const content = withLines(LOG.content, name, changed);
      // If the newest event is removed, the rest is a valid older log. Only an anchor (a chain head that was stored
      // elsewhere) detects this removal.
      const isOlder = name === ACTIVE && what === `line ${COUNTS[2]} removed`;
      if (isOlder) assert(!(await verified(content, LOG.head)).ok, what);
      else await assertFound(content, [name], what);
    }
    assert(changes > 100, `only ${changes} changes`);
  });
}

for (const name of [FIRST, SECOND]) {
  Deno.test(`verify() finds changed lines of ${name} by the hash chain if the manifest was forged to match`, async () => {
    for (const [what, changed] of lineChanges(linesOf(name))) {
      const content = withTrueManifest(withLines(LOG.content, name, changed));
      const isAtEnd = what === `a line inserted after ${COUNTS[0]}` ||
        what === `an empty line after ${COUNTS[0]}`;
      // The chain covers no line after the last line of an archive. So if the manifest is forged too, only an anchor (a
      // chain head that was stored elsewhere) detects an added line.
      if (isAtEnd) assert(!(await verified(content, LOG.head)).ok, what);
      else await assertFound(content, [name, SECOND, ACTIVE], what);
    }
  });
}

Deno.test("verify() finds segments that are removed, swapped, replaced, renamed or inserted", async () => {
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
    ["replaced by the first", withFile(content, SECOND, first), SECOND],
    ["compressed again", withLines(content, FIRST, linesOf(FIRST)), FIRST],
    ["renamed to be the newest", withFile(withFile(content, FIRST, null), later, first), FIRST],
    [
      "renamed to be the oldest",
      withFile(withFile(content, SECOND, null), earlier, second),
      earlier,
    ],
    ["inserted", withFile(content, earlier, second), earlier],
    ["inserted as the newest", withFile(content, later, second), later],
    ["empty", withFile(content, FIRST, new Uint8Array()), FIRST],
    ["the active file replaced", withFile(content, ACTIVE, joined(...linesOf(SECOND))), ACTIVE],
    [
      "decompressed, with other lines",
      withFile(withFile(content, FIRST, null), FIRST.slice(0, -3), active),
      "audit_20260213_000018.jsonl",
    ],
  ];
  for (const [what, changed, named] of changes) await assertFound(changed, [named], what);
});

Deno.test("verify() finds lines of the manifest that are removed, swapped, duplicated or inserted", async () => {
  const { content } = LOG;
  const [a, b] = splitLines(bytesOf(MANIFEST)) as [Uint8Array, Uint8Array];
  const all = [MANIFEST, FIRST, SECOND];
  const changes: [what: string, lines: Uint8Array[]][] = [
    ["all removed", []],
    ["the first removed", [b]],
    ["the last removed", [a]],
    ["swapped", [b, a]],
    ["duplicated", [a, b, b]],
    ["the first duplicated", [a, a, b]],
    ["inserted", [a, encoder.encode("{}\n"), b]],
    ["inserted at the end", [a, b, encoder.encode("{}\n")]],
    ["an empty line", [a, b, encoder.encode("\n")]],
  ];
  for (const [what, lines] of changes) {
    await assertFound(withFile(content, MANIFEST, joined(...lines)), all, what);
  }
  await assertFound(withFile(content, MANIFEST, null), all, "no manifest");
  // A forged line of the manifest that is valid, but lists an archive a second time, or an archive that does not exist.
  for (const archive of [SECOND, "audit_20260214_000000.jsonl.gz"]) {
    const lines = new ManifestLines();
    lines.take(joined(a, b));
    const facts = lines.byArchive.get(SECOND)!;
    const forged = joined(a, b, lines.next({ ...facts, archive }));
    await assertFound(withFile(content, MANIFEST, forged), [archive], `a line for ${archive}`);
  }
});

Deno.test("verify() accepts a second manifest line for an archive only if its rollup (sums) is new, because recovery adds such lines", async () => {
  const { content } = LOG;
  const written = new ManifestLines();
  written.take(bytesOf(MANIFEST));
  const facts = written.byArchive.get(FIRST)!;
  const digest = facts.rollup_sha256!;
  const other = "0".repeat(64);
  const changes: [digests: (string | undefined)[], isFound: boolean][] = [
    // An earlier version of this library, which wrote no rollups (sums of an archive), wrote the first line.
    [[undefined, digest], false],
    // The writer of the first line was opened with other fields to group by, so its rollup (sums of an archive) has
    // another digest.
    [[other, digest], false],
    [[digest, digest], true],
    [[digest, undefined], true],
    [[digest, other], true],
    [[undefined, undefined], true],
  ];
  for (const [digests, isFound] of changes) {
    const lines = new ManifestLines();
    const parts = [
      ...digests.map((rollup_sha256) => ({ ...facts, rollup_sha256 })),
      written.byArchive.get(SECOND)!,
    ].map((line) => {
      const bytes = lines.next(line);
      lines.take(bytes);
      return bytes;
    });
    const { ok, faults } = await verified(withFile(content, MANIFEST, joined(...parts)));
    assertEquals([ok, faults.length], [!isFound, isFound ? 1 : 0], digests.join(" then "));
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
    reason: "hash mismatch: this line or an earlier one was modified",
  }]);
});

Deno.test("verify() continues after each fault, and reports every fault", async () => {
  const lines = linesOf(ACTIVE);
  const changed = lines.filter((_, index) => index !== 2 && index !== 9);
  changed[5] = encoder.encode(new TextDecoder().decode(changed[5]).replace('"nav"', '"bav"'));
  const { faults } = await verified(withLines(LOG.content, ACTIVE, changed));
  assertEquals(faults.map(({ line, reason }) => [line, reason]), [
    [3, "a line is missing before this line: its seq is 37 after 35"],
    [6, "hash mismatch: this line or an earlier one was modified"],
    [9, "a line is missing before this line: its seq is 44 after 42"],
  ]);
});

// A hash chain alone cannot detect the changes in the following tests, because an attacker who can write the files can
// compute the hashes anew.
Deno.test("verify() detects removal of the newest events only with an anchor (a stored chain head), and otherwise lists it in notShown", async () => {
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

Deno.test("verify() states in notShown that an anchor of a log without a hash chain does not protect lines outside of archives", async () => {
  const log = await writtenLog([5], {});
  assertEquals([log.head.seq, log.head.archives], [null, 0]);
  const fewer = withLines(log.content, ACTIVE, linesOf(ACTIVE, log.content).slice(3));
  const { ok, notShown } = await verified(fewer, log.head);
  assert(ok);
  assert(
    notShown.some((sentence) => sentence.includes("removal of unchained lines")),
    `${notShown}`,
  );
});

Deno.test("verify() detects a rewrite of the whole log only with an anchor, a chain head that was stored elsewhere", async () => {
  const rewritten = await writtenLog([17, 17, 16], { chain: true, sessionId: "t" });
  assertEquals((await verified(rewritten.content)).ok, true);
  const { ok, faults } = await verified(rewritten.content, LOG.head);
  assertEquals(ok, false);
  assertEquals(faults.map(({ path }) => path), [files.active, files.manifest]);
});

Deno.test("verify() does not detect an event that another process appended, and lists this in notShown", async () => {
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

Deno.test("verify() reports an incomplete last line of a file in notShown, not as a fault", async () => {
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
  // Killed writers leave the start of a line that this library writes. Only such a text counts as an incomplete line;
  // any other text is a fault.
  await assertFound(
    withLines(LOG.content, ACTIVE, [...lines, encoder.encode("note to self")]),
    [ACTIVE],
    "a note",
  );
});

Deno.test("verify() accepts lines without hashes if the hash of a later line covers them", async () => {
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

Deno.test("verify() checks a log without a hash chain by its manifest (list of archives), and counts the unprotected lines", async () => {
  const log = await writtenLog([5, 5, 5], {});
  const report = await verified(log.content, log.head);
  assertEquals(report.faults, []);
  assert(report.notShown.some((sentence) => sentence.includes("5 lines")));
  assertEquals([log.head.seq, log.head.hash], [null, null]);
  const [archive = ""] = [...log.content.keys()].filter((name) => name.endsWith(".gz"));
  const changed = linesOf(archive, log.content).slice(1);
  await assertFound(withLines(log.content, archive, changed), [archive], "a removed line");
});

Deno.test("verify() finds a changed uncompressed copy of an archive, which readers prefer to the archive", async () => {
  const log = await writtenLog([5, 5], {});
  const [archive = ""] = [...log.content.keys()].filter((name) => name.endsWith(".gz"));
  const sealed = archive.slice(0, -".gz".length);
  const lines = linesOf(archive, log.content);
  const copy = withFile(log.content, sealed, joined(...lines));
  assertEquals((await verified(copy)).faults, []);
  await assertFound(withFile(copy, sealed, joined(...lines.slice(1))), [sealed], "a removed line");
});

Deno.test("verify() reports every line of a log that the Python version of AuditLog wrote as unprotected", async () => {
  const log = await writtenLog([5, 5], {});
  const { ok, notShown } = await verified(withFile(log.content, MANIFEST, null));
  assertEquals(ok, true);
  assert(notShown.some((sentence) => sentence.includes("10 lines")));
});

Deno.test("verify() finds no fault in a log that does not exist", async () => {
  const report = await verified(new Map());
  assertEquals(report, { ok: true, archives: 0, lines: 0, bytes: 0, faults: [], notShown: [] });
});

Deno.test("verify() rejects an anchor that is not a chain head (seq and hash of a line), and names its value", async () => {
  const anchors = [{ ...LOG.head, seq: -1 }, { ...LOG.head, hash: null }, { archives: "1" }];
  for (const anchor of anchors) {
    await assertRejects(
      () => verified(LOG.content, anchor as unknown as ChainHead),
      TypeError,
      JSON.stringify(anchor),
    );
  }
});

Deno.test("verify() lists at most 1,000 faults, and counts the others", async () => {
  const line = linesOf(ACTIVE)[0]!;
  const lines = [...linesOf(ACTIVE), ...Array.from({ length: 1_500 }, () => line)];
  const { faults } = await verified(withLines(LOG.content, ACTIVE, lines));
  assertEquals([faults.length, faults.at(-1)?.reason], [1_001, "500 more faults are not listed"]);
});

Deno.test("The hash of a line covers the hash of the line before it and its own content", () => {
  const [first, second] = linesOf(FIRST).map((line) => line.subarray(0, -1));
  const link = linkOf(first!)!;
  assertEquals(new NextHash(CHAIN_START).of(bareLine(first!)), link.hash);
  assertEquals(new NextHash(link).of(bareLine(second!)), linkOf(second!)!.hash);
});
