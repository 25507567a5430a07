import { assertEquals } from "@std/assert";
import type { RetentionPolicy, UntilShippedPolicy } from "@vivarium/scout";
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

Deno.test("dueArchives() keeps every archive that follows the first one that it keeps, even if it is too old", () => {
  // The clock was years ahead when the first archive was created, so its name has a time in the future.
  const archives = [{ stamp: "20300101_000000", gzip_bytes: 1 }, ...ARCHIVES];
  assertEquals(dueArchives(archives, { maxAgeSec: 60 }, NOW_MS), []);
});

Deno.test("dueArchives() returns an empty list for zero archives, and for one archive that is not too old", () => {
  assertEquals(dueArchives([], { maxArchives: 1 }, NOW_MS), []);
  assertEquals(dueArchives(ARCHIVES.slice(0, 1), { maxBytes: 0, maxArchives: 1 }, NOW_MS), []);
});

const WAITING: [
  untilShipped: UntilShippedPolicy,
  received: number | null,
  limits: RetentionPolicy,
  due: number,
][] = [
  // No fleet has received an archive, and `untilShipped` allows all five archives to wait. So no archive is due for
  // deletion.
  [{ maxBytes: 500 }, null, { maxArchives: 1 }, 0],
  [{ maxAgeSec: 300 }, null, { maxArchives: 1 }, 0],
  // The archives that every fleet has received are due for deletion, if they exceed the other limits.
  [{ maxBytes: 500 }, 0, { maxArchives: 1 }, 1],
  [{ maxBytes: 500 }, 2, { maxArchives: 1 }, 3],
  [{ maxBytes: 500 }, 4, { maxArchives: 1 }, 4],
  [{ maxBytes: 500 }, 4, { maxArchives: 3 }, 2],
  [{ maxBytes: 500 }, 4, { maxAgeSec: 0 }, 5],
  // The waiting archives exceed a limit of `untilShipped`. So the oldest are due for deletion, even if no fleet has
  // received them.
  [{ maxBytes: 499 }, null, { maxArchives: 1 }, 1],
  [{ maxBytes: 250 }, null, { maxArchives: 1 }, 3],
  [{ maxBytes: 0 }, null, { maxArchives: 1 }, 4],
  [{ maxBytes: 0 }, null, { maxAgeSec: 0 }, 5],
  [{ maxBytes: 250 }, 1, { maxArchives: 1 }, 3],
  [{ maxAgeSec: 299 }, null, { maxArchives: 1 }, 1],
  [{ maxAgeSec: 121 }, null, { maxArchives: 1 }, 3],
  [{ maxAgeSec: 0 }, null, { maxAgeSec: 0 }, 5],
  [{ maxBytes: 500, maxAgeSec: 200 }, null, { maxArchives: 1 }, 2],
  [{ maxBytes: 300, maxAgeSec: 1e9 }, null, { maxArchives: 1 }, 2],
  // The waiting archives exceed `untilShipped`, but `maxArchives` is not exceeded. So no archive is due for deletion.
  [{ maxBytes: 0, maxAgeSec: 0 }, null, { maxArchives: 5 }, 0],
];
for (const [untilShipped, received, limits, count] of WAITING) {
  const which = received === null ? "no archive" : `archive ${received}`;
  Deno.test(`dueArchives() returns ${count} of five archives for ${JSON.stringify({ ...limits, untilShipped })} if ${which} is the newest that every fleet has received`, () => {
    const stamp = received === null ? null : ARCHIVES[received]!.stamp;
    const due = dueArchives(ARCHIVES, { ...limits, untilShipped }, NOW_MS, stamp);
    assertEquals(due.map(({ archive }) => archive), ARCHIVES.slice(0, count));
  });
}

Deno.test("dueArchives() does not wait until fleets have received archives if the policy has no untilShipped", () => {
  assertEquals(dueArchives(ARCHIVES, { maxArchives: 1 }, NOW_MS, null).length, 4);
});
