import { assert, assertEquals } from "@std/assert";
import { keptName, NameTally } from "../../src/report/name_tally.ts";

interface Figures {
  readonly name: string | null;
  count: number;
}

function tallyOf(names: readonly unknown[]): NameTally<Figures> {
  const tally = new NameTally<Figures>((name) => ({ name, count: 0 }));
  for (const name of names) tally.of(name).count++;
  return tally;
}

function countsOf(tally: NameTally<Figures>): [string | null, number][] {
  return [...tally.named].map(({ name, count }) => [name, count]);
}

const NAMES = Array.from({ length: 300 }, (_, n) => `name ${n}`);

Deno.test("NameTally returns the figures of each name, in the order in which names first occurred", () => {
  const tally = tallyOf(["b", "a", "b", "", "__proto__", "constructor", "b"]);
  assertEquals(countsOf(tally), [["b", 3], ["a", 1], ["", 1], ["__proto__", 1], [
    "constructor",
    1,
  ]]);
  assertEquals(tally.others, null);
});

Deno.test("NameTally treats a value that is not a string as a missing name", () => {
  const tally = tallyOf([undefined, null, 5, NaN, true, {}, ["a"], "a", "null", undefined]);
  assertEquals(countsOf(tally), [[null, 8], ["a", 1], ["null", 1]]);
});

Deno.test("NameTally counts all names after the first 256 together", () => {
  assertEquals(tallyOf(NAMES.slice(0, 256)).others, null);
  const tally = tallyOf([...NAMES, ...NAMES]);
  assertEquals(countsOf(tally), NAMES.slice(0, 256).map((name) => [name, 2]));
  assertEquals(tally.others, { name: null, count: 88 });
});

Deno.test("NameTally counts events without a name separately, unless 256 names occurred before the first of them", () => {
  const late = tallyOf([...NAMES.slice(0, 256), undefined]);
  assertEquals([[...late.named].length, late.others?.count], [256, 1]);
  const early = tallyOf([undefined, ...NAMES.slice(0, 256), undefined]);
  assertEquals([countsOf(early)[0], early.others?.count], [[null, 2], 1]);
});

Deno.test("NameTally distinguishes two long names with the same start", () => {
  const beginning = "x".repeat(10_000);
  const tally = tallyOf([`${beginning}1`, `${beginning}2`, `${beginning}1`]);
  assertEquals(countsOf(tally).map(([, count]) => count), [2, 1]);
});

Deno.test("keptName() returns a short name unchanged, and cuts a long name", () => {
  for (const name of ["", "a", "x".repeat(200)]) assertEquals(keptName(name), name);
  const long = `${"x".repeat(199)}yz`;
  const kept = keptName(long);
  assertEquals([kept.length, kept.slice(0, 182)], [200, long.slice(0, 182)]);
  assertEquals(kept, keptName(long));
  assert(kept !== keptName(`${"x".repeat(199)}zy`));
  assertEquals(keptName("ä".repeat(10 ** 6)).length, 200);
});
