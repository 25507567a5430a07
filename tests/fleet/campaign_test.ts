import { assertEquals } from "@std/assert";
import { longTest } from "../extent.ts";
import { FAULT_SCENES, type Outcome, outcomeOf, tableOf } from "./campaign.ts";

const outcomes: Outcome[] = [];

// Only the long suite runs these faults on real servers, which takes minutes. The quick suite uses the simulated server
// of protocol_test.ts instead.
for (const scene of FAULT_SCENES) {
  await longTest(
    `A fleet stores its logs exactly once and reports every gap: ${scene.what}`,
    async () => {
      const outcome = await outcomeOf(scene);
      outcomes.push(outcome);
      const { what, times, lost, doubled, isExact } = outcome;
      const expected = { what, times: scene.times, lost: 0, doubled: 0, isExact: true };
      assertEquals({ what, times, lost, doubled, isExact }, expected);
      if (outcomes.length === FAULT_SCENES.length) console.log(`\n${tableOf(outcomes)}`);
    },
    ["nats-server"],
  );
}

Deno.test("outcomeOf() detects bytes of a log that the stream lacks or has twice, and wrongly reported gaps", async () => {
  const scene = (copied: Partial<Parameters<typeof copiedOf>[0]>) => ({
    what: "planted",
    times: 1,
    run: () => Promise.resolve(copiedOf(copied)),
  });
  const figures = async (copied: Parameters<typeof scene>[0]) => {
    const { lost, doubled, told, isExact } = await outcomeOf(scene(copied));
    return [lost, doubled, told, isExact];
  };
  assertEquals(await figures({}), [0, 0, 0, true]);
  assertEquals(await figures({ text: "a\nc\n", seams: [[2, 4]], events: 2 }), [2, 0, 0, false]);
  assertEquals(await figures({ text: "a\nb\nb\nc\n", seams: [[4, 2]] }), [0, 2, 0, false]);
  assertEquals(await figures({ text: "a\nb\n", events: 2 }), [2, 0, 0, false]);
  assertEquals(await figures({ text: "a\nx\nc\n" }), [0, 0, 0, false]);
  assertEquals(await figures({ events: 4 }), [0, 0, 0, false]);
  const gap = { text: "a\nc\n", seams: [[2, 4]] as [number, number][], events: 2 };
  const expectedGaps = [{ from: 2, to: 4 }];
  assertEquals(await figures({ ...gap, expectedGaps, gaps: expectedGaps }), [0, 0, 2, true]);
  assertEquals(await figures({ ...gap, expectedGaps, gaps: [] }), [0, 0, 0, false]);
  assertEquals(await figures({ gaps: expectedGaps }), [0, 0, 2, false]);
});

/** Returns a log of three lines with a correct copy, some members of which are replaced. */
function copiedOf(more: Partial<Awaited<ReturnType<typeof FAULT_SCENES[0]["run"]>>>) {
  const logged = "a\nb\nc\n";
  const copied = { logged, text: logged, blocks: 1, seams: [], events: 3 };
  return { ...copied, gaps: [], expectedGaps: [], ...more };
}
