import { assertEquals } from "@std/assert";
import type { RetentionPolicy } from "@vivarium/scout";
import { dueArchives } from "../../src/segments/retention_policy.ts";

const NOW_MS = Date.UTC(2026, 1, 13, 1);
/** Five archives of 100 bytes, one minute apart; the newest is one minute old. */
const ARCHIVES = [55, 56, 57, 58, 59].map((minute) => ({
  stamp: `20260213_00${minute}00`,
  gzip_bytes: 100,
}));

const CASES: [policy: RetentionPolicy, due: number, reason: string][] = [
  [{}, 0, ""],
  [{ maxArchives: 5 }, 0, ""],
  [{ maxArchives: 4 }, 1, "archives"],
  [{ maxArchives: 1 }, 4, "archives"],
  [{ maxBytes: 500 }, 0, ""],
  [{ maxBytes: 499 }, 1, "bytes"],
  [{ maxBytes: 201 }, 3, "bytes"],
  [{ maxBytes: 0 }, 4, "bytes"],
  [{ maxAgeSec: 300 }, 0, ""],
  [{ maxAgeSec: 299 }, 1, "age"],
  [{ maxAgeSec: 61 }, 4, "age"],
  [{ maxAgeSec: 0 }, 5, "age"],
  [{ maxArchives: 5, maxBytes: 300, maxAgeSec: 1e9 }, 2, "bytes"],
];
for (const [policy, count, reason] of CASES) {
  Deno.test(`dueArchives() returns ${count} of five archives for ${JSON.stringify(policy)}`, () => {
    const due = dueArchives(ARCHIVES, policy, NOW_MS);
    assertEquals(due, ARCHIVES.slice(0, count).map((archive) => ({ archive, reason })));
  });
}

Deno.test("dueArchives() keeps all archives that are newer than the first archive to keep", () => {
  // The first archive was sealed while the clock was far ahead.
  const archives = [{ stamp: "20300101_000000", gzip_bytes: 1 }, ...ARCHIVES];
  assertEquals(dueArchives(archives, { maxAgeSec: 60 }, NOW_MS), []);
});

Deno.test("dueArchives() returns an empty list for zero archives, and for one archive that is not too old", () => {
  assertEquals(dueArchives([], { maxArchives: 1 }, NOW_MS), []);
  assertEquals(dueArchives(ARCHIVES.slice(0, 1), { maxBytes: 0, maxArchives: 1 }, NOW_MS), []);
});
