import { assertEquals } from "@std/assert";
import { accuracyMetrics } from "@vivarium/scout";

const CASES: [navs: number, fails: number, accuracyPct: number][] = [
  [0, 0, 100],
  [0, 3, 100],
  [3, 0, 100],
  [3, 1, 66.67],
  [7, 1, 85.71],
  [2, 5, 0],
];

for (const [totalNav, validationFailCount, accuracyPct] of CASES) {
  Deno.test(`accuracyMetrics() computes the accuracy of ${totalNav} navigations and ${validationFailCount} failures`, async () => {
    const events = [
      ...Array.from({ length: totalNav }, () => ({ event: "nav" })),
      ...Array.from({ length: validationFailCount }, () => ({ event: "validation_fail" })),
      { event: "brief" },
      {},
    ];
    assertEquals(await accuracyMetrics(ReadableStream.from(events)), {
      totalNav,
      validationFailCount,
      accuracyPct,
    });
  });
}
