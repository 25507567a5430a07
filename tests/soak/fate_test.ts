import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { SeededRandom } from "../seeded_random.ts";
import { type Fate, nextFate } from "./fate.ts";

function fatesOf(seed: string): Fate[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: 100 }, () => nextFate(random));
}

Deno.test("nextFate() draws the same times to kill writers for the same seed, and covers every kind of moment", () => {
  const fates = fatesOf("7");
  assertEquals(fatesOf("7"), fates);
  assertNotEquals(fatesOf("8"), fates);
  const milestones = new Set(fates.map(({ kill }) => kill.milestone));
  assertEquals([...milestones].sort(), ["acknowledged", "opening", "rotating"]);
  assert(fates.some(({ stop }) => stop !== undefined));
  assert(fates.some(({ tears }) => tears));
});
